package transform

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Hints are what other hub objects say about one.
type Hints struct {
	// Autoscaled: a HorizontalPodAutoscaler decides on the number of replicas. It
	// works in the child, so the number in the hub is not sent.
	Autoscaled bool
}

// Down returns the copy of hubObj as the child shall have it, or nil when
// objects like it have no copy. hubObj is not changed, and the copy shares
// nothing with it.
func (t Target) Down(resource schema.GroupResource, hubObj *unstructured.Unstructured, hints Hints) (*unstructured.Unstructured, error) {
	name, ok := ChildName(resource, hubObj.GetName())
	if !ok || isServiceAccountToken(resource, hubObj) {
		return nil, nil
	}
	childObj := &unstructured.Unstructured{Object: body(hubObj)}
	childObj.SetName(name)
	childObj.SetNamespace(t.Locate(logicalcluster.From(hubObj), hubObj.GetNamespace()).ChildNamespace())
	childObj.SetLabels(t.childLabels(hubObj.GetLabels()))
	if annotations := childAnnotations(hubObj.GetAnnotations()); len(annotations) > 0 {
		childObj.SetAnnotations(annotations)
	}
	if adapt := kinds[resource].down; adapt != nil {
		adapt(childObj.Object)
	}
	if hints.Autoscaled {
		unstructured.RemoveNestedField(childObj.Object, "spec", "replicas")
	}
	return childObj, mark(childObj, hubObj)
}

// body returns hubObj without metadata and status.
func body(hubObj *unstructured.Unstructured) map[string]any {
	out := make(map[string]any, len(hubObj.Object))
	for field, value := range hubObj.Object {
		if field != "metadata" && field != "status" {
			out[field] = runtime.DeepCopyJSONValue(value)
		}
	}
	return out
}

// isServiceAccountToken finds Secrets that are worth something only to the
// cluster that issued them.
func isServiceAccountToken(resource schema.GroupResource, hubObj *unstructured.Unstructured) bool {
	if resource != (schema.GroupResource{Resource: "secrets"}) {
		return false
	}
	kind, _, _ := unstructured.NestedString(hubObj.Object, "type")
	return kind == string(corev1.SecretTypeServiceAccountToken)
}

func (t Target) childLabels(hubLabels map[string]string) map[string]string {
	out := make(map[string]string, len(hubLabels)+1)
	for name, value := range hubLabels {
		if !isHubs(name) {
			out[name] = value
		}
	}
	out[workloadv1alpha1.DownstreamClusterLabel] = t.Key()
	return out
}

func childAnnotations(hubAnnotations map[string]string) map[string]string {
	out := make(map[string]string, len(hubAnnotations)+1)
	for name, value := range hubAnnotations {
		if !isHubs(name) && !isDerived(name) {
			out[name] = value
		}
	}
	return out
}

// isDerived finds annotations that a cluster keeps for itself. The child has its
// own values for them (T3).
func isDerived(name string) bool {
	return name == corev1.LastAppliedConfigAnnotation ||
		name == appsv1.DeprecatedTemplateGeneration || name == deploymentRevision
}

// deploymentRevision counts the ReplicaSets of a Deployment.
const deploymentRevision = "deployment.kubernetes.io/revision"

// isHubs reports whether a label or annotation is a matter between the hub and
// its agents. Among them are the keys of other targets, which are nobody's
// business in a child.
func isHubs(name string) bool {
	domain, _, found := strings.Cut(name, "/")
	if !found {
		return name == workloadv1alpha1.SummarizingRulesAnnotationKey
	}
	for _, ours := range []string{"kcp.io", "atrium.io"} {
		if domain == ours || strings.HasSuffix(domain, "."+ours) {
			return true
		}
	}
	return false
}

// Mine reports whether childObj is a copy that the target with key made.
func Mine(childObj metav1.Object, key string) bool {
	return childObj.GetLabels()[workloadv1alpha1.DownstreamClusterLabel] == key
}
