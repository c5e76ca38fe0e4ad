package cliws

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
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
	"k8s.io/apimachinery/pkg/runtime/schema"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// fakeHub speaks the few endpoints that the plugin uses, from a map of
// workspaces.
type fakeHub struct {
	url string
	ca  []byte

	lock       sync.Mutex
	workspaces map[logicalcluster.Path]*fakeWorkspace
	home       string
	// homeCourse are the phases of the home workspace before it is ready.
	homeCourse []string
	// birth is the course of the next workspaces that are created: phases, and
	// "gone" (deleted), "expired" (the watch ends), "slow" (nothing until the
	// client gets impatient), "stuck" (nothing more).
	birth []string
	// death is the course of the next workspaces that are deleted, which are gone
	// at once when it is empty: "Holds=…" (a condition with that message), "Kept"
	// (a finalizer) and the words of birth.
	death []string
	time  *fakeTime
	// requests are those since last asked, without query.
	requests []string
}

type fakeWorkspace struct {
	object tenancyv1alpha1.Workspace
	// denied refuses everything in it, unlisted only to list its children, and
	// unready answers 503.
	// kept refuses its deletion.
	denied, unlisted, unready, kept bool
	// claim is exported by a binding in it but not answered.
	claim string
	// course is what is yet to happen to it.
	course []string
}

var workspacesResource = schema.GroupResource{Group: tenancyv1alpha1.GroupName, Resource: "workspaces"}

func startFakeHub(t *testing.T) *fakeHub {
	t.Helper()
	hub := &fakeHub{workspaces: map[logicalcluster.Path]*fakeWorkspace{}, time: newFakeTime()}
	server := httptest.NewTLSServer(hub)
	t.Cleanup(server.Close)
	hub.url = server.URL
	hub.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return hub
}

// add adds a workspace from "<path> [type=…] [denied] [unlisted] [mount]
// [deleting] [claim=…]".
func (h *fakeHub) add(t *testing.T, line string) {
	t.Helper()
	words := strings.Fields(line)
	path := logicalcluster.Path(words[0])
	ws := &fakeWorkspace{object: h.object(path)}
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "type":
			typePath, name := logicalcluster.Path(value).Split()
			ws.object.Spec.Type = &tenancyv1alpha1.WorkspaceTypeReference{Path: typePath.String(), Name: tenancyv1alpha1.WorkspaceTypeName(name)}
		case "denied":
			ws.denied = true
		case "unlisted":
			ws.unlisted = true
		case "kept":
			ws.kept = true
		case "unready":
			ws.unready = true
		case "mount":
			ws.object.Spec.Mount = &tenancyv1alpha1.Mount{}
			ws.object.Spec.URL = "https://elsewhere"
		case "deleting":
			ws.object.DeletionTimestamp = &metav1.Time{Time: time.Unix(0, 0)}
		case "claim":
			ws.claim = value
		default:
			t.Fatalf("unknown word %q", word)
		}
	}
	h.workspaces[path] = ws
}

func (h *fakeHub) object(path logicalcluster.Path) tenancyv1alpha1.Workspace {
	ws := tenancyv1alpha1.Workspace{}
	ws.APIVersion, ws.Kind = tenancyv1alpha1.SchemeGroupVersion.String(), "Workspace"
	ws.Name, ws.ResourceVersion = path.Base(), "1"
	ws.Spec.Type = &tenancyv1alpha1.WorkspaceTypeReference{Path: "root", Name: "universal"}
	ws.Spec.URL = client.WorkspaceURL(h.url, path)
	ws.Status.Phase = corev1alpha1.LogicalClusterPhaseReady
	return ws
}

func (h *fakeHub) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.requests = append(h.requests, req.Method+" "+req.URL.Path)
	rest, ok := strings.CutPrefix(req.URL.Path, "/clusters/")
	if !ok {
		http.NotFound(w, req)
		return
	}
	if req.Header.Get("Authorization") != "Bearer good" {
		writeError(w, apierrors.NewUnauthorized("Unauthorized"))
		return
	}
	cluster, rest, _ := strings.Cut(rest, "/")
	path := logicalcluster.Path(cluster)
	ws := h.workspaces[path]
	switch {
	case ws == nil || ws.denied:
		// As a real hub does: names cannot be probed.
		reason := "access denied"
		if rest == "apis" {
			reason = fmt.Sprintf(`User "bob" cannot get path "/apis": access to workspace %q denied: ask its administrator`, path)
		}
		writeError(w, apierrors.NewForbidden(schema.GroupResource{}, "", errors.New(reason)))
	case ws.unready:
		writeError(w, apierrors.NewServiceUnavailable("the workspace is Initializing"))
	default:
		h.serve(w, req, path, ws, rest)
	}
}

