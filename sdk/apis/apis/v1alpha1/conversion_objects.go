package v1alpha1

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

// Convert returns an APIExport or APIBinding in another version. The object that
// it is given stays as it is.
func Convert(object *unstructured.Unstructured, apiVersion string) (*unstructured.Unstructured, error) {
	if object.GetAPIVersion() == apiVersion {
		return object.DeepCopy(), nil
	}
	to := schema.FromAPIVersionAndKind(apiVersion, object.GetKind())
	converted, err := convert(object, to)
	if err != nil {
		return nil, err
	}
	converted.GetObjectKind().SetGroupVersionKind(to)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(converted)
	if err != nil {
		return nil, fmt.Errorf("writing the %s: %w", object.GetKind(), err)
	}
	return &unstructured.Unstructured{Object: content}, nil
}

func convert(object *unstructured.Unstructured, to schema.GroupVersionKind) (runtime.Object, error) {
	switch to {
	case SchemeGroupVersion.WithKind("APIExport"):
		in, out := &apisv1alpha2.APIExport{}, &APIExport{}
		if err := read(object, in); err != nil {
			return nil, err
		}
		out.FromV1alpha2(in)
		return out, nil
	case SchemeGroupVersion.WithKind("APIBinding"):
		in, out := &apisv1alpha2.APIBinding{}, &APIBinding{}
		if err := read(object, in); err != nil {
			return nil, err
		}
		out.FromV1alpha2(in)
		return out, nil
	case apisv1alpha2.SchemeGroupVersion.WithKind("APIExport"):
		in := &APIExport{}
		if err := read(object, in); err != nil {
			return nil, err
		}
		return in.ToV1alpha2()
	case apisv1alpha2.SchemeGroupVersion.WithKind("APIBinding"):
		in := &APIBinding{}
		if err := read(object, in); err != nil {
			return nil, err
		}
		return in.ToV1alpha2()
	default:
		return nil, fmt.Errorf("%s %s cannot be converted to %s", object.GetAPIVersion(), object.GetKind(), to)
	}
}

func read(object *unstructured.Unstructured, into runtime.Object) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into); err != nil {
		return fmt.Errorf("reading the %s: %w", object.GetKind(), err)
	}
	return nil
}
