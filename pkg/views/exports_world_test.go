package views

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/filters"
	"k8s.io/apiserver/pkg/endpoints/request"
	clientscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/claims"
	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/pkg/target"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// market is what the view of providers asks in these tests.
//
// Workspace "acme" (path root:acme) offers widgets.acme.io by the export "widgets",
// and claims configmaps (to get, list and create them), roles (to do everything),
// serviceaccounts (likewise), gadgets of the export of workspace "other", and
// things that nobody offers. Workspaces, by what they are for:
//
//	shop    has bound the export, and accepted all claims
//	stall   has bound it, and accepted none
//	field   has not bound it
//	closed  as shop, but takes no requests
//
// "robot" may do everything with the content of the export, "reader" get it, and
// "masters" is the hub.
type market struct {
	exports  source[*apisv1alpha2.APIExport]
	schemas  source[*apisv1alpha1.APIResourceSchema]
	bindings source[*apisv1alpha2.APIBinding]
	// policy is whether the export of "other" has a policy that allows nothing.
	policy bool
}

// source is an informer that is told what there is.
type source[T metav1.Object] map[logicalcluster.Key]T

// changing is held by tests that change a source while somebody may look.
var changing sync.RWMutex

func (s source[T]) Get(key logicalcluster.Key) (T, bool) {
	changing.RLock()
	defer changing.RUnlock()
	found, ok := s[key]
	return found, ok
}

func (s source[T]) put(key logicalcluster.Key, object T) {
	changing.Lock()
	defer changing.Unlock()
	s[key] = object
}

func (s source[T]) drop(key logicalcluster.Key) {
	changing.Lock()
	defer changing.Unlock()
	delete(s, key)
}

func (s source[T]) In(workspace logicalcluster.Name) []T {
	changing.RLock()
	defer changing.RUnlock()
	var found []T
	for key, object := range s {
		if key.Workspace == workspace {
			found = append(found, object)
		}
	}
	return found
}

var (
	widgets    = schema.GroupResource{Group: "acme.io", Resource: "widgets"}
	gadgets    = schema.GroupResource{Group: "other.io", Resource: "gadgets"}
	configMaps = schema.GroupResource{Resource: "configmaps"}
	widgetsKey = logicalcluster.Key{Workspace: "acme", Name: "widgets"}
	gadgetsKey = logicalcluster.Key{Workspace: "other", Name: "gadgets"}
)

func in(workspace logicalcluster.Name, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: name, UID: types.UID(workspace.String() + "-" + name), ResourceVersion: "1",
		Annotations: map[string]string{logicalcluster.AnnotationKey: workspace.String()},
	}
}

func newSchema(workspace logicalcluster.Name, prefix string, gr schema.GroupResource) *apisv1alpha1.APIResourceSchema {
	raw, _ := json.Marshal(apiextensionsv1.JSONSchemaProps{Type: "object", Description: prefix})
	return &apisv1alpha1.APIResourceSchema{
		ObjectMeta: in(workspace, prefix+"."+gr.String()),
		Spec: apisv1alpha1.APIResourceSchemaSpec{
			Group: gr.Group, Scope: apiextensionsv1.NamespaceScoped,
			Names:    apiextensionsv1.CustomResourceDefinitionNames{Plural: gr.Resource, Singular: gr.Resource[:len(gr.Resource)-1], Kind: "Kind", ListKind: "KindList"},
			Versions: []apisv1alpha1.APIResourceVersion{{Name: "v1", Served: true, Storage: true, Schema: runtime.RawExtension{Raw: raw}}},
		},
	}
}

func claim(gr schema.GroupResource, identityHash string, verbs ...string) apisv1alpha2.PermissionClaim {
	return apisv1alpha2.PermissionClaim{
		GroupResource: apisv1alpha2.GroupResource{Group: gr.Group, Resource: gr.Resource}, IdentityHash: identityHash, Verbs: verbs,
	}
}

