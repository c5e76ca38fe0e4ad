package syncer

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// apiServer is as much of an API server as an agent notices: lists, watches,
// patches, preconditions, finalizers. It plays the hub, with workspaces and the
// view, or a child. The end-to-end tests run agents between real servers; this
// one is for what those cannot be brought to do at will.
type apiServer struct {
	*httptest.Server
	kinds map[string]string // resource.group -> kind; what is served
	// viewUID is the UID that the view has to be asked with; "" for a child.
	viewUID string

	mu       sync.Mutex
	changed  chan struct{} // closed at every change
	version  int
	objects  map[address]*unstructured.Unstructured
	events   []event
	requests []string // writes, as "VERB path"
	cut      bool
}

type address struct{ workspace, resource, namespace, name string }

type event struct {
	version     int
	address     address
	former, now *unstructured.Unstructured
}

func newAPIServer(t *testing.T, viewUID string, kinds map[string]string) *apiServer {
	s := &apiServer{kinds: kinds, viewUID: viewUID, changed: make(chan struct{}), objects: map[address]*unstructured.Unstructured{}}
	s.Server = httptest.NewUnstartedServer(s)
	s.Server.EnableHTTP2 = true
	s.Server.StartTLS()
	t.Cleanup(func() {
		s.Server.CloseClientConnections()
		s.Server.Close()
	})
	return s
}

// call is a request as it is understood.
type call struct {
	address
	wildcard    bool
	view        bool
	group       string
	subresource string
}

var (
	viewExp    = regexp.MustCompile(`^/services/syncer/compute1/eu/([^/]+)/clusters/([^/]+)(/.*)$`)
	clusterExp = regexp.MustCompile(`^/clusters/([^/]+)(/.*)$`)
	objectExp  = regexp.MustCompile(`^/(?:api/v1|apis/([^/]+)/[^/]+)(?:/namespaces/([^/]+))?/([^/]+)(?:/([^/]+))?(?:/([^/]+))?$`)
	nsExp      = regexp.MustCompile(`^/api/v1/namespaces(?:/([^/]+))?$`)
)

