package remote

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// item is an object as JSON, with the little of it that is needed to keep it.
// It pretends to be a runtime.Object so that client-go's Reflector can carry it.
type item struct {
	key             logicalcluster.Key
	resourceVersion string
	// json has neither managed fields nor kubectl's copy of the object: the agent
	// uses neither, and together they are most of many objects.
	json []byte
}

var (
	_ runtime.Object            = &item{}
	_ metav1.ObjectMetaAccessor = &item{}
)

// GetObjectKind says nothing: a Mirror knows the kind of what it holds.
func (i *item) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject returns i, which never changes.
func (i *item) DeepCopyObject() runtime.Object { return i }

// GetObjectMeta returns what a Reflector wants to know.
func (i *item) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{
		Namespace:       i.key.Namespace,
		Name:            i.key.Name,
		ResourceVersion: i.resourceVersion,
	}
}

// itemList is one list answer, all pages.
type itemList struct {
	metav1.ListMeta
	Items []*item
}

// GetObjectKind says nothing.
func (l *itemList) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject returns l, which never changes.
func (l *itemList) DeepCopyObject() runtime.Object { return l }

// itemMeta is the metadata an item is made from.
type itemMeta struct {
	Name            string            `json:"name"`
	Namespace       string            `json:"namespace"`
	ResourceVersion string            `json:"resourceVersion"`
	Annotations     map[string]string `json:"annotations"`
}

func newItem(raw []byte) (*item, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, fmt.Errorf("failed to decode an object: %w", err)
	}
	var meta itemMeta
	if err := json.Unmarshal(object["metadata"], &meta); err != nil {
		return nil, fmt.Errorf("failed to decode the metadata of an object: %w", err)
	}
	lean, err := leanMetadata(object["metadata"], meta.Annotations)
	if err != nil {
		return nil, fmt.Errorf("failed to trim the metadata of %s: %w", meta.Name, err)
	}
	object["metadata"] = lean
	text, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("failed to encode %s: %w", meta.Name, err)
	}
	return &item{
		key: logicalcluster.Key{
			Workspace: logicalcluster.Name(meta.Annotations[logicalcluster.AnnotationKey]),
			Namespace: meta.Namespace,
			Name:      meta.Name,
		},
		resourceVersion: meta.ResourceVersion,
		json:            text,
	}, nil
}

func leanMetadata(raw json.RawMessage, annotations map[string]string) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	delete(fields, "managedFields")
	if _, ok := annotations[corev1.LastAppliedConfigAnnotation]; ok {
		delete(annotations, corev1.LastAppliedConfigAnnotation)
		lean, err := json.Marshal(annotations)
		if err != nil {
			return nil, err
		}
		fields["annotations"] = lean
	}
	return json.Marshal(fields)
}

// decodeObject decodes an object. Items of lists do not say what they are, so
// this is filled in.
func decodeObject(raw []byte, resource Resource) (*unstructured.Unstructured, error) {
	obj := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal(raw, &obj.Object); err != nil {
		return nil, fmt.Errorf("failed to decode a %s: %w", resource.Kind, err)
	}
	obj.SetAPIVersion(resource.GroupVersion().String())
	obj.SetKind(resource.Kind)
	return obj, nil
}