func newMarket() *market {
	m := &market{
		exports: source[*apisv1alpha2.APIExport]{}, schemas: source[*apisv1alpha1.APIResourceSchema]{}, bindings: source[*apisv1alpha2.APIBinding]{},
	}
	m.addExport("acme", "widgets", "id-acme", newSchema("acme", "v1", widgets),
		claim(configMaps, "", "get", "list", "create"), claim(schema.GroupResource{Group: "rbac.authorization.k8s.io", Resource: "roles"}, "", "*"),
		claim(schema.GroupResource{Resource: "serviceaccounts"}, "", "*"), claim(gadgets, "id-other", "get", "watch"),
		claim(schema.GroupResource{Group: "nobody.io", Resource: "things"}, "id-nobody", "*"), claim(schema.GroupResource{Group: "local.io", Resource: "things"}, "", "*"))
	m.addExport("other", "gadgets", "id-other", newSchema("other", "v1", gadgets))
	m.bind("shop", "acme", "widgets", widgets, true)
	m.bind("closed", "acme", "widgets", widgets, true)
	m.bind("stall", "acme", "widgets", widgets, false)
	m.bind("field", "other", "gadgets", gadgets, false)
	return m
}

func (m *market) addExport(workspace logicalcluster.Name, name, identityHash string, offered *apisv1alpha1.APIResourceSchema, claimed ...apisv1alpha2.PermissionClaim) *apisv1alpha2.APIExport {
	export := &apisv1alpha2.APIExport{ObjectMeta: in(workspace, name)}
	export.Spec.Resources = []apisv1alpha2.ResourceSchema{{Group: offered.Spec.Group, Name: offered.Spec.Names.Plural, Schema: offered.Name}}
	export.Spec.PermissionClaims = claimed
	export.Status.IdentityHash = identityHash
	m.schemas[logicalcluster.Key{Workspace: workspace, Name: offered.Name}] = offered
	m.exports[logicalcluster.Key{Workspace: workspace, Name: name}] = export
	return export
}

func (m *market) bind(consumer, workspace logicalcluster.Name, name string, gr schema.GroupResource, accept bool) {
	export := m.exports[logicalcluster.Key{Workspace: workspace, Name: name}]
	binding := &apisv1alpha2.APIBinding{ObjectMeta: in(consumer, name)}
	binding.Annotations[claims.AcceptedIdentityAnnotation] = export.Status.IdentityHash
	binding.Spec.Reference.Export = &apisv1alpha2.ExportBindingReference{Path: "root:" + workspace.String(), Name: name}
	binding.Status.Phase, binding.Status.APIExportClusterName = apisv1alpha2.APIBindingPhaseBound, workspace.String()
	binding.Status.BoundResources = []apisv1alpha2.BoundAPIResource{{
		Group: gr.Group, Resource: gr.Resource, Schema: apisv1alpha2.BoundAPIResourceSchema{Name: "v1", UID: "1", IdentityHash: export.Status.IdentityHash},
	}}
	for _, c := range export.Spec.PermissionClaims {
		scoped := apisv1alpha2.ScopedPermissionClaim{PermissionClaim: c, Selector: apisv1alpha2.PermissionClaimSelector{MatchAll: true}}
		if accept {
			binding.Spec.PermissionClaims = append(binding.Spec.PermissionClaims, apisv1alpha2.AcceptablePermissionClaim{ScopedPermissionClaim: scoped, State: apisv1alpha2.ClaimAccepted})
			binding.Status.AppliedPermissionClaims = append(binding.Status.AppliedPermissionClaims, scoped)
		}
	}
	m.bindings[logicalcluster.Key{Workspace: consumer, Name: name}] = binding
}

