package views

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/claims"
	"github.com/atriumhub/atrium/pkg/target"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func TestResolveExports(t *testing.T) {
	for name, c := range map[string]struct {
		path      string
		identity  logicalcluster.Name
		scope     string
		inner     string
		malformed bool
	}{
		"by ID":                 {path: "acme/widgets/clusters/*/apis/acme.io/v1/widgets", identity: "acme", scope: "all workspaces", inner: "/apis/acme.io/v1/widgets"},
		"by path":               {path: "root:acme/widgets/clusters/*/apis", identity: "acme", scope: "all workspaces", inner: "/apis"},
		"one workspace":         {path: "acme/widgets/clusters/shop/api/v1/configmaps", identity: "acme", scope: "workspace shop", inner: "/api/v1/configmaps"},
		"one by path":           {path: "acme/widgets/clusters/root:shop/api", identity: "acme", scope: "workspace shop", inner: "/api"},
		"no rest":               {path: "acme/widgets/clusters/*", identity: "acme", scope: "all workspaces", inner: "/"},
		"no such consumer":      {path: "acme/widgets/clusters/nope/api", identity: "acme", scope: "no workspace", inner: "/api"},
		"no such owner":         {path: "root:nope/widgets/clusters/*/api", scope: "no workspace", inner: "/api"},
		"odd, but possible":     {path: "acme/a.b-c.0/clusters/*/api", identity: "acme", scope: "all workspaces", inner: "/api"},
		"too short":             {path: "acme/widgets/clusters", malformed: true},
		"no clusters":           {path: "acme/widgets/api/v1/configmaps", malformed: true},
		"empty owner":           {path: "/widgets/clusters/*/api", malformed: true},
		"all owners":            {path: "*/widgets/clusters/*/api", malformed: true},
		"empty export":          {path: "acme//clusters/*/api", malformed: true},
		"upper case export":     {path: "acme/Widgets/clusters/*/api", malformed: true},
		"export with colon":     {path: "acme/a:b/clusters/*/api", malformed: true},
		"dots":                  {path: "acme/../clusters/*/api", malformed: true},
		"dots as consumer":      {path: "acme/widgets/clusters/../api", malformed: true},
		"empty consumer":        {path: "acme/widgets/clusters//api", malformed: true},
		"nested clusters":       {path: "acme/widgets/clusters/shop/clusters/field/api", malformed: true},
		"nested in wildcard":    {path: "acme/widgets/clusters/*/clusters/field/api", malformed: true},
		"a view in the view":    {path: "acme/widgets/clusters/shop/services/apiexport/other/gadgets/clusters/*/api", malformed: true},
		"two consumers":         {path: "acme/widgets/clusters/shop,field/api", malformed: true},
		"very long":             {path: "acme/" + strings.Repeat("a", 5000) + "/clusters/*/api", malformed: true},
		"newline in the export": {path: "acme/wid\ngets/clusters/*/api", malformed: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, scope, inner, err := newMarket().view().Resolve(t.Context(), "/services/apiexport/"+c.path)
			if errors.Is(err, ErrMalformed) != c.malformed {
				t.Fatal(err)
			}
			if c.malformed {
				return
			}
			if got.Identity != c.identity || scope.String() != c.scope || inner != c.inner || got.View == nil || got.View.Kind != "apiexport" {
				t.Errorf("%+v (view %+v) in %s, then %q", got, got.View, scope, inner)
			}
		})
	}
}

func TestExportKeys(t *testing.T) {
	for _, key := range []logicalcluster.Key{widgetsKey, {Workspace: "system:admin", Name: "a.b"}} {
		if got := fromKey(keyOf(key)); got != key {
			t.Errorf("%v became %v", key, got)
		}
	}
	if got := fromKey(""); got != (logicalcluster.Key{}) {
		t.Errorf("nothing became %v", got)
	}
}

