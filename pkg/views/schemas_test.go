package views

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/filters"
	"k8s.io/apiserver/pkg/endpoints/request"
	clientscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/pkg/target"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// library is the market, seen by who may read the bindings of "shop": "clerk". It
// has bound widgets of "acme", and gadgets of "other" besides.
func library() (*market, *Schemas) {
	m := newMarket()
	m.bind("shop", "other", "gadgets", gadgets, false)
	m.bindings[logicalcluster.Key{Workspace: "shop", Name: "gadgets"}].Status.BoundResources[0].Schema = apisv1alpha2.BoundAPIResourceSchema{Name: "v1.gadgets.other.io", UID: "2", IdentityHash: "id-other"}
	for _, kept := range []*apisv1alpha1.APIResourceSchema{newSchema("acme", "v1", widgets), newSchema("other", "v1", gadgets)} {
		uid := map[string]string{"widgets": "1", "gadgets": "2"}[kept.Spec.Names.Plural]
		kept.Name = schemas.CopyName("", kept.Spec.Names.Plural, kept.Spec.Group)
		kept.Name = uid + kept.Name
		kept.Annotations = map[string]string{
			logicalcluster.AnnotationKey: "system:bound-crds", apisv1alpha2.SchemaNameAnnotationKey: "x", "kept": "yes",
		}
		m.schemas[logicalcluster.Key{Workspace: logicalcluster.SystemBoundCRDs, Name: kept.Name}] = kept
	}
	for _, key := range []string{"shop", "stall"} {
		m.bindings[logicalcluster.Key{Workspace: logicalcluster.Name(key), Name: "widgets"}].Status.BoundResources[0].Schema.Name = "v1.widgets.acme.io"
	}
	return m, NewSchemas(SchemasConfig{
		Inside: authorizer.AuthorizerFunc(func(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
			t, _ := target.From(ctx)
			if a.GetUser().GetName() == "clerk" && t.Identity == "shop" && t.View == nil && a.GetVerb() == "get" && a.GetResource() == "apibindings" {
				return authorizer.DecisionAllow, "", nil
			}
			return authorizer.DecisionDeny, "no entry", nil
		}),
		Resolve: m.resolve, Schemas: m.schemas, Bindings: m.bindings, Start: 1000,
	})
}

// read sends a request through the view of schemas.
func read(t *testing.T, ctx context.Context, view *Schemas, caller, method, url string) (int, string) {
	t.Helper()
	req := httptest.NewRequestWithContext(ctx, method, "/services/apiresourceschema/"+url, nil)
	got, scope, inner, err := view.Resolve(ctx, req.URL.Path)
	if err != nil {
		if !errors.Is(err, ErrMalformed) {
			t.Error(err)
		}
		return http.StatusBadRequest, err.Error()
	}
	req.URL.Path = inner
	info, err := requestInfos.NewRequestInfo(req)
	if err != nil {
		t.Fatal(err)
	}
	ctx = keyspace.WithScope(target.With(ctx, got), scope)
	ctx = request.WithUser(request.WithRequestInfo(ctx, info), named(caller))
	a, err := filters.GetAuthorizerAttributes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if decision, reason, err := view.Authorize(ctx, a); err != nil || decision != authorizer.DecisionAllow {
		return http.StatusForbidden, reason
	}
	w := httptest.NewRecorder()
	view.Enter(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { w.WriteHeader(http.StatusTeapot) }), clientscheme.Codecs).ServeHTTP(w, req.WithContext(ctx))
	return w.Code, w.Body.String()
}

const bound = "/apis/apis.kcp.io/v1alpha1/apiresourceschemas"

