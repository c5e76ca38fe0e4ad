package partition

import (
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// workspaceField is the selectable field under which every stored object shows
// its workspace; it is empty if the stamp is not a valid name. Caches index
// watchers by it.
const workspaceField = logicalcluster.AnnotationKey

// stampOf returns the workspace obj says it lives in. Unstructured objects are
// looked into without the copy that GetAnnotations makes: this runs for every
// event of every cache.
func stampOf(obj runtime.Object) logicalcluster.Name {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		metadata, _ := u.Object["metadata"].(map[string]any)
		annotations, _ := metadata["annotations"].(map[string]any)
		name, _ := annotations[logicalcluster.AnnotationKey].(string)
		return logicalcluster.Name(name)
	}
	accessor, err := meta.Accessor(obj)
	if err != nil {
		return ""
	}
	return logicalcluster.From(accessor)
}

// stamp writes the workspace into obj, over whatever is there (P3). A map that
// the caller may share with a cache is replaced, not written to.
func stamp(obj runtime.Object, name logicalcluster.Name) error {
	if stampOf(obj) == name {
		return nil
	}
	accessor, err := meta.Accessor(obj)
	if err != nil {
		return fmt.Errorf("stamping an object without metadata: %w", err)
	}
	annotations := maps.Clone(accessor.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[logicalcluster.AnnotationKey] = string(name)
	accessor.SetAnnotations(annotations)
	return nil
}

// stampedAttrs adds the workspace to the fields of attrs, and makes sure that
// labels are the object's own: a cache matches selectors with nothing else.
func stampedAttrs(attrs storage.AttrFunc) storage.AttrFunc {
	if attrs == nil {
		attrs = storage.DefaultNamespaceScopedAttr
	}
	attrs = withOwnLabels(attrs)
	return func(obj runtime.Object) (labels.Set, fields.Set, error) {
		labelSet, fieldSet, err := attrs(obj)
		if err != nil {
			return nil, nil, err
		}
		if fieldSet == nil {
			fieldSet = fields.Set{}
		}
		fieldSet[workspaceField] = indexValue(obj)
		return labelSet, fieldSet, nil
	}
}

// indexValue is the value of workspaceField.
func indexValue(obj runtime.Object) string {
	if name := stampOf(obj); name.IsValid() {
		return string(name)
	}
	return ""
}