// V1, V7: who sees what, and does what, through the view.
func TestThroughTheView(t *testing.T) {
	const everywhere, shop, stall = "acme/widgets/clusters/*", "acme/widgets/clusters/shop", "acme/widgets/clusters/stall"
	for name, c := range map[string]struct {
		as, method, url string
		code            int
		scope           string // of what goes on
		says            string
	}{
		"list":                       {"robot", "GET", everywhere + "/apis/acme.io/v1/widgets", 200, "all workspaces", ""},
		"watch":                      {"robot", "GET", everywhere + "/apis/acme.io/v1/widgets?watch=1", 200, "all workspaces", ""},
		"list by watching":           {"robot", "GET", everywhere + "/apis/acme.io/v1/widgets?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", 422, "", "list first"},
		"list by watching, in one":   {"robot", "GET", shop + "/apis/acme.io/v1/widgets?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", 200, "workspace shop", ""},
		"in one workspace":           {"robot", "GET", shop + "/apis/acme.io/v1/namespaces/default/widgets/w", 200, "workspace shop", ""},
		"by path":                    {"robot", "GET", "root:acme/widgets/clusters/root:shop/apis/acme.io/v1/widgets", 200, "workspace shop", ""},
		"create":                     {"robot", "POST", shop + "/apis/acme.io/v1/namespaces/default/widgets", 200, "workspace shop", ""},
		"delete all":                 {"robot", "DELETE", shop + "/apis/acme.io/v1/namespaces/default/widgets", 200, "workspace shop", ""},
		"status":                     {"robot", "PATCH", shop + "/apis/acme.io/v1/namespaces/default/widgets/w/status", 200, "workspace shop", ""},
		"an odd subresource":         {"robot", "GET", shop + "/apis/acme.io/v1/namespaces/default/widgets/w/exec", 403, "", "does not allow"},
		"create everywhere":          {"robot", "POST", everywhere + "/apis/acme.io/v1/namespaces/default/widgets", 403, "", "use /clusters/<workspace ID>"},
		"delete all everywhere":      {"robot", "DELETE", everywhere + "/apis/acme.io/v1/widgets", 403, "", "use /clusters/<workspace ID>"},
		"no verb":                    {"nobody", "GET", everywhere + "/apis/acme.io/v1/widgets", 403, "", `the verb "list" on apiexports/content`},
		"another verb":               {"reader", "GET", everywhere + "/apis/acme.io/v1/widgets", 403, "", `the verb "list" on apiexports/content`},
		"the verb":                   {"reader", "GET", shop + "/apis/acme.io/v1/namespaces/default/widgets/w", 200, "workspace shop", ""},
		"a reader writes":            {"reader", "PUT", shop + "/apis/acme.io/v1/namespaces/default/widgets/w", 403, "", `the verb "update"`},
		"the hub":                    {"masters", "GET", everywhere + "/apis/acme.io/v1/widgets", 200, "all workspaces", ""},
		"the hub, unbound":           {"masters", "GET", "acme/widgets/clusters/field/apis/acme.io/v1/widgets", 403, "", "has not bound"},
		"no such export":             {"robot", "GET", "acme/nothing/clusters/*/apis/acme.io/v1/widgets", 404, "", "not found"},
		"no such export, in one":     {"robot", "GET", "acme/nothing/clusters/shop/api/v1/configmaps", 404, "", "not found"},
		"no such workspace":          {"robot", "GET", "nope/widgets/clusters/*/apis/acme.io/v1/widgets", 403, "", "does not exist, or"},
		"not mine":                   {"robot", "GET", "other/gadgets/clusters/*/apis/other.io/v1/gadgets", 403, "", "does not exist, or"},
		"unbound":                    {"robot", "GET", "acme/widgets/clusters/field/apis/acme.io/v1/widgets", 403, "", "has not bound"},
		"not there":                  {"robot", "GET", "acme/widgets/clusters/nope/apis/acme.io/v1/widgets", 403, "", "has not bound"},
		"asleep":                     {"robot", "GET", "acme/widgets/clusters/closed/apis/acme.io/v1/widgets", 503, "", "asleep"},
		"neither offered nor asked":  {"robot", "GET", everywhere + "/api/v1/secrets", 404, "", "neither offers nor claims secrets"},
		"in one as well":             {"robot", "GET", shop + "/api/v1/secrets", 404, "", "neither offers nor claims secrets"},
		"claimed from nobody":        {"robot", "GET", everywhere + "/apis/nobody.io/v1/things", 404, "", "neither offers"},
		"claimed, but defined there": {"robot", "GET", everywhere + "/apis/local.io/v1/things", 404, "", "neither offers"},
		"claimed":                    {"robot", "GET", everywhere + "/api/v1/configmaps", 200, "all workspaces selecting KEY in (CONFIGMAPS,CONFIGMAPS-l)", ""},
		"claimed, not this verb":     {"robot", "GET", everywhere + "/api/v1/configmaps?watch=1", 403, "", `does not claim the verb "watch"`},
		"claimed and accepted":       {"robot", "POST", shop + "/api/v1/namespaces/default/configmaps", 200, "workspace shop selecting KEY in (CONFIGMAPS,CONFIGMAPS-l,CONFIGMAPS-n,CONFIGMAPS-w)", ""},
		"accepted, not this verb":    {"robot", "DELETE", shop + "/api/v1/namespaces/default/configmaps/c", 403, "", "does not allow"},
		"claimed, not accepted":      {"robot", "GET", stall + "/api/v1/namespaces/default/configmaps/c", 403, "", "does not allow"},
		"all verbs":                  {"robot", "DELETE", shop + "/api/v1/namespaces/default/serviceaccounts/s", 200, "workspace shop selecting KEY in (ACCOUNTS,ACCOUNTS-l,ACCOUNTS-n,ACCOUNTS-w)", ""},
		"a token":                    {"robot", "POST", shop + "/api/v1/namespaces/default/serviceaccounts/s/token", 403, "", "create of subresource token"},
		"of another export":          {"robot", "GET", shop + "/apis/other.io/v1/namespaces/default/gadgets/g", 200, "workspace shop selecting KEY in (GADGETS,GADGETS-l,GADGETS-n,GADGETS-w)", ""},
		"of another, all":            {"robot", "GET", everywhere + "/apis/other.io/v1/gadgets?watch=1", 200, "all workspaces selecting KEY in (GADGETS,GADGETS-w)", ""},
		"bindings":                   {"robot", "GET", everywhere + "/apis/apis.kcp.io/v1alpha2/apibindings", 200, "all workspaces selecting KEY in (BINDINGS)", ""},
		"a binding of who refused":   {"robot", "GET", stall + "/apis/apis.kcp.io/v1alpha2/apibindings/widgets", 200, "workspace stall selecting KEY in (BINDINGS)", ""},
		"writing a binding":          {"robot", "DELETE", shop + "/apis/apis.kcp.io/v1alpha2/apibindings/widgets", 403, "", "does not allow"},
		"a binding's status":         {"robot", "PATCH", shop + "/apis/apis.kcp.io/v1alpha2/apibindings/widgets/status", 403, "", "does not allow"},
		"discovery":                  {"reader", "GET", everywhere + "/apis", 200, "all workspaces", ""},
		"discovery of one":           {"reader", "GET", shop + "/openapi/v3", 200, "workspace shop", ""},
		"discovery, no verb":         {"nobody", "GET", everywhere + "/apis", 403, "", `the verb "get"`},
		"discovery of no export":     {"robot", "GET", "acme/nothing/clusters/*/apis", 404, "", "not found"},
		"metrics":                    {"robot", "GET", everywhere + "/metrics", 403, "", "does not serve get /metrics"},
		"the root":                   {"robot", "GET", everywhere + "/", 403, "", "does not serve"},
	} {
		t.Run(name, func(t *testing.T) {
			got := askThrough(t, newMarket().view(), named(c.as), c.method, c.url, nil)
			if got.code != c.code || !strings.Contains(got.says, strings.ReplaceAll(c.says, `"`, quoteFor(c.code))) {
				t.Fatalf("%d %s; expected %d saying %q", got.code, got.says, c.code, c.says)
			}
			if strings.Contains(got.says, "secret RBAC talk") {
				t.Errorf("says too much: %s", got.says)
			}
			if c.code != 200 {
				return
			}
			if scope := hashesNamed(got.scope.String()); scope != c.scope {
				t.Errorf("goes on in %s, expected %s", scope, c.scope)
			}
		})
	}
}