func TestReadingBoundSchemas(t *testing.T) {
	for name, c := range map[string]struct {
		as, method, url string
		code            int
		has             []string // names of what is listed
		says            string
	}{
		"all":                    {"clerk", "GET", "shop/clusters/*" + bound, 200, []string{"v1.gadgets.other.io", "v1.widgets.acme.io"}, ""},
		"by path":                {"clerk", "GET", "root:shop/clusters/*" + bound, 200, []string{"v1.gadgets.other.io", "v1.widgets.acme.io"}, ""},
		"of itself":              {"clerk", "GET", "shop/clusters/shop" + bound, 200, []string{"v1.gadgets.other.io", "v1.widgets.acme.io"}, ""},
		"of one provider":        {"clerk", "GET", "shop/clusters/root:acme" + bound, 200, []string{"v1.widgets.acme.io"}, ""},
		"of nobody":              {"clerk", "GET", "shop/clusters/nope" + bound, 200, nil, ""},
		"by name":                {"clerk", "GET", "shop/clusters/*" + bound + "?fieldSelector=metadata.name%3Dv1.widgets.acme.io", 200, []string{"v1.widgets.acme.io"}, ""},
		"by a label":             {"clerk", "GET", "shop/clusters/*" + bound + "?labelSelector=a%3Db", 200, nil, ""},
		"one":                    {"clerk", "GET", "shop/clusters/*" + bound + "/v1.widgets.acme.io", 200, nil, `"uid":"1"`},
		"one of another":         {"clerk", "GET", "shop/clusters/other" + bound + "/v1.widgets.acme.io", 404, nil, "not found"},
		"none such":              {"clerk", "GET", "shop/clusters/*" + bound + "/v2.widgets.acme.io", 404, nil, "not found"},
		"the copy":               {"clerk", "GET", "shop/clusters/*" + bound + "/1.widgets.acme.io", 404, nil, "not found"},
		"writing":                {"clerk", "POST", "shop/clusters/*" + bound, 403, nil, "nothing else, to be read"},
		"deleting":               {"clerk", "DELETE", "shop/clusters/*" + bound + "/v1.widgets.acme.io", 403, nil, "nothing else, to be read"},
		"something else":         {"clerk", "GET", "shop/clusters/*/api/v1/secrets", 403, nil, "nothing else, to be read"},
		"another version":        {"clerk", "GET", "shop/clusters/*/apis/apis.kcp.io/v1/apiresourceschemas", 404, nil, "could not find"},
		"discovery":              {"clerk", "GET", "shop/clusters/*/apis", http.StatusTeapot, nil, ""},
		"metrics":                {"clerk", "GET", "shop/clusters/*/metrics", 403, nil, "nothing else, to be read"},
		"another workspace":      {"clerk", "GET", "stall/clusters/*" + bound, 403, nil, "no entry"},
		"no such workspace":      {"clerk", "GET", "nope/clusters/*" + bound, 403, nil, "no entry"},
		"somebody else":          {"robot", "GET", "shop/clusters/*" + bound, 403, nil, `"get" on apibindings`},
		"all workspaces":         {"clerk", "GET", "*/clusters/*" + bound, 400, nil, "malformed"},
		"nested":                 {"clerk", "GET", "shop/clusters/*/clusters/acme" + bound, 400, nil, "nested"},
		"no clusters":            {"clerk", "GET", "shop" + bound, 400, nil, "malformed"},
		"a version that's gone":  {"clerk", "GET", "shop/clusters/*" + bound + "?watch=1&resourceVersion=7", 410, nil, "list them again"},
		"a version to come":      {"clerk", "GET", "shop/clusters/*" + bound + "?watch=1&resourceVersion=9999", 410, nil, "list them again"},
		"a version that is none": {"clerk", "GET", "shop/clusters/*" + bound + "?watch=1&resourceVersion=x", 410, nil, "list them again"},
		"list by watching":       {"clerk", "GET", "shop/clusters/*" + bound + "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", 422, nil, "list first"},
	} {
		t.Run(name, func(t *testing.T) {
			_, view := library()
			code, body := read(t, t.Context(), view, c.as, c.method, c.url)
			if code != c.code || !strings.Contains(body, c.says) {
				t.Fatalf("%d %s, expected %d saying %q", code, body, c.code, c.says)
			}
			if code != 200 || c.says != "" {
				return
			}
			list := &apisv1alpha1.APIResourceSchemaList{}
			if err := json.Unmarshal([]byte(body), list); err != nil {
				t.Fatal(err)
			}
			var has []string
			for i := range list.Items {
				has = append(has, list.Items[i].Name)
				if list.Items[i].Kind != "" && list.Items[i].Spec.Group == "" {
					t.Errorf("%+v", list.Items[i])
				}
			}
			if diff := cmp.Diff(c.has, has); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A schema looks as where it comes from, and not like the hub's copy.
func TestBoundSchemasLookLikeTheOriginals(t *testing.T) {
	m, view := library()
	_, body := read(t, t.Context(), view, "clerk", "GET", "shop/clusters/*"+bound+"/v1.widgets.acme.io")
	got := &apisv1alpha1.APIResourceSchema{}
	if err := json.Unmarshal([]byte(body), got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{logicalcluster.AnnotationKey: "acme", "kept": "yes"}
	if diff := cmp.Diff(want, got.Annotations); diff != "" || got.Kind != "APIResourceSchema" || got.Spec.Names.Plural != "widgets" {
		t.Errorf("%s: %s", body, diff)
	}
	for key, kept := range m.schemas {
		if key.Workspace == logicalcluster.SystemBoundCRDs && kept.Annotations[logicalcluster.AnnotationKey] != "system:bound-crds" {
			t.Errorf("the copy was changed: %v", kept.ObjectMeta)
		}
	}
}

// Who watches is told what is bound and unbound, from the state that was listed.
func TestWatchingBoundSchemas(t *testing.T) {
	m, view := library()
	ctx := target.With(t.Context(), target.Target{Identity: "shop", View: &target.View{Kind: SchemasKind}})
	list, err := view.rest.List(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	version := list.(*apisv1alpha1.APIResourceSchemaList).ResourceVersion
	began, err := view.rest.Watch(ctx, internalOptions(version))
	if err != nil {
		t.Fatal(err)
	}
	defer began.Stop()
	key := logicalcluster.Key{Workspace: "shop", Name: "gadgets"}
	gadgetsBinding := m.bindings[key]
	m.bindings.drop(key)
	view.FollowBinding(gadgetsBinding, nil, key)
	expect := func(kind, name string) {
		t.Helper()
		event := <-began.ResultChan()
		if object, _ := event.Object.(metav1.Object); string(event.Type) != kind || object.GetName() != name {
			t.Fatalf("%s of %v, expected %s of %s", event.Type, event.Object, kind, name)
		}
	}
	expect("DELETED", "v1.gadgets.other.io")
	m.bindings.put(key, gadgetsBinding)
	view.FollowBinding(nil, gadgetsBinding, key)
	expect("ADDED", "v1.gadgets.other.io")
	if _, err := view.rest.Watch(ctx, internalOptions(version)); err == nil {
		t.Error("a watch goes on from a state that is gone")
	}
	began.Stop()
	began.Stop()
	for range began.ResultChan() {
	}
	if n := view.shelf.watching.Len(); n != 0 {
		t.Errorf("%d are kept account of", n)
	}
}

func internalOptions(version string) *internalversion.ListOptions {
	return &internalversion.ListOptions{ResourceVersion: version}
}
