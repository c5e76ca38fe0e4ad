package cliatrium

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// fakeHub keeps whatever it is sent, by URL path, and answers reads with it.
// Workspaces are stored under any path; their ID is the last name with "id-" put
// before it.
type fakeHub struct {
	t   *testing.T
	url string
	ca  []byte

	lock    sync.Mutex
	objects map[string]map[string]any
	version int
	// fate is merged into new objects, by resource: what controllers would do.
	fate map[string]map[string]any
	// refused are resources that the user may not touch.
	refused []string
	// watched are the objects that somebody has watched.
	watched map[string]bool
	// now is the time, timeout ends a wait.
	now     time.Time
	timeout chan time.Time
}

func startFakeHub(t *testing.T) *fakeHub {
	t.Helper()
	h := &fakeHub{
		t: t, objects: map[string]map[string]any{}, fate: map[string]map[string]any{}, watched: map[string]bool{},
		now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC), timeout: make(chan time.Time, 1),
	}
	server := httptest.NewTLSServer(h)
	t.Cleanup(server.Close)
	h.url = server.URL
	h.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return h
}

func (h *fakeHub) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	path, ok := strings.CutPrefix(req.URL.Path, "/clusters/")
	if !ok {
		http.NotFound(w, req)
		return
	}
	if req.Header.Get("Authorization") != "Bearer good" {
		writeError(w, apierrors.NewUnauthorized("Unauthorized"))
		return
	}
	resource := resourceOf(path)
	h.lock.Lock()
	refused := slices.Contains(h.refused, resource.Resource)
	h.lock.Unlock()
	switch {
	case refused:
		writeError(w, apierrors.NewForbidden(resource, "", fmt.Errorf("not yours")))
	case req.URL.Query().Get("watch") != "":
		h.watch(w, path+"/"+strings.TrimPrefix(req.URL.Query().Get("fieldSelector"), "metadata.name="))
	default:
		h.serve(w, req, path, resource)
	}
}

// resourceOf finds "synctargets" in "root:x/apis/workload.kcp.io/v1alpha1/synctargets/eu".
func resourceOf(path string) schema.GroupResource {
	words := strings.Split(path, "/")
	group, words := "", words[1:]
	if words[0] == "apis" {
		group, words = words[1], words[1:]
	}
	words = words[2:]
	if words[0] == "namespaces" && len(words) > 2 {
		words = words[2:]
	}
	return schema.GroupResource{Group: group, Resource: words[0]}
}

func (h *fakeHub) serve(w http.ResponseWriter, req *http.Request, path string, resource schema.GroupResource) {
	h.lock.Lock()
	defer h.lock.Unlock()
	body, err := read(req)
	if err != nil {
		writeError(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	name := path[strings.LastIndex(path, "/")+1:]
	switch existing := h.objects[path]; {
	case req.Method == http.MethodPost && name == "token":
		h.token(w, body)
	case req.Method == http.MethodPost:
		h.create(w, path, resource, body)
	case req.Method == http.MethodGet && name == resource.Resource:
		h.list(w, path)
	case existing == nil:
		writeError(w, apierrors.NewNotFound(resource, name))
	case req.Method == http.MethodPatch:
		writeJSON(w, h.store(path, merge(existing, body)))
	case req.Method == http.MethodPut:
		writeJSON(w, h.store(path, body))
	default:
		writeJSON(w, existing)
	}
}

// read returns the object in a request; clients send Kubernetes' own kinds as
// protobuf.
func read(req *http.Request) (map[string]any, error) {
	data, err := io.ReadAll(req.Body)
	if err != nil || len(data) == 0 {
		return nil, err
	}
	if req.Header.Get("Content-Type") != runtime.ContentTypeProtobuf {
		body := map[string]any{}
		return body, json.Unmarshal(data, &body)
	}
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(data, nil, nil)
	if err != nil {
		return nil, err
	}
	return runtime.DefaultUnstructuredConverter.ToUnstructured(object)
}

func (h *fakeHub) create(w http.ResponseWriter, path string, resource schema.GroupResource, object map[string]any) {
	if words := strings.Split(path, "/namespaces/"); len(words) == 2 {
		namespace, _, _ := strings.Cut(words[1], "/")
		if namespace != "default" {
			writeError(w, apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, namespace))
			return
		}
	}
	metadata := object["metadata"].(map[string]any)
	name := metadata["name"].(string)
	if h.objects[path+"/"+name] != nil {
		writeError(w, apierrors.NewAlreadyExists(resource, name))
		return
	}
	workspace, _, _ := strings.Cut(path, "/")
	metadata["uid"] = "uid-" + name
	merge(metadata, map[string]any{"annotations": map[string]any{"kcp.io/cluster": "id-" + workspace[strings.LastIndex(workspace, ":")+1:]}})
	writeJSON(w, h.store(path+"/"+name, merge(object, h.fate[resource.Resource])))
}

// store keeps an object under a new version, and returns it.
func (h *fakeHub) store(path string, object map[string]any) map[string]any {
	h.version++
	object["metadata"].(map[string]any)["resourceVersion"] = strconv.Itoa(h.version)
	h.objects[path] = object
	return object
}

func (h *fakeHub) list(w http.ResponseWriter, path string) {
	items := []any{}
	for _, key := range h.paths() {
		if rest, ok := strings.CutPrefix(key, path+"/"); ok && !strings.Contains(rest, "/") {
			items = append(items, h.objects[key])
		}
	}
	writeJSON(w, map[string]any{"items": items})
}

func (h *fakeHub) paths() []string {
	var paths []string
	for path := range h.objects {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// token gives tokens that last at most 30 days.
func (h *fakeHub) token(w http.ResponseWriter, request map[string]any) {
	seconds := request["spec"].(map[string]any)["expirationSeconds"].(int64)
	expires := h.now.Add(min(time.Duration(seconds)*time.Second, 30*24*time.Hour))
	writeJSON(w, map[string]any{"status": map[string]any{"token": "secret-token", "expirationTimestamp": expires.Format(time.RFC3339)}})
}

// watch tells what there is and ends. A client that comes back has heard it all,
// and its time is up.
func (h *fakeHub) watch(w http.ResponseWriter, path string) {
	h.lock.Lock()
	defer h.lock.Unlock()
	if object := h.objects[path]; object != nil {
		writeJSON(w, map[string]any{"type": "ADDED", "object": object})
	}
	if h.watched[path] {
		select {
		case h.timeout <- time.Time{}:
		default:
		}
	}
	h.watched[path] = true
}

// forgetWatches makes the next watch of every object the first one.
func (h *fakeHub) forgetWatches() {
	h.lock.Lock()
	defer h.lock.Unlock()
	clear(h.watched)
}

// merge applies a JSON merge patch.
func merge(into, patch map[string]any) map[string]any {
	for key, value := range patch {
		below, isMap := value.(map[string]any)
		old, wasMap := into[key].(map[string]any)
		switch {
		case value == nil:
			delete(into, key)
		case isMap && wasMap:
			merge(old, below)
		case isMap:
			into[key] = merge(map[string]any{}, below)
		default:
			into[key] = value
		}
	}
	return into
}

func writeJSON(w http.ResponseWriter, object any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object)
}

func writeError(w http.ResponseWriter, err *apierrors.StatusError) {
	status := err.ErrStatus
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(status.Code))
	_ = json.NewEncoder(w).Encode(status)
}