// quoteFor is how a quote looks in a message: one that comes in a Status is encoded.
func quoteFor(code int) string {
	if code == http.StatusNotFound || code == http.StatusServiceUnavailable {
		return `\"`
	}
	return `"`
}

// hashesNamed puts words in place of hashes.
func hashesNamed(s string) string {
	export := claims.Export{Workspace: "acme", Name: "widgets"}
	names := []string{export.LabelKey(), "KEY", claims.OwnBinding, "BINDINGS"}
	for word, c := range map[string]apisv1alpha2.PermissionClaim{
		"CONFIGMAPS": claim(configMaps, ""), "ACCOUNTS": claim(schema.GroupResource{Resource: "serviceaccounts"}, ""), "GADGETS": claim(gadgets, "id-other"),
	} {
		names = append(names, claims.ClaimHash(c), word)
	}
	return strings.NewReplacer(names...).Replace(s)
}

// A workspace that is not there, and one that has not bound the export, are not
// told apart.
func TestUnboundAndUnknownLookTheSame(t *testing.T) {
	says := map[string]bool{}
	for _, consumer := range []string{"field", "nope", "other"} {
		got := askThrough(t, newMarket().view(), named("robot"), "GET", "acme/widgets/clusters/"+consumer+"/apis/acme.io/v1/widgets", nil)
		says[fmt.Sprint(got.code, strings.ReplaceAll(got.says, consumer, "NAME"))] = true
	}
	if len(says) != 1 {
		t.Errorf("told apart: %v", says)
	}
}

