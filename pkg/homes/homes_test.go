package homes

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	clientscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/atriumhub/atrium/pkg/target"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Only what is asked of "~" in root is taken; everything else goes on as it is.
func TestWhatIsTaken(t *testing.T) {
	ask := request.RequestInfo{IsResourceRequest: true, APIGroup: "tenancy.kcp.io", APIVersion: "v1alpha1", Resource: "workspaces", Name: "~", Verb: "get"}
	with := func(change func(*request.RequestInfo)) request.RequestInfo {
		info := ask
		change(&info)
		return info
	}
	for name, c := range map[string]struct {
		info  request.RequestInfo
		in    target.Target
		taken bool
	}{
		"get":                   {ask, target.Target{Identity: "root"}, true},
		"delete":                {with(func(i *request.RequestInfo) { i.Verb = "delete" }), target.Target{Identity: "root"}, true},
		"patch":                 {with(func(i *request.RequestInfo) { i.Verb = "patch" }), target.Target{Identity: "root"}, false},
		"watch":                 {with(func(i *request.RequestInfo) { i.Verb = "watch" }), target.Target{Identity: "root"}, false},
		"the status":            {with(func(i *request.RequestInfo) { i.Subresource = "status" }), target.Target{Identity: "root"}, false},
		"another name":          {with(func(i *request.RequestInfo) { i.Name = "x" }), target.Target{Identity: "root"}, false},
		"another kind":          {with(func(i *request.RequestInfo) { i.Resource = "workspacetypes" }), target.Target{Identity: "root"}, false},
		"in another workspace":  {ask, target.Target{Identity: "abc"}, false},
		"in one that is none":   {ask, target.Target{}, false},
		"through another view":  {ask, target.Target{Identity: "root", View: &target.View{Kind: "syncer"}}, false},
		"not about a resource":  {request.RequestInfo{Path: "/~", Verb: "get"}, target.Target{Identity: "root"}, false},
		"a namespace called ~ ": {request.RequestInfo{IsResourceRequest: true, APIVersion: "v1", Resource: "namespaces", Name: "~", Verb: "get"}, target.Target{Identity: "root"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			passed := false
			handler := New(Config{}).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true }), clientscheme.Codecs)
			ctx := request.WithUser(request.WithRequestInfo(target.With(t.Context(), c.in), &c.info), &user.DefaultInfo{Name: "alice"})
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
			if passed == c.taken {
				t.Errorf("taken: %v", !passed)
			}
			if c.taken && (w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "--home-workspaces=false")) {
				t.Errorf("homes are turned off: %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestChecks(t *testing.T) {
	of := func(kind tenancyv1alpha1.WorkspaceTypeName, owner string) *tenancyv1alpha1.Workspace {
		workspace := &tenancyv1alpha1.Workspace{Spec: tenancyv1alpha1.WorkspaceSpec{Type: ofType(kind)}}
		if owner != "" {
			workspace.Annotations = map[string]string{tenancyv1alpha1.OwnerAnnotationKey: `{"username":"` + owner + `"}`}
		}
		return workspace
	}
	for name, c := range map[string]struct {
		err  error
		good bool
	}{
		"a bucket":                 {checkBucket(of("homebucket", "")), true},
		"a bucket somebody made":   {checkBucket(of("homebucket", "mallory")), false},
		"another type":             {checkBucket(of("universal", "")), false},
		"no type":                  {checkBucket(&tenancyv1alpha1.Workspace{}), false},
		"a home":                   {checkHome(of("home", "alice"), "alice"), true},
		"somebody else's home":     {checkHome(of("home", "mallory"), "alice"), false},
		"a home that nobody owns":  {checkHome(of("home", ""), "alice"), false},
		"an owner that is garbage": {checkHome(&tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{tenancyv1alpha1.OwnerAnnotationKey: "alice"}}}, "alice"), false},
	} {
		if (c.err == nil) != c.good {
			t.Errorf("%s: %v", name, c.err)
		}
	}
}

func TestSettled(t *testing.T) {
	for phase, want := range map[corev1alpha1.LogicalClusterPhaseType]bool{
		"": false, "Scheduling": false, "Initializing": false, "Ready": true, "Unavailable": true, "Inactive": true,
	} {
		workspace := &tenancyv1alpha1.Workspace{Status: tenancyv1alpha1.WorkspaceStatus{Phase: phase}}
		if got := isSettled(workspace); got != want {
			t.Errorf("%q: %v", phase, got)
		}
		workspace.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
		if isSettled(workspace) {
			t.Errorf("%q and deleted counts as settled", phase)
		}
	}
}

func TestChanges(t *testing.T) {
	changes, key := &changes{}, logicalcluster.Key{Workspace: "abc", Name: "x"}
	first, stopFirst := changes.of(key)
	second, stopSecond := changes.of(key)
	changes.tell(key)
	changes.tell(key) // more than anybody took
	changes.tell(logicalcluster.Key{Workspace: "abc", Name: "y"})
	<-first
	<-second
	select {
	case <-first:
		t.Error("told twice")
	default:
	}
	stopFirst()
	changes.tell(key)
	<-second
	stopSecond()
	if changes.waiting.Len() > 0 {
		t.Errorf("%d are remembered", changes.waiting.Len())
	}
}