func (h *fakeHub) serve(w http.ResponseWriter, req *http.Request, path logicalcluster.Path, ws *fakeWorkspace, rest string) {
	const workspaces = "apis/tenancy.kcp.io/v1alpha1/workspaces"
	name, named := strings.CutPrefix(rest, workspaces+"/")
	switch {
	case rest == "apis":
		writeJSON(w, metav1.APIGroupList{})
	case rest == "apis/apis.kcp.io/v1alpha2/apibindings":
		writeJSON(w, ws.bindings())
	case named && name == "~" && h.home != "":
		h.getHome(w)
	case named && req.Method == http.MethodDelete:
		h.remove(w, path, name)
	case named:
		h.get(w, path, name)
	case rest == "apis/core.kcp.io/v1alpha1/logicalclusters/cluster":
		writeJSON(w, corev1alpha1.LogicalCluster{Status: corev1alpha1.LogicalClusterStatus{Phase: ws.object.Status.Phase}})
	case rest == workspaces && req.Method == http.MethodPost:
		h.create(w, req, path)
	case rest == workspaces && req.URL.Query().Get("watch") != "":
		h.watch(w, req, path.Join(strings.TrimPrefix(req.URL.Query().Get("fieldSelector"), "metadata.name=")))
	case rest == workspaces && ws.unlisted:
		writeError(w, apierrors.NewForbidden(workspacesResource, "", fmt.Errorf("not yours")))
	case rest == workspaces:
		h.list(w, req, path)
	default:
		http.NotFound(w, req)
	}
}

func (ws *fakeWorkspace) bindings() apisv1alpha2.APIBindingList {
	list := apisv1alpha2.APIBindingList{}
	if ws.claim == "" {
		return list
	}
	binding := apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: "bound"}}
	binding.Status.ExportPermissionClaims = []apisv1alpha2.PermissionClaim{{GroupResource: apisv1alpha2.GroupResource{Resource: ws.claim}, Verbs: []string{"*"}}}
	list.Items = append(list.Items, binding)
	return list
}

func (h *fakeHub) get(w http.ResponseWriter, path logicalcluster.Path, name string) {
	ws := h.workspaces[path.Join(name)]
	if ws == nil {
		writeError(w, apierrors.NewNotFound(workspacesResource, name))
		return
	}
	// Whoever asks again after a watch ended finds the next state.
	ws.advance()
	writeJSON(w, ws.object)
}

// getHome makes the home workspace, which takes it as many requests as homeCourse
// has phases.
func (h *fakeHub) getHome(w http.ResponseWriter) {
	home := h.object(logicalcluster.Path(h.home))
	if len(h.homeCourse) > 0 {
		home.Status.Phase = corev1alpha1.LogicalClusterPhaseType(h.homeCourse[0])
		h.homeCourse = h.homeCourse[1:]
	}
	writeJSON(w, home)
}

func (h *fakeHub) remove(w http.ResponseWriter, path logicalcluster.Path, name string) {
	ws := h.workspaces[path.Join(name)]
	switch {
	case ws == nil:
		writeError(w, apierrors.NewNotFound(workspacesResource, name))
		return
	case ws.kept:
		writeError(w, apierrors.NewForbidden(workspacesResource, name, fmt.Errorf("not yours")))
		return
	case len(h.death) == 0:
		delete(h.workspaces, path.Join(name))
		writeJSON(w, metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess})
		return
	}
	ws.object.DeletionTimestamp = &metav1.Time{Time: time.Unix(0, 0)}
	ws.object.Status.Phase = corev1alpha1.LogicalClusterPhaseDeleting
	ws.course = slices.Clone(h.death)
	writeJSON(w, ws.object)
}

// list answers in pages of two, so that every client has to follow them.
func (h *fakeHub) list(w http.ResponseWriter, req *http.Request, path logicalcluster.Path) {
	list := tenancyv1alpha1.WorkspaceList{}
	// From the last name to the first, so that clients have to sort.
	names := slices.Sorted(maps.Keys(h.workspaces))
	slices.Reverse(names)
	for _, p := range names {
		if parent, _ := p.Split(); parent == path {
			list.Items = append(list.Items, h.workspaces[p].object)
		}
	}
	from, _ := strconv.Atoi(req.URL.Query().Get("continue"))
	list.Items = list.Items[from:]
	if len(list.Items) > 2 && req.URL.Query().Get("limit") != strconv.Itoa(completionLimit) {
		list.Items, list.Continue = list.Items[:2], strconv.Itoa(from+2)
	}
	writeJSON(w, list)
}