// An export that is not there, and one that the caller may not use, are not told
// apart (V1).
func TestForbiddenAndUnknownExportsLookTheSame(t *testing.T) {
	says := map[string]bool{}
	for _, export := range []string{"acme/secret", "acme/nothing", "nope/widgets"} {
		got := askThrough(t, newMarket().view(), named("nobody"), "GET", export+"/clusters/*/apis/acme.io/v1/widgets", nil)
		owner, name, _ := strings.Cut(export, "/")
		says[fmt.Sprint(got.code, strings.NewReplacer(owner+":"+name, "NAME", name, "NAME").Replace(got.says))] = true
	}
	if len(says) != 1 {
		t.Errorf("told apart: %v", says)
	}
}

// In a workspace the provider is a stranger, whoever he is at home, and its own
// service accounts are not what he is called.
func TestWhoAProviderIsInside(t *testing.T) {
	local := &user.DefaultInfo{Name: "system:serviceaccount:default:robot", Groups: []string{user.AllAuthenticated, "system:serviceaccounts"}}
	const url = "acme/widgets/clusters/shop/apis/acme.io/v1/widgets"
	got := askThrough(t, newMarket().view(), local, "GET", url, nil)
	if got.code != 200 || got.user != "system:kcp:serviceaccount:acme:default:robot" {
		t.Errorf("goes on as %q (%d %s)", got.user, got.code, got.says)
	}
	if got.target.View != nil || got.target.Identity != "shop" || got.target.Visitor == nil || got.target.Visitor.Home != "acme" {
		t.Errorf("goes on as %+v", got.target)
	}
	if got := askThrough(t, newMarket().view(), named("robot"), "GET", url, nil); got.user != "robot" {
		t.Errorf("robot goes on as %q", got.user)
	}
	if got := askThrough(t, newMarket().view(), named("masters"), "GET", url, nil); got.user != "masters" || got.target.Identity != "shop" {
		t.Errorf("the hub goes on as %q in %+v", got.user, got.target)
	}
}

// Nobody becomes somebody else through the view.
func TestNoImpersonationThroughTheView(t *testing.T) {
	view := newMarket().view()
	for _, consumer := range []string{"*", "shop"} {
		got, _, _, err := view.Resolve(t.Context(), "/services/apiexport/acme/widgets/clusters/"+consumer+"/api")
		if err != nil {
			t.Fatal(err)
		}
		decision, _, err := view.Authorize(target.With(t.Context(), got), authorizer.AttributesRecord{
			User: named("robot"), Verb: "impersonate", Resource: "users", Name: "alice", ResourceRequest: true,
		})
		if decision != authorizer.DecisionDeny || err != nil {
			t.Errorf("in %s: %v, %v", consumer, decision, err)
		}
	}
}

// What is asked behind the view, such as whether an update may create or a role may
// give more than its author has, is judged by the same people.
func TestAskedBehindTheView(t *testing.T) {
	m := newMarket()
	view := m.view()
	for name, c := range map[string]struct {
		url   string
		as    string
		asked authorizer.AttributesRecord
		want  authorizer.Decision
	}{
		"create by update":              {"/apis/acme.io/v1/namespaces/default/widgets/w", "robot", authorizer.AttributesRecord{Verb: "create", APIGroup: "acme.io", Resource: "widgets"}, authorizer.DecisionAllow},
		"create by update, reader":      {"/apis/acme.io/v1/namespaces/default/widgets/w", "reader", authorizer.AttributesRecord{Verb: "create", APIGroup: "acme.io", Resource: "widgets"}, authorizer.DecisionDeny},
		"escalate where all is claimed": {"/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles/r", "robot", authorizer.AttributesRecord{Verb: "escalate", APIGroup: "rbac.authorization.k8s.io", Resource: "roles"}, authorizer.DecisionAllow},
		"bind what is not claimed":      {"/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles/r", "robot", authorizer.AttributesRecord{Verb: "bind", APIGroup: "rbac.authorization.k8s.io", Resource: "clusterroles"}, authorizer.DecisionDeny},
		"something else":                {"/api/v1/namespaces/default/configmaps/c", "robot", authorizer.AttributesRecord{Verb: "get", Resource: "secrets"}, authorizer.DecisionDeny},
		"no resource":                   {"/api/v1/namespaces/default/configmaps/c", "robot", authorizer.AttributesRecord{Verb: "get", Path: "/metrics"}, authorizer.DecisionDeny},
		"impersonate":                   {"/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles/r", "robot", authorizer.AttributesRecord{Verb: "impersonate", APIGroup: "rbac.authorization.k8s.io", Resource: "roles"}, authorizer.DecisionDeny},
	} {
		t.Run(name, func(t *testing.T) {
			got := askThrough(t, view, named(c.as), "GET", "acme/widgets/clusters/shop"+c.url, nil)
			if got.code != 200 {
				t.Fatal(got.says)
			}
			c.asked.ResourceRequest = c.asked.Resource != ""
			c.asked.User = named(got.user)
			if decision, reason, err := view.Authorize(got.ctx, c.asked); decision != c.want || err != nil {
				t.Errorf("%v, %v: %s", decision, err, reason)
			}
		})
	}
	if decision, _, _ := view.Authorize(target.With(t.Context(), target.Target{Identity: "acme"}), authorizer.AttributesRecord{User: named("robot")}); decision != authorizer.DecisionNoOpinion {
		t.Errorf("an ordinary request: %v", decision)
	}
}