func (s *apiServer) parse(path string) (call, string) {
	var c call
	if m := viewExp.FindStringSubmatch(path); m != nil {
		if m[1] != s.viewUID {
			return c, "Forbidden"
		}
		c.view, c.workspace, c.wildcard, path = true, m[2], m[2] == "*", m[3]
	} else if m := clusterExp.FindStringSubmatch(path); m != nil {
		c.workspace, path = "compute1", m[2]
	}
	if m := nsExp.FindStringSubmatch(path); m != nil {
		c.resource, c.name = "namespaces", m[1]
		return c, ""
	}
	m := objectExp.FindStringSubmatch(path)
	if m == nil {
		return c, "NotFound"
	}
	c.group, c.namespace, c.resource, c.name, c.subresource = m[1], m[2], strings.TrimSuffix(m[3]+"."+m[1], "."), m[4], m[5]
	if s.kinds[c.resource] == "" {
		return c, "NotFound"
	}
	return c, ""
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if s.isCut() {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	if answer := s.discovery(req.URL.Path); answer != nil {
		json.NewEncoder(w).Encode(answer)
		return
	}
	c, reason := s.parse(req.URL.Path)
	switch {
	case reason != "":
		refuse(w, reason, call{})
	case req.URL.Query().Get("watch") != "":
		s.serveWatch(w, req, c)
	case req.Method == http.MethodGet && c.name == "":
		s.serveList(w, req, c)
	default:
		s.serveObject(w, req, c)
	}
}

func (s *apiServer) discovery(path string) any {
	if path == "/version" {
		return map[string]string{"major": "1"}
	}
	groups := map[string]*metav1.APIResourceList{"": {}}
	for resource, kind := range s.kinds {
		name, group, _ := strings.Cut(resource, ".")
		if groups[group] == nil {
			groups[group] = &metav1.APIResourceList{}
		}
		groups[group].APIResources = append(groups[group].APIResources, metav1.APIResource{Name: name, Kind: kind, Namespaced: kind != "Node"})
	}
	if path == "/apis" {
		list := metav1.APIGroupList{}
		for group := range groups {
			if group != "" {
				version := metav1.GroupVersionForDiscovery{GroupVersion: group + "/v1", Version: "v1"}
				list.Groups = append(list.Groups, metav1.APIGroup{Name: group, Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version})
			}
		}
		return list
	}
	for group, list := range groups {
		if path == "/api/v1" && group == "" || path == "/apis/"+group+"/v1" {
			return list
		}
	}
	return nil
}

func refuse(w http.ResponseWriter, reason string, c call) {
	code := map[string]int{"NotFound": 404, "Forbidden": 403, "Conflict": 409, "AlreadyExists": 409, "Invalid": 422}[reason]
	status := metav1.Status{Status: "Failure", Reason: metav1.StatusReason(reason), Code: int32(code), Message: "refused: " + reason}
	status.APIVersion, status.Kind = "v1", "Status"
	if c.name != "" {
		status.Details = &metav1.StatusDetails{Name: c.name, Group: c.group, Kind: c.resource}
	}
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(status)
}

// matches reports whether an object is in a collection.
func (c call) matches(at address, obj *unstructured.Unstructured, selector labels.Selector) bool {
	if obj == nil || at.resource != c.resource || !c.wildcard && at.workspace != c.workspace {
		return false
	}
	if c.view && obj.GetLabels()["state.workload.kcp.io/"+testKey] != "Sync" {
		return false
	}
	return (c.namespace == "" || at.namespace == c.namespace) && selector.Matches(labels.Set(obj.GetLabels()))
}

func selectorOf(req *http.Request) labels.Selector {
	selector, err := labels.Parse(req.URL.Query().Get("labelSelector"))
	if err != nil {
		panic(err)
	}
	return selector
}

func (s *apiServer) serveList(w http.ResponseWriter, req *http.Request, c call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := []any{}
	for at, obj := range s.objects {
		if c.matches(at, obj, selectorOf(req)) {
			items = append(items, obj.Object)
		}
	}
	json.NewEncoder(w).Encode(map[string]any{"metadata": map[string]any{"resourceVersion": fmt.Sprint(s.version)}, "items": items})
}

func (s *apiServer) serveWatch(w http.ResponseWriter, req *http.Request, c call) {
	since, _ := strconv.Atoi(req.URL.Query().Get("resourceVersion"))
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		s.mu.Lock()
		events, changed := s.events, s.changed
		s.mu.Unlock()
		for _, e := range events {
			if e.version <= since {
				continue
			}
			since = e.version
			was, is := c.matches(e.address, e.former, selectorOf(req)), c.matches(e.address, e.now, selectorOf(req))
			kind, obj := "MODIFIED", e.now
			switch {
			case !was && !is:
				continue
			case !was:
				kind = "ADDED"
			case !is:
				kind, obj = "DELETED", e.former.DeepCopy()
				obj.SetResourceVersion(fmt.Sprint(e.version))
			}
			json.NewEncoder(w).Encode(map[string]any{"type": kind, "object": obj.Object})
		}
		w.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-req.Context().Done():
			return
		}
	}
}

