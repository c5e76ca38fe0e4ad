package admission

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	admissionmetrics "k8s.io/apiserver/pkg/admission/metrics"
)

// Chain returns plugins as one plugin, with Kubernetes' metrics by name.
func Chain(plugins ...Named) admission.Interface {
	handlers := make([]admission.Interface, 0, len(plugins))
	for _, plugin := range plugins {
		handlers = append(handlers, admissionmetrics.WithControllerMetrics(plugin.Plugin, plugin.Name))
	}
	return admission.NewChainHandler(handlers...)
}

// Named is a plugin and the name it has in metrics.
type Named struct {
	Name   string
	Plugin admission.Interface
}

// typed converts what admission holds of a custom resource into T.
func typed[T any](object runtime.Object) (*T, error) {
	into := new(T)
	if same, ok := object.(any).(*T); ok {
		return same, nil
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	return into, runtime.DefaultUnstructuredConverter.FromUnstructured(content, into)
}

// store puts a changed T back into the object that admission holds.
func store[T any](from *T, object runtime.Object) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(from)
	if err != nil {
		return err
	}
	if holder, ok := object.(runtime.Unstructured); ok {
		holder.SetUnstructuredContent(content)
		return nil
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(content, object)
}