// The policies of all exports that a claimed resource comes from have to agree.
func TestPolicyOfClaimedResources(t *testing.T) {
	m := newMarket()
	m.policy = true
	view := m.view()
	for _, url := range []string{"shop/apis/other.io/v1/namespaces/default/gadgets/g", "*/apis/other.io/v1/gadgets?watch=1"} {
		if got := askThrough(t, view, named("robot"), "GET", "acme/widgets/clusters/"+url, nil); got.code != 403 || !strings.Contains(got.says, "maximal permission policy") {
			t.Errorf("%s: %d %s", url, got.code, got.says)
		}
	}
	if got := askThrough(t, view, named("robot"), "GET", "acme/widgets/clusters/*/apis/acme.io/v1/widgets", nil); got.code != 200 {
		t.Errorf("what is offered itself: %d %s", got.code, got.says)
	}
}

// A provider that may write bindings by a claim does not write its own by that,
// unless that is one of those the claim was accepted for.
func TestWritingClaimedBindings(t *testing.T) {
	m := newMarket()
	own := claim(apiBindings, "", "*")
	m.exports[widgetsKey].Spec.PermissionClaims = append(m.exports[widgetsKey].Spec.PermissionClaims, own)
	m.bind("shop", "acme", "widgets", widgets, true)
	for method, shows := range map[string]bool{"GET": true, "PUT": false, "PATCH": false, "DELETE": false} {
		got := askThrough(t, m.view(), named("robot"), method, "acme/widgets/clusters/shop/apis/apis.kcp.io/v1alpha2/apibindings/widgets", nil)
		if got.code != 200 {
			t.Fatalf("%s: %d %s", method, got.code, got.says)
		}
		key := claims.Export{Workspace: "acme", Name: "widgets"}.LabelKey()
		if sees := got.scope.Sees(labels.Set{key: claims.OwnBinding}); sees != shows {
			t.Errorf("%s sees its own binding: %v", method, sees)
		}
		if !got.scope.Sees(labels.Set{key: claims.ClaimHash(own)}) {
			t.Errorf("%s does not see what was accepted", method)
		}
	}
}

// A binding to an export that was made again under the same name is none to that.
func TestAnotherExportOfTheSameName(t *testing.T) {
	m := newMarket()
	view := m.view()
	again := m.exports[widgetsKey].DeepCopy()
	again.UID, again.Status.IdentityHash = "again", "id-again"
	m.exports[widgetsKey] = again
	view.FollowExport(nil, again, widgetsKey)
	got := askThrough(t, view, named("robot"), "GET", "acme/widgets/clusters/shop/apis/acme.io/v1/widgets", nil)
	if got.code != 403 || !strings.Contains(got.says, "has not bound") {
		t.Errorf("%d %s", got.code, got.says)
	}
}

