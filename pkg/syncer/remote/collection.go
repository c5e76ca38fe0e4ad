package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// fieldManager is the name under which this agent owns fields. kcp's syncer uses
// the same.
const fieldManager = "syncer"

// Resource is one resource in one version, with the kind of its objects.
type Resource struct {
	schema.GroupVersionResource
	Kind string
}

// Collection is one resource under one URL prefix.
type Collection struct {
	// Server serves it.
	Server *Server
	// Prefix is the path in front of /api or /apis, without a slash at its end.
	Prefix string
	// Resource is what the collection consists of.
	Resource Resource
	// LabelSelector leaves out what it does not select, from lists and watches.
	LabelSelector string
}

// Under returns the collection at another prefix.
func (c Collection) Under(prefix string) Collection {
	c.Prefix = prefix
	return c
}

// Get reads one object.
func (c Collection) Get(ctx context.Context, namespace, name string) (*unstructured.Unstructured, error) {
	return c.decode(c.Server.send(ctx, http.MethodGet, c.path(namespace, name, ""), nil))
}

// Create makes obj and fails if there is one of that name.
func (c Collection) Create(ctx context.Context, obj *unstructured.Unstructured) error {
	body, err := json.Marshal(obj.Object)
	if err != nil {
		return fmt.Errorf("failed to encode %s: %w", obj.GetName(), err)
	}
	_, err = c.Server.send(ctx, http.MethodPost, c.path(obj.GetNamespace(), "", ""), body)
	return err
}

// Apply makes the fields of obj be as they are in obj, whoever else had set them,
// and removes those that an earlier Apply had set. When obj has a UID, it fails
// unless the object there has the same.
func (c Collection) Apply(ctx context.Context, obj *unstructured.Unstructured) error {
	body, err := json.Marshal(obj.Object)
	if err != nil {
		return fmt.Errorf("failed to encode %s: %w", obj.GetName(), err)
	}
	params := map[string]string{"fieldManager": fieldManager, "force": "true"}
	_, err = c.Server.patch(ctx, types.ApplyPatchType, c.path(obj.GetNamespace(), obj.GetName(), ""), body, params)
	return err
}

// Patch changes an object, or its subresource unless that is empty.
func (c Collection) Patch(ctx context.Context, kind types.PatchType, namespace, name, subresource string, body []byte) (*unstructured.Unstructured, error) {
	params := map[string]string{"fieldManager": fieldManager}
	return c.decode(c.Server.patch(ctx, kind, c.path(namespace, name, subresource), body, params))
}

// Delete deletes the object if it has that UID. What depends on it goes after it.
func (c Collection) Delete(ctx context.Context, namespace, name string, uid types.UID) error {
	body, err := json.Marshal(metav1.DeleteOptions{
		TypeMeta:          metav1.TypeMeta{APIVersion: "v1", Kind: "DeleteOptions"},
		Preconditions:     &metav1.Preconditions{UID: &uid},
		PropagationPolicy: new(metav1.DeletePropagationBackground),
	})
	if err != nil {
		return fmt.Errorf("failed to encode delete options: %w", err)
	}
	_, err = c.Server.send(ctx, http.MethodDelete, c.path(namespace, name, ""), body)
	return err
}

// Probe asks for as little as possible, to see whether the collection is served
// and may be read.
func (c Collection) Probe(ctx context.Context) error {
	_, err := do(ctx, c.list(metav1.ListOptions{Limit: 1}))
	return err
}

// path builds the URL path of the collection (no name) or of one object.
func (c Collection) path(namespace, name, subresource string) string {
	path := c.Prefix + "/api"
	if c.Resource.Group != "" {
		path += "s/" + c.Resource.Group
	}
	path += "/" + c.Resource.Version
	if namespace != "" {
		path += "/namespaces/" + namespace
	}
	path += "/" + c.Resource.Resource
	for _, segment := range []string{name, subresource} {
		if segment != "" {
			path += "/" + segment
		}
	}
	return path
}

func (c Collection) decode(body []byte, err error) (*unstructured.Unstructured, error) {
	if err != nil {
		return nil, err
	}
	return decodeObject(body, c.Resource)
}