func (s *apiServer) serveObject(w http.ResponseWriter, req *http.Request, c call) {
	body, _ := io.ReadAll(req.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if req.Method == http.MethodPost {
		obj := &unstructured.Unstructured{}
		if err := obj.UnmarshalJSON(body); err != nil {
			panic(err)
		}
		c.name = obj.GetName()
		if s.objects[c.address] != nil {
			refuse(w, "AlreadyExists", c)
			return
		}
		s.requests = append(s.requests, "CREATE "+c.resource+" "+c.name)
		s.store(c.address, obj)
		json.NewEncoder(w).Encode(obj.Object)
		return
	}
	former := s.objects[c.address]
	if c.view && !c.matches(c.address, former, labels.Everything()) {
		former = nil
	}
	apply := req.Header.Get("Content-Type") == string(types.ApplyPatchType)
	if former == nil && !apply {
		refuse(w, "NotFound", c)
		return
	}
	switch req.Method {
	case http.MethodGet:
		json.NewEncoder(w).Encode(former.Object)
	case http.MethodDelete:
		s.delete(w, c, former, body)
	case http.MethodPatch:
		s.patch(w, req, c, former, body)
	}
}

func (s *apiServer) delete(w http.ResponseWriter, c call, former *unstructured.Unstructured, body []byte) {
	var options metav1.DeleteOptions
	if err := json.Unmarshal(body, &options); err != nil {
		panic(err)
	}
	if *options.Preconditions.UID != former.GetUID() {
		refuse(w, "Conflict", c)
		return
	}
	s.requests = append(s.requests, "DELETE "+c.resource+" "+c.name)
	s.remove(c.address)
	json.NewEncoder(w).Encode(former.Object)
}

// remove deletes an object, or marks it when it has finalizers. With a namespace
// goes what is in it.
func (s *apiServer) remove(at address) {
	former := s.objects[at]
	if len(former.GetFinalizers()) > 0 {
		now := former.DeepCopy()
		now.SetDeletionTimestamp(new(metav1.Unix(1_800_000_000, 0)))
		s.store(at, now)
		return
	}
	s.store(at, nil)
	if at.resource == "namespaces" {
		for other := range s.objects {
			if other.workspace == at.workspace && other.namespace == at.name {
				s.remove(other)
			}
		}
	}
}

func (s *apiServer) patch(w http.ResponseWriter, req *http.Request, c call, former *unstructured.Unstructured, body []byte) {
	now, reason := s.patched(types.PatchType(req.Header.Get("Content-Type")), c, former, body)
	if reason != "" {
		refuse(w, reason, c)
		return
	}
	word := "PATCH "
	if req.Header.Get("Content-Type") == string(types.ApplyPatchType) {
		word = "APPLY "
	}
	s.requests = append(s.requests, strings.TrimSpace(word+c.resource+" "+c.name+" "+c.subresource))
	if now.GetDeletionTimestamp() != nil && len(now.GetFinalizers()) == 0 {
		s.store(c.address, nil)
	} else {
		s.store(c.address, now)
	}
	json.NewEncoder(w).Encode(now.Object)
}

func (s *apiServer) patched(kind types.PatchType, c call, former *unstructured.Unstructured, body []byte) (*unstructured.Unstructured, string) {
	now := &unstructured.Unstructured{}
	if kind == types.ApplyPatchType {
		if err := now.UnmarshalJSON(body); err != nil {
			panic(err)
		}
		if former == nil {
			if now.GetUID() != "" {
				return nil, "Conflict"
			}
			return now, ""
		}
		if now.GetUID() != "" && now.GetUID() != former.GetUID() {
			return nil, "Conflict"
		}
		now.Object["status"] = former.Object["status"]
		now.SetUID(former.GetUID())
		return now, ""
	}
	text, _ := former.MarshalJSON()
	var err error
	if kind == types.JSONPatchType {
		var patch jsonpatch.Patch
		if patch, err = jsonpatch.DecodePatch(body); err == nil {
			text, err = patch.Apply(text)
		}
		if err != nil {
			return nil, "Invalid"
		}
	} else if text, err = jsonpatch.MergePatch(text, body); err != nil {
		panic(err)
	}
	if err := now.UnmarshalJSON(text); err != nil {
		panic(err)
	}
	if now.GetResourceVersion() != former.GetResourceVersion() {
		return nil, "Conflict"
	}
	return now, ""
}

// store is the only place where anything changes.
func (s *apiServer) store(at address, now *unstructured.Unstructured) {
	former := s.objects[at]
	s.version++
	if now == nil {
		delete(s.objects, at)
	} else {
		now.SetNamespace(at.namespace)
		now.SetResourceVersion(fmt.Sprint(s.version))
		if now.GetUID() == "" {
			now.SetUID(types.UID(fmt.Sprintf("uid-%d", s.version)))
		}
		if s.viewUID != "" {
			annotations := now.GetAnnotations()
			if annotations == nil {
				annotations = map[string]string{}
			}
			annotations[logicalcluster.AnnotationKey] = at.workspace
			now.SetAnnotations(annotations)
		}
		s.objects[at] = now
	}
	s.events = append(s.events, event{s.version, at, former, now})
	close(s.changed)
	s.changed = make(chan struct{})
}

// The rest is for tests.

func (s *apiServer) isCut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cut
}

// setCut breaks all connections and keeps new ones from getting anywhere.
func (s *apiServer) setCut(cut bool) {
	s.mu.Lock()
	s.cut = cut
	s.mu.Unlock()
	if cut {
		s.Server.CloseClientConnections()
	}
}

func (s *apiServer) get(at address) *unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	if obj := s.objects[at]; obj != nil {
		return obj.DeepCopy()
	}
	return nil
}

// edit changes an object, or makes it.
func (s *apiServer) edit(at address, change func(*unstructured.Unstructured)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	obj := &unstructured.Unstructured{Object: map[string]any{}}
	if s.objects[at] != nil {
		obj = s.objects[at].DeepCopy()
	} else {
		obj.SetAPIVersion("v1")
		obj.SetKind(s.kinds[at.resource])
		obj.SetName(at.name)
	}
	change(obj)
	s.store(at, obj)
}

func (s *apiServer) drop(at address) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(at)
}

// list returns the addresses of all objects, as text.
func (s *apiServer) list() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]bool{}
	for at := range s.objects {
		out[strings.Join([]string{at.workspace, at.resource, at.namespace, at.name}, " ")] = true
	}
	return out
}

// writes returns the writes since the last call.
func (s *apiServer) writes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.requests
	s.requests = nil
	return out
}