func TestWhatAnExportShows(t *testing.T) {
	m := newMarket()
	view := m.view()
	describe := func() map[string]string {
		made, ok := view.offers.of(widgetsKey)
		if !ok {
			return nil
		}
		out := map[string]string{}
		for gr := range made.shown {
			api, _ := made.set.Lookup(gr)
			verbs, limited := made.set.Limit(gr)
			switch {
			case api == nil && !made.set.ShowsNative(gr):
				out[gr.String()] = "not in the set"
			case api != nil:
				out[gr.String()] = strings.TrimSpace(fmt.Sprint(api.Provider.Identity, " ", api.Export, " ", verbs))
			default:
				out[gr.String()] = fmt.Sprint("native ", verbs)
			}
			if !limited && made.shown[gr].claim != nil {
				t.Errorf("%s is not limited", gr)
			}
		}
		return out
	}
	want := map[string]string{
		"widgets.acme.io":                 "id-acme root:acme:widgets []",
		"configmaps":                      "native [get list create]",
		"serviceaccounts":                 "native [*]",
		"roles.rbac.authorization.k8s.io": "native [*]",
		"gadgets.other.io":                "id-other root:other:gadgets [get watch]",
		"apibindings.apis.kcp.io":         "[get list watch]",
	}
	if diff := cmp.Diff(want, describe()); diff != "" {
		t.Fatal(diff)
	}
	change := func(key logicalcluster.Key, edit func(*apisv1alpha2.APIExport)) {
		export := m.exports[key].DeepCopy()
		edit(export)
		view.FollowExport(m.exports[key], export, key)
		m.exports.put(key, export)
	}
	before, _ := view.offers.of(widgetsKey)
	if again, _ := view.offers.of(widgetsKey); again != before {
		t.Error("it was made again although nothing has changed")
	}

	m.schemas[logicalcluster.Key{Workspace: "acme", Name: "v2.widgets.acme.io"}] = newSchema("acme", "v2", widgets)
	change(widgetsKey, func(e *apisv1alpha2.APIExport) { e.Spec.Resources[0].Schema = "v2.widgets.acme.io" })
	after, _ := view.offers.of(widgetsKey)
	if before.shown[widgets].same(after.shown[widgets]) || !before.shown[gadgets].same(after.shown[gadgets]) {
		t.Error("another schema: only that resource is another one")
	}
	if before.set.Hash == after.set.Hash {
		t.Error("another schema does not show in the hash")
	}

	delete(m.schemas, logicalcluster.Key{Workspace: "acme", Name: "v2.widgets.acme.io"})
	delete(want, "widgets.acme.io")
	if diff := cmp.Diff(want, describe()); diff != "" {
		t.Errorf("schema gone: %s", diff)
	}
	change(gadgetsKey, func(e *apisv1alpha2.APIExport) { e.Status.IdentityHash = "id-else" })
	delete(want, "gadgets.other.io")
	if diff := cmp.Diff(want, describe()); diff != "" {
		t.Errorf("nobody has the claimed identity: %s", diff)
	}
	change(widgetsKey, func(e *apisv1alpha2.APIExport) {
		e.Spec.PermissionClaims = []apisv1alpha2.PermissionClaim{claim(schema.GroupResource{Group: "apis.kcp.io", Resource: "apibindings"}, "", "update")}
	})
	if diff := cmp.Diff(map[string]string{"apibindings.apis.kcp.io": "[get list update watch]"}, describe()); diff != "" {
		t.Errorf("bindings claimed: %s", diff)
	}
	for _, group := range []string{"", "events.k8s.io"} {
		change(widgetsKey, func(e *apisv1alpha2.APIExport) {
			e.Spec.PermissionClaims = []apisv1alpha2.PermissionClaim{claim(schema.GroupResource{Group: group, Resource: "events"}, "", "create")}
		})
		want := map[string]string{"apibindings.apis.kcp.io": "[get list watch]", "events": "native [create]", "events.events.k8s.io": "native [create]"}
		if diff := cmp.Diff(want, describe()); diff != "" {
			t.Errorf("events of group %q claimed: %s", group, diff)
		}
	}
	view.FollowExport(m.exports[widgetsKey], nil, widgetsKey)
	m.exports.drop(widgetsKey)
	if got := describe(); got != nil {
		t.Errorf("export gone: %v", got)
	}
}

// What an export cannot show: the hub's own kinds as its own, what is served by
// others, and schemas that say something else than the export does.
func TestWhatAnExportCannotShow(t *testing.T) {
	m := newMarket()
	own := newSchema("acme", "v1", schema.GroupResource{Group: "apis.kcp.io", Resource: "apibindings"})
	m.schemas[logicalcluster.Key{Workspace: "acme", Name: "own"}] = own
	m.schemas[logicalcluster.Key{Workspace: "acme", Name: "bad"}] = newSchema("acme", "bad", gadgets)
	m.schemas[logicalcluster.Key{Workspace: "acme", Name: "bad"}].Spec.Versions[0].Schema.Raw = []byte("{")
	m.exports[widgetsKey].Spec.PermissionClaims = nil
	m.exports[widgetsKey].Spec.Resources = []apisv1alpha2.ResourceSchema{
		{Group: "apis.kcp.io", Name: "apibindings", Schema: "own"},
		{Group: "acme.io", Name: "others", Schema: "v1.widgets.acme.io"},
		{Group: "other.io", Name: "gadgets", Schema: "bad"},
		{Group: "acme.io", Name: "widgets", Schema: "v1.widgets.acme.io", Storage: apisv1alpha2.ResourceSchemaStorage{Virtual: &apisv1alpha2.ResourceSchemaStorageVirtual{}}},
	}
	made, _ := m.view().offers.of(widgetsKey)
	if len(made.shown) != 1 || made.shown[apiBindings].own() {
		t.Errorf("it shows %v", made.shown)
	}
	m.exports[widgetsKey].Status.IdentityHash = ""
	m.exports[widgetsKey].Spec.Resources = []apisv1alpha2.ResourceSchema{{Group: "acme.io", Name: "widgets", Schema: "v1.widgets.acme.io"}}
	if made, _ := m.view().offers.of(widgetsKey); len(made.shown) != 1 {
		t.Errorf("without an identity it shows %v", made.shown)
	}
}