func (m *market) view() *Exports {
	book := claims.Book{
		Bindings: m.bindings.In,
		Export: func(e claims.Export) (*apisv1alpha2.APIExport, bool) {
			return m.exports.Get(logicalcluster.Key{Workspace: e.Workspace, Name: e.Name})
		},
		Served: func(_ logicalcluster.Name, gr schema.GroupResource) (claims.Served, bool) {
			if gr == gadgets {
				return claims.Served{Identity: "id-other"}, true
			}
			return claims.Served{Nameless: true}, true
		},
	}
	bindings := schemas.FromCRD(schemas.Installed(&apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "apibindings.apis.kcp.io"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "apis.kcp.io", Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "apibindings", Kind: "APIBinding"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1alpha2", Served: true, Storage: true}},
		},
	}), schemas.System)
	view := NewExports(ExportsConfig{
		RBAC: authorizer.AuthorizerFunc(m.judge), Resolve: m.resolve,
		Exports: m.exports, Schemas: m.schemas, Bindings: m.bindings, Grant: book.Grant,
		FullName: func(workspace logicalcluster.Name, export string) string {
			return "root:" + workspace.String() + ":" + export
		},
		System: []*catalog.API{bindings},
		Native: func(gr schema.GroupResource) bool {
			return slices.Contains([]string{"configmaps", "secrets", "events", "roles", "serviceaccounts"}, gr.Resource)
		},
		Open: func(workspace logicalcluster.Name) error {
			if workspace == "closed" {
				return errors.New("it is asleep")
			}
			return nil
		},
		WithinPolicy: func(_ context.Context, owner *apisv1alpha2.APIExport, home logicalcluster.Name, a authorizer.Attributes) bool {
			return owner.Name == "gadgets" && home == "acme" && a.GetUser() != nil && !m.policy
		},
	})
	for _, key := range slices.SortedFunc(maps.Keys(m.exports), func(a, b logicalcluster.Key) int { return len(a.Workspace) - len(b.Workspace) }) {
		view.FollowExport(nil, m.exports[key], key)
	}
	return view
}

func (m *market) resolve(path logicalcluster.Path) (logicalcluster.Name, bool) {
	name := logicalcluster.Name(path.Base())
	return name, slices.Contains([]logicalcluster.Name{"acme", "other", "shop", "stall", "field", "closed"}, name)
}

// judge are the roles of the workspaces.
func (m *market) judge(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	t, _ := target.From(ctx)
	content := a.GetAPIGroup() == "apis.kcp.io" && a.GetResource() == "apiexports" && a.GetSubresource() == "content"
	who := a.GetUser().GetName()
	mine := content && t.Identity == "acme" && t.View == nil && t.Visitor == nil && a.GetName() != "secret"
	if mine && (who == "robot" || who == "system:serviceaccount:default:robot" || who == "reader" && a.GetVerb() == "get") {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "secret RBAC talk", nil
}

// outcome is what became of a request through the view.
type outcome struct {
	code int
	says string
	// What follows is what a request that was let through goes on with.
	ctx    context.Context
	target target.Target
	scope  keyspace.Scope
	user   string
	set    *catalog.Set
}

var requestInfos = &request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}

// askThrough sends a request through authorization and the view, as the hub's chain does.
// One that is let through lasts until meanwhile returns; nil returns at once.
func askThrough(t *testing.T, view *Exports, caller user.Info, method, url string, meanwhile func(outcome)) outcome {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, "/services/apiexport/"+url, nil)
	got, scope, inner, err := view.Resolve(t.Context(), req.URL.Path)
	if err != nil {
		return outcome{code: http.StatusBadRequest, says: err.Error()}
	}
	req.URL.Path = inner
	info, err := requestInfos.NewRequestInfo(req)
	if err != nil {
		t.Fatal(err)
	}
	ctx := keyspace.WithScope(target.With(t.Context(), got), scope)
	ctx = request.WithUser(request.WithRequestInfo(ctx, info), caller)
	a, err := filters.GetAuthorizerAttributes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if decision, reason, err := view.Authorize(ctx, a); err != nil || decision != authorizer.DecisionAllow && !identity.IsHub(caller) {
		return outcome{code: http.StatusForbidden, says: reason}
	}
	var out outcome
	w := httptest.NewRecorder()
	view.Enter(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		out.ctx, out.set = req.Context(), SetFrom(req.Context())
		out.target, _ = target.From(out.ctx)
		out.scope, _ = keyspace.ScopeFrom(out.ctx)
		who, _ := request.UserFrom(out.ctx)
		out.user = who.GetName()
		if meanwhile != nil {
			meanwhile(out)
		}
	}), clientscheme.Codecs).ServeHTTP(w, req.WithContext(ctx))
	out.code, out.says = w.Code, w.Body.String()
	return out
}

func named(name string) user.Info {
	groups := []string{user.AllAuthenticated}
	if name == "masters" {
		groups = append(groups, user.SystemPrivilegedGroup)
	}
	return &user.DefaultInfo{Name: name, Groups: groups}
}