func (h *fakeHub) create(w http.ResponseWriter, req *http.Request, path logicalcluster.Path) {
	asked := tenancyv1alpha1.Workspace{}
	if err := json.NewDecoder(req.Body).Decode(&asked); err != nil {
		writeError(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	child := path.Join(asked.Name)
	if h.workspaces[child] != nil {
		writeError(w, apierrors.NewAlreadyExists(workspacesResource, asked.Name))
		return
	}
	ws := &fakeWorkspace{object: h.object(child), course: slices.Clone(h.birth)}
	if asked.Spec.Type != nil {
		ws.object.Spec.Type = asked.Spec.Type
		if asked.Spec.Type.Path == "" {
			ws.object.Spec.Type.Path = "root"
		}
	}
	ws.advance()
	h.workspaces[child] = ws
	writeJSON(w, ws.object)
}

// advance lets the next thing happen to a workspace, if it is a phase.
func (ws *fakeWorkspace) advance() {
	if len(ws.course) == 0 || ws.course[0][0] >= 'a' {
		return
	}
	next := ws.course[0]
	ws.course = ws.course[1:]
	if held, ok := strings.CutPrefix(next, "Holds="); ok {
		ws.object.Status.Conditions = conditionsv1alpha1.Conditions{conditionsv1alpha1.False(tenancyv1alpha1.WorkspaceContentDeleted, conditionsv1alpha1.ConditionSeverityInfo, "Some", "%s", strings.ReplaceAll(held, "_", " "))}
		return
	}
	if next == "Kept" {
		ws.object.Finalizers = []string{corev1alpha1.LogicalClusterFinalizer, "example.io/guard"}
		return
	}
	ws.object.Status.Phase = corev1alpha1.LogicalClusterPhaseType(next)
	ws.object.Status.Initializers = nil
	if ws.object.Status.Phase == corev1alpha1.LogicalClusterPhaseInitializing {
		ws.object.Status.Initializers = []corev1alpha1.LogicalClusterInitializer{"root:slow"}
	}
}

func (h *fakeHub) watch(w http.ResponseWriter, req *http.Request, path logicalcluster.Path) {
	ws := h.workspaces[path]
	if ws == nil { // It went before anybody could watch.
		writeJSON(w, map[string]any{"type": "DELETED", "object": h.object(path)})
		return
	}
	for len(ws.course) > 0 {
		next := ws.course[0]
		if next[0] < 'a' {
			ws.advance()
			writeJSON(w, map[string]any{"type": "MODIFIED", "object": ws.object})
			continue
		}
		ws.course = ws.course[1:]
		switch next {
		case "gone":
			delete(h.workspaces, path)
			writeJSON(w, map[string]any{"type": "DELETED", "object": ws.object})
			return
		case "expired":
			writeJSON(w, map[string]any{"type": "ERROR", "object": status(apierrors.NewResourceExpired("too old"))})
			return
		case "slow":
			h.dawdle(w, req)
		case "stuck":
			h.dawdle(w, req)
			h.time.timeout <- time.Time{}
			<-req.Context().Done()
		}
	}
}

// dawdle lets the client lose patience and returns when it has said so.
func (h *fakeHub) dawdle(w http.ResponseWriter, req *http.Request) {
	w.(http.Flusher).Flush()
	for len(h.time.said) > 0 {
		<-h.time.said
	}
	h.time.patience <- time.Time{}
	select {
	case <-h.time.said:
	case <-req.Context().Done():
	}
}

// fakeTime is a world in which time passes only while the hub dawdles.
type fakeTime struct {
	patience, timeout chan time.Time
	// said gets a value whenever the client prints that a workspace is slow.
	said chan struct{}
}

func newFakeTime() *fakeTime {
	return &fakeTime{patience: make(chan time.Time, 1), timeout: make(chan time.Time, 1), said: make(chan struct{}, 10)}
}

func (f *fakeTime) after(d time.Duration) <-chan time.Time {
	switch d {
	case patience:
		return f.patience
	case reconnect:
		now := make(chan time.Time, 1)
		now <- time.Time{}
		return now
	}
	return f.timeout
}

func writeJSON(w http.ResponseWriter, object any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object)
}

func writeError(w http.ResponseWriter, err *apierrors.StatusError) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(err.ErrStatus.Code))
	_ = json.NewEncoder(w).Encode(status(err))
}

func status(err *apierrors.StatusError) metav1.Status {
	status := err.ErrStatus
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	return status
}