// V8: a request that lasts ends when it would not be let through as it was.
func TestLastingRequestsEnd(t *testing.T) {
	edit := func(m *market, view *Exports, key logicalcluster.Key, change func(*apisv1alpha2.APIExport)) {
		export := m.exports[key].DeepCopy()
		change(export)
		old := m.exports[key]
		m.exports.put(key, export)
		view.FollowExport(old, export, key)
	}
	editBinding := func(m *market, view *Exports, consumer logicalcluster.Name, change func(*apisv1alpha2.APIBinding)) {
		key := logicalcluster.Key{Workspace: consumer, Name: "widgets"}
		binding := m.bindings[key].DeepCopy()
		change(binding)
		m.bindings.put(key, binding)
		view.FollowBinding(nil, binding, key)
	}
	const all, one, bound, maps = "*/apis/acme.io/v1/widgets?watch=1", "shop/apis/acme.io/v1/widgets?watch=1", "*/apis/apis.kcp.io/v1alpha2/apibindings?watch=1", "shop/api/v1/serviceaccounts?watch=1"
	for name, c := range map[string]struct {
		url  string
		act  func(*market, *Exports)
		ends bool
	}{
		"nothing happens": {all, func(_ *market, v *Exports) { v.Changed("acme") }, false},
		"another schema": {all, func(m *market, v *Exports) {
			m.schemas[logicalcluster.Key{Workspace: "acme", Name: "v2.widgets.acme.io"}] = newSchema("acme", "v2", widgets)
			edit(m, v, widgetsKey, func(e *apisv1alpha2.APIExport) { e.Spec.Resources[0].Schema = "v2.widgets.acme.io" })
		}, true},
		"another schema, bindings": {bound, func(m *market, v *Exports) {
			m.schemas[logicalcluster.Key{Workspace: "acme", Name: "v2.widgets.acme.io"}] = newSchema("acme", "v2", widgets)
			edit(m, v, widgetsKey, func(e *apisv1alpha2.APIExport) { e.Spec.Resources[0].Schema = "v2.widgets.acme.io" })
		}, false},
		"schema deleted": {all, func(m *market, v *Exports) {
			key := logicalcluster.Key{Workspace: "acme", Name: "v1.widgets.acme.io"}
			m.schemas.drop(key)
			v.FollowSchema(&apisv1alpha1.APIResourceSchema{}, nil, key)
		}, true},
		"resource removed": {all, func(m *market, v *Exports) {
			edit(m, v, widgetsKey, func(e *apisv1alpha2.APIExport) { e.Spec.Resources = nil })
		}, true},
		"claim added": {all, func(m *market, v *Exports) {
			edit(m, v, widgetsKey, func(e *apisv1alpha2.APIExport) {
				e.Spec.PermissionClaims = append(e.Spec.PermissionClaims, claim(schema.GroupResource{Resource: "secrets"}, "", "*"))
			})
		}, false},
		"claim removed": {"*/api/v1/serviceaccounts?watch=1", func(m *market, v *Exports) {
			edit(m, v, widgetsKey, func(e *apisv1alpha2.APIExport) { e.Spec.PermissionClaims = nil })
		}, true},
		"verb removed": {"*/api/v1/serviceaccounts?watch=1", func(m *market, v *Exports) {
			edit(m, v, widgetsKey, func(e *apisv1alpha2.APIExport) { e.Spec.PermissionClaims[2].Verbs = []string{"get", "list"} })
		}, true},
		"export deleted": {bound, func(m *market, v *Exports) {
			old := m.exports[widgetsKey]
			m.exports.drop(widgetsKey)
			v.FollowExport(old, nil, widgetsKey)
		}, true},
		"export made again": {bound, func(m *market, v *Exports) {
			edit(m, v, widgetsKey, func(e *apisv1alpha2.APIExport) { e.UID = "again" })
		}, true},
		"owner of a claimed resource deleted": {"*/apis/other.io/v1/gadgets?watch=1", func(m *market, v *Exports) {
			old := m.exports[gadgetsKey]
			m.exports.drop(gadgetsKey)
			v.FollowExport(old, nil, gadgetsKey)
		}, true},
		"another export": {all, func(m *market, v *Exports) {
			old := m.exports[gadgetsKey]
			m.exports.drop(gadgetsKey)
			v.FollowExport(old, nil, gadgetsKey)
		}, false},
		"unbound": {one, func(m *market, v *Exports) {
			key := logicalcluster.Key{Workspace: "shop", Name: "widgets"}
			m.bindings.drop(key)
			v.FollowBinding(&apisv1alpha2.APIBinding{}, nil, key)
		}, true},
		"unbound, all": {all, func(m *market, v *Exports) {
			key := logicalcluster.Key{Workspace: "shop", Name: "widgets"}
			m.bindings.drop(key)
			v.FollowBinding(&apisv1alpha2.APIBinding{}, nil, key)
		}, false},
		"another one unbound": {one, func(m *market, v *Exports) {
			key := logicalcluster.Key{Workspace: "stall", Name: "widgets"}
			m.bindings.drop(key)
			v.FollowBinding(&apisv1alpha2.APIBinding{}, nil, key)
		}, false},
		"claim rejected": {maps, func(m *market, v *Exports) {
			editBinding(m, v, "shop", func(b *apisv1alpha2.APIBinding) {
				for i := range b.Spec.PermissionClaims {
					b.Spec.PermissionClaims[i].State = apisv1alpha2.ClaimRejected
				}
			})
		}, true},
		"claim rejected, own": {one, func(m *market, v *Exports) {
			editBinding(m, v, "shop", func(b *apisv1alpha2.APIBinding) { b.Spec.PermissionClaims = nil })
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMarket()
			view := m.view()
			got := askThrough(t, view, named("robot"), "GET", "acme/widgets/clusters/"+c.url, func(during outcome) {
				c.act(m, view)
				if c.ends {
					<-during.ctx.Done()
					if !errors.Is(context.Cause(during.ctx), ErrShownDifferently) {
						t.Errorf("ended because of %v", context.Cause(during.ctx))
					}
					return
				}
				for _, place := range []logicalcluster.Name{"acme", "shop"} {
					view.lasting.Each(place, func(one *lasting) { view.recheck(one) })
				}
				if during.ctx.Err() != nil {
					t.Errorf("ended: %v", context.Cause(during.ctx))
				}
			})
			if got.code != 200 {
				t.Fatal(got.says)
			}
			if view.lasting.Len() != 0 || view.shapes.Len() != 0 {
				t.Errorf("%d are kept account of", view.lasting.Len())
			}
		})
	}
}

