package inventorytest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Hub holds collections and writes to them.
type Hub struct {
	clock       clock.PassiveClock
	collections map[schema.GroupVersionResource]collection
	version     int
	// Shorten is applied to every line of the log, so that hashes can be written
	// as names.
	Shorten func(string) string
	log     []string
}

// collection is a Collection of any type.
type collection interface {
	load(logicalcluster.Key) (map[string]any, bool)
	store(logicalcluster.Key, map[string]any) error
	drop(logicalcluster.Key)
}

// NewHub returns an empty hub.
func NewHub(clock clock.PassiveClock) *Hub {
	return &Hub{clock: clock, collections: map[schema.GroupVersionResource]collection{}, Shorten: func(s string) string { return s }}
}

// Log returns what was written since the last call, and forgets it.
func (h *Hub) Log() []string {
	lines := h.log
	h.log = nil
	return lines
}

func (h *Hub) logf(format string, args ...any) {
	h.log = append(h.log, h.Shorten(fmt.Sprintf(format, args...)))
}

// MergePatch applies a JSON merge patch as the API server would: a resource
// version in it must be the current one, and status is only written through the
// subresource of that name, which writes nothing else.
func (h *Hub) MergePatch(_ context.Context, gvr schema.GroupVersionResource, key logicalcluster.Key, patch []byte, subresources ...string) error {
	h.logf("patch %s %s %s", strings.Join(append([]string{gvr.Resource}, subresources...), "/"), key, patch)
	object, found := h.collections[gvr].load(key)
	if !found {
		return apierrors.NewNotFound(gvr.GroupResource(), key.Name)
	}
	var change map[string]any
	if err := json.Unmarshal(patch, &change); err != nil {
		return err
	}
	metadata, _ := change["metadata"].(map[string]any)
	if version, sent := metadata["resourceVersion"]; sent && version != object["metadata"].(map[string]any)["resourceVersion"] {
		return apierrors.NewConflict(gvr.GroupResource(), key.Name, fmt.Errorf("version %v is not the latest", version))
	}
	if slices.Equal(subresources, []string{"status"}) {
		change = map[string]any{"status": change["status"]}
	} else {
		delete(change, "status")
	}
	return h.write(gvr, key, merge(object, change).(map[string]any))
}

// Amend changes an object that has the given version, as who writes to storage does.
func (h *Hub) Amend(gvr schema.GroupVersionResource, key logicalcluster.Key, version string, change func(map[string]any) error) error {
	object, found := h.collections[gvr].load(key)
	if !found {
		return apierrors.NewNotFound(gvr.GroupResource(), key.Name)
	}
	if was := object["metadata"].(map[string]any)["resourceVersion"]; was != version {
		return apierrors.NewConflict(gvr.GroupResource(), key.Name, fmt.Errorf("version %s is not the latest", version))
	}
	if err := change(object); err != nil {
		return err
	}
	content, err := json.Marshal(object)
	if err != nil {
		return err
	}
	h.logf("amend %s %s %s", gvr.Resource, key, content)
	return h.write(gvr, key, object)
}

// Create stores a new object.
func (h *Hub) Create(_ context.Context, gvr schema.GroupVersionResource, workspace logicalcluster.Name, object runtime.Object) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return err
	}
	o := object.(metav1.Object)
	key := logicalcluster.Key{Workspace: workspace, Namespace: o.GetNamespace(), Name: o.GetName()}
	h.logf("create %s %s", gvr.Resource, key)
	if _, exists := h.collections[gvr].load(key); exists {
		return apierrors.NewAlreadyExists(gvr.GroupResource(), key.Name)
	}
	return h.write(gvr, key, content)
}

// write stores an object under a new resource version, or drops it when it is
// being deleted and nothing holds it.
func (h *Hub) write(gvr schema.GroupVersionResource, key logicalcluster.Key, object map[string]any) error {
	h.version++
	metadata, _ := object["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
		object["metadata"] = metadata
	}
	metadata["resourceVersion"] = strconv.Itoa(h.version)
	annotations, _ := metadata["annotations"].(map[string]any)
	if annotations == nil {
		annotations = map[string]any{}
		metadata["annotations"] = annotations
	}
	annotations[logicalcluster.AnnotationKey] = key.Workspace.String()
	if metadata["uid"] == nil {
		metadata["uid"] = string(types.UID("uid-" + key.Name))
	}
	if metadata["creationTimestamp"] == nil {
		metadata["creationTimestamp"] = h.clock.Now().UTC().Format("2006-01-02T15:04:05Z")
	}
	finalizers, _ := metadata["finalizers"].([]any)
	if metadata["deletionTimestamp"] != nil && len(finalizers) == 0 {
		h.logf("gone  %s %s", gvr.Resource, key)
		h.collections[gvr].drop(key)
		return nil
	}
	return h.collections[gvr].store(key, object)
}

// Delete marks an object as being deleted, or drops it when nothing holds it.
func (h *Hub) Delete(gvr schema.GroupVersionResource, key logicalcluster.Key) error {
	object, found := h.collections[gvr].load(key)
	if !found {
		return apierrors.NewNotFound(gvr.GroupResource(), key.Name)
	}
	object["metadata"].(map[string]any)["deletionTimestamp"] = h.clock.Now().UTC().Format("2006-01-02T15:04:05Z")
	return h.write(gvr, key, object)
}

// merge applies a merge patch (RFC 7386).
func merge(into, patch any) any {
	change, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := into.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for key, value := range change {
		if value == nil {
			delete(object, key)
			continue
		}
		object[key] = merge(object[key], value)
	}
	return object
}