// While a provider watches, what it watches by is in use.
func TestWatchedShapes(t *testing.T) {
	view := newMarket().view()
	got := askThrough(t, view, named("robot"), "GET", "acme/widgets/clusters/*/apis/acme.io/v1/widgets?watch=1", func(during outcome) {
		api, ok := during.set.Lookup(widgets)
		if !ok || !view.Watches(api.Shape) || view.Watches("another") {
			t.Errorf("%+v is not watched, or all are", api)
		}
	})
	if got.code != 200 || view.shapes.Len() != 0 {
		t.Errorf("%d %s; %d are kept account of", got.code, got.says, view.shapes.Len())
	}
}

// Thousands of resources in an export are made once, and what has changed is all
// that is made again.
func TestManyResources(t *testing.T) {
	m := newMarket()
	export := m.exports[widgetsKey]
	for i := range 2000 {
		gr := schema.GroupResource{Group: "acme.io", Resource: fmt.Sprintf("things%ds", i)}
		m.schemas[logicalcluster.Key{Workspace: "acme", Name: "v1." + gr.String()}] = newSchema("acme", "v1", gr)
		export.Spec.Resources = append(export.Spec.Resources, apisv1alpha2.ResourceSchema{Group: gr.Group, Name: gr.Resource, Schema: "v1." + gr.String()})
	}
	view := m.view()
	before, _ := view.offers.of(widgetsKey)
	changed := newSchema("acme", "v1", widgets)
	changed.UID, changed.Spec.Names.ShortNames = "changed", []string{"w"}
	m.schemas[logicalcluster.Key{Workspace: "acme", Name: "v1.widgets.acme.io"}] = changed
	after, _ := view.offers.of(widgetsKey)
	if len(after.shown) < 2000 {
		t.Fatalf("%d are shown", len(after.shown))
	}
	made := 0
	for gr, s := range after.shown {
		if s.own() && s.api != before.shown[gr].api {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d were made again", made)
	}
}
