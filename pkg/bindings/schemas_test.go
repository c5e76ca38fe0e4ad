package bindings

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// builtin is what every workspace of the world has.
func builtin(group string) []schemas.Claim {
	if group != "apis.kcp.io" {
		return nil
	}
	return []schemas.Claim{{Owner: `the hub's own API "apiexports.apis.kcp.io"`, Group: group, Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "apiexports", Kind: "APIExport"}}}
}

// schemaOf describes plural.group, stored in version; kind Widget is "widgets".
func schemaOf(prefix, plural, group, version string) *apisv1alpha1.APIResourceSchema {
	singular := strings.TrimSuffix(plural, "s")
	name := prefix + "." + plural + "." + group
	return &apisv1alpha1.APIResourceSchema{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + prefix)},
		Spec: apisv1alpha1.APIResourceSchemaSpec{
			Group: group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{
				Plural: plural, Singular: singular, Kind: strings.ToUpper(singular[:1]) + singular[1:], ShortNames: []string{plural[:2]},
			},
			Versions: []apisv1alpha1.APIResourceVersion{{
				Name: version, Served: true, Storage: true, Schema: runtime.RawExtension{Raw: []byte(`{"type":"object"}`)},
			}},
		},
	}
}

// offer stores an export of schemas in root:compute, and the schemas.
func (w *world) offer(name string, offered ...*apisv1alpha1.APIResourceSchema) {
	export := &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, schema := range offered {
		if _, known := w.schemas.Get(logicalcluster.Key{Workspace: "compute", Name: schema.Name}); !known {
			w.schemas.Put("compute", schema)
		}
		export.Spec.Resources = append(export.Spec.Resources, apisv1alpha2.ResourceSchema{
			Group: schema.Spec.Group, Name: schema.Spec.Names.Plural, Schema: schema.Name,
		})
	}
	key := logicalcluster.Key{Workspace: "compute", Name: name}
	if _, known := w.exports.Get(key); known {
		w.exports.Edit(key, func(e *apisv1alpha2.APIExport) { e.Spec.Resources = export.Spec.Resources })
		return
	}
	w.exports.Put("compute", export)
}

func (w *world) bindTo(binding, export string) {
	w.bind(binding, &apisv1alpha2.ExportBindingReference{Path: "root:compute", Name: export})
}

func (w *world) identityOf(export string) string {
	e, _ := w.exports.Get(logicalcluster.Key{Workspace: "compute", Name: export})
	return e.Status.IdentityHash
}

// servedAPIs are what web serves by schemas: resource and version.
func (w *world) servedAPIs() []string {
	var out []string
	for _, api := range w.apis["web"] {
		out = append(out, api.GroupResource().String()+" "+strings.Join(api.Versions, ","))
	}
	slices.Sort(out)
	return out
}

func (w *world) condition(binding string, t conditionsv1alpha1.ConditionType) string {
	return said(w.binding(binding).Status.Conditions, t)
}

func TestBindSchemas(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"), schemaOf("g1", "gadgets", "example.io", "v1beta1"))
	w.bindTo("b", "acme")
	w.settle()
	identity := w.identityOf("acme")
	want := []apisv1alpha2.BoundAPIResource{
		{Group: "example.io", Resource: "widgets", Schema: apisv1alpha2.BoundAPIResourceSchema{Name: "v1.widgets.example.io", UID: "uid-v1", IdentityHash: identity}, StorageVersions: []string{"v1"}},
		{Group: "example.io", Resource: "gadgets", Schema: apisv1alpha2.BoundAPIResourceSchema{Name: "g1.gadgets.example.io", UID: "uid-g1", IdentityHash: identity}, StorageVersions: []string{"v1beta1"}},
	}
	if diff := cmp.Diff(want, w.binding("b").Status.BoundResources); diff != "" {
		t.Errorf("bound (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"gadgets.example.io v1beta1", "widgets.example.io v1"}, w.servedAPIs()); diff != "" {
		t.Errorf("served (-want +got):\n%s", diff)
	}
	copied, ok := w.schemas.Get(logicalcluster.Key{Workspace: logicalcluster.SystemBoundCRDs, Name: "uid-v1.widgets.example.io"})
	if !ok || copied.Annotations[apisv1alpha2.SchemaClusterAnnotationKey] != "compute" || copied.Annotations[apisv1alpha2.SchemaNameAnnotationKey] != "v1.widgets.example.io" {
		t.Errorf("the copy is %+v", copied)
	}
	for _, c := range []conditionsv1alpha1.ConditionType{"APIExportValid", "InitialBindingCompleted", "BindingUpToDate", "Ready"} {
		if got := w.condition("b", c); got != "True" {
			t.Errorf("%s is %s", c, got)
		}
	}
}

// The copy comes before the status, so that a hub that dies between the two has
// promised nothing.
func TestCopiesComeFirst(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
	w.bindTo("b", "acme")
	w.settle()
	log := strings.Join(w.Log(), "\n")
	copied, status := strings.Index(log, "create apiresourceschemas"), strings.Index(log, "boundResources\":[{")
	if copied < 0 || status < 0 || copied > status {
		t.Errorf("the order of writes:\n%s", log)
	}
}

// An export says what is wrong with its schemas while nobody has bound it.
func TestExportsTellTheirSchemas(t *testing.T) {
	w := newWorld(t)
	key, schema := logicalcluster.Key{Workspace: "compute", Name: "acme"}, schemaOf("v1", "widgets", "example.io", "v1")
	w.offer("acme", schema)
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() {}, "True"},
		{func() { w.schemas.Delete(logicalcluster.Key{Workspace: "compute", Name: schema.Name}) },
			`False APIResourceSchemaInvalid APIResourceSchema "v1.widgets.example.io" does not exist in workspace "root:compute": create it, or name another one`},
		{func() { w.schemas.Put("compute", schema) }, "True"},
		{func() { w.exports.Edit(key, func(e *apisv1alpha2.APIExport) { e.Spec.Resources[0].Name = "gadgets" }) },
			`False APIResourceSchemaInvalid APIResourceSchema "v1.widgets.example.io" describes widgets.example.io, but spec.resources says it is that of gadgets.example.io`},
	} {
		step.do()
		w.settle()
		export, _ := w.exports.Get(key)
		if diff := cmp.Diff(step.want, said(export.Status.Conditions, publicationv1alpha1.ExportSchemasValid)); diff != "" {
			t.Error(diff)
		}
	}
}

// Whatever its owner does to an export or schema: who has bound it has it.
func TestBoundStaysBound(t *testing.T) {
	key := logicalcluster.Key{Workspace: "compute", Name: "acme"}
	for name, test := range map[string]struct {
		do    func(*world)
		valid string
	}{
		"the export goes": {
			do:    func(w *world) { w.exports.Delete(key) },
			valid: `False APIExportNotFound APIExport "acme" not found in workspace "root:compute": delete this binding and create one that names an existing export, or create the export there`,
		},
		"the schema goes": {
			do: func(w *world) {
				w.schemas.Delete(logicalcluster.Key{Workspace: "compute", Name: "v1.widgets.example.io"})
			},
			valid: `False APIResourceSchemaInvalid APIExport "acme" of workspace "root:compute" cannot be bound, which its owner has to mend: APIResourceSchema "v1.widgets.example.io" does not exist in workspace "root:compute": create it, or name another one`,
		},
		"the resource is withdrawn": {
			do:    func(w *world) { w.exports.Edit(key, func(e *apisv1alpha2.APIExport) { e.Spec.Resources = nil }) },
			valid: "True",
		},
		"the schema is of something else": {
			do: func(w *world) {
				w.exports.Edit(key, func(e *apisv1alpha2.APIExport) { e.Spec.Resources[0].Name = "gadgets" })
			},
			valid: `False APIResourceSchemaInvalid APIExport "acme" of workspace "root:compute" cannot be bound, which its owner has to mend: APIResourceSchema "v1.widgets.example.io" describes widgets.example.io, but spec.resources says it is that of gadgets.example.io`,
		},
		"the objects are elsewhere": {
			do: func(w *world) {
				w.exports.Edit(key, func(e *apisv1alpha2.APIExport) {
					e.Spec.Resources[0].Storage.Virtual = &apisv1alpha2.ResourceSchemaStorageVirtual{}
				})
			},
			valid: `False APIResourceSchemaInvalid APIExport "acme" of workspace "root:compute" cannot be bound, which its owner has to mend: widgets.example.io has a spec.resources[].storage.virtual.reference to a : only a ClusterCachedResourceEndpointSlice of cache.kcp.io can have objects; widgets.example.io: spec.resources[].storage cannot become another kind of storage once it is bound; offer another resource`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
			w.bindTo("b", "acme")
			w.settle()
			test.do(w)
			w.settle()
			if got := w.condition("b", apisv1alpha2.APIExportValid); got != test.valid {
				t.Errorf("APIExportValid is %s", got)
			}
			if diff := cmp.Diff([]string{"widgets.example.io v1"}, w.servedAPIs()); diff != "" {
				t.Errorf("served (-want +got):\n%s", diff)
			}
			if got := w.condition("b", conditionsv1alpha1.ReadyCondition); got != "True" {
				t.Errorf("Ready is %s", got)
			}
		})
	}
}

// A new schema takes the place of the old one; objects may be stored in either's
// version.
func TestAnotherSchema(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
	w.bindTo("b", "acme")
	w.settle()
	w.offer("acme", widget("v2", "", "v2", "v1"))
	w.settle()
	bound := w.binding("b").Status.BoundResources
	if len(bound) != 1 || bound[0].Schema.UID != "uid-v2" || !slices.Equal(bound[0].StorageVersions, []string{"v1", "v2"}) {
		t.Errorf("bound is %+v", bound)
	}
	if diff := cmp.Diff([]string{"widgets.example.io v2,v1"}, w.servedAPIs()); diff != "" {
		t.Errorf("served (-want +got):\n%s", diff)
	}
}

// An export that was made again is another one: its owner may be, too.
func TestAnotherIdentity(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
	w.bindTo("b", "acme")
	w.settle()
	before := w.binding("b").Status.BoundResources
	w.exports.Delete(logicalcluster.Key{Workspace: "compute", Name: "acme"})
	w.secrets.Delete(logicalcluster.Key{Workspace: "compute", Namespace: "kcp-system", Name: "acme"})
	w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
	w.settle()
	if diff := cmp.Diff(before, w.binding("b").Status.BoundResources); diff != "" {
		t.Errorf("bound changed (-before +after):\n%s", diff)
	}
	if got := w.condition("b", apisv1alpha2.APIExportValid); !strings.Contains(got, "was made again and has another identity") {
		t.Errorf("APIExportValid is %s", got)
	}
}

// A path that comes to mean another workspace is not followed (B4).
func TestAnotherWorkspace(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
	w.bindTo("b", "acme")
	w.settle()
	w.bindings.Edit(logicalcluster.Key{Workspace: "web", Name: "b"}, func(b *apisv1alpha2.APIBinding) { b.Status.APIExportClusterName = "before" })
	w.settle()
	if got := w.condition("b", apisv1alpha2.APIExportValid); got != `False APIExportInvalidReference workspace "root:compute" is another one than when this was bound: `+
		`delete this binding, and with it the objects of its APIs, to bind what is there now` {
		t.Errorf("APIExportValid is %s", got)
	}
}

func TestNameConflicts(t *testing.T) {
	const taken = "False NamingConflicts names are taken in this workspace: "
	crd := func(names apiextensionsv1.CustomResourceDefinitionNames, group string) *apiextensionsv1.CustomResourceDefinition {
		return &apiextensionsv1.CustomResourceDefinition{
			ObjectMeta: metav1.ObjectMeta{Name: names.Plural + "." + group},
			Spec:       apiextensionsv1.CustomResourceDefinitionSpec{Group: group, Names: names},
			Status:     apiextensionsv1.CustomResourceDefinitionStatus{AcceptedNames: names},
		}
	}
	for name, test := range map[string]struct {
		before func(*world)
		want   string
	}{
		"a definition has the plural": {
			before: func(w *world) {
				w.definitions.Put("web", crd(apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Singular: "thing", Kind: "Thing"}, "example.io"))
			},
			want: taken + `plural "widgets" in group "example.io" is the plural of CustomResourceDefinition "widgets.example.io": delete the definition, and with it its objects, or this binding; ` +
				`to keep the objects under the binding, annotate that with apis.atrium.io/adopt-crd=true`,
		},
		"a definition has a short name and the kind": {
			before: func(w *world) {
				w.definitions.Put("web", crd(apiextensionsv1.CustomResourceDefinitionNames{Plural: "things", ShortNames: []string{"wi"}, Kind: "Other", ListKind: "Widget"}, "example.io"))
			},
			want: taken + `short name "wi" in group "example.io" is the short name of CustomResourceDefinition "things.example.io", which also has kind "Widget": ` +
				`delete the definition, and with it its objects, or this binding`,
		},
		"a definition of another group, and one whose names are not accepted": {
			before: func(w *world) {
				w.definitions.Put("web", crd(apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Kind: "Widget"}, "example.org"))
				w.definitions.Put("compute", crd(apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Kind: "Widget"}, "example.io"))
				fresh := crd(apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Kind: "Widget"}, "example.io")
				fresh.Status = apiextensionsv1.CustomResourceDefinitionStatus{}
				w.definitions.Put("web", fresh)
			},
			want: "True",
		},
		"another binding has the singular": {
			before: func(w *world) {
				other := schemaOf("o", "others", "example.io", "v1")
				other.Spec.Names.ShortNames = []string{"widget"}
				w.offer("other", other)
				w.bindTo("a", "other")
			},
			want: taken + `singular "widget" in group "example.io" is the short name of others.example.io of APIBinding "a": delete one of the bindings`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
			test.before(w)
			w.settle()
			w.bindTo("b", "acme")
			w.settle()
			if got := w.condition("b", apisv1alpha2.BindingUpToDate); got != test.want {
				t.Errorf("BindingUpToDate is %s", got)
			}
		})
	}
}

func TestBuiltinNamesAreTaken(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", schemaOf("v1", "apiexports", "apis.kcp.io", "v1"))
	w.bindTo("b", "acme")
	w.settle()
	if got := w.condition("b", apisv1alpha2.BindingUpToDate); got != `False NamingConflicts names are taken in this workspace: plural "apiexports" in group "apis.kcp.io" is the plural of the hub's own API "apiexports.apis.kcp.io"` {
		t.Errorf("BindingUpToDate is %s", got)
	}
}

// What waits for a name gets it when it is free.
func TestConflictsEnd(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
	names := apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Kind: "Widget"}
	w.definitions.Put("web", &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "widgets.example.io"},
		Spec:       apiextensionsv1.CustomResourceDefinitionSpec{Group: "example.io", Names: names},
		Status:     apiextensionsv1.CustomResourceDefinitionStatus{AcceptedNames: names},
	})
	w.bindTo("b", "acme")
	w.settle()
	w.definitions.Delete(logicalcluster.Key{Workspace: "web", Name: "widgets.example.io"})
	w.settle()
	w.expectBound("b")
}

func (w *world) expectBound(binding string) {
	w.t.Helper()
	if got := w.condition(binding, conditionsv1alpha1.ReadyCondition); got != "True" {
		w.t.Errorf("%s: Ready is %s", binding, got)
	}
}

// Of two bindings that want one name and were made together the older has it,
// whichever is looked at first.
func TestRaceForAName(t *testing.T) {
	for _, order := range [][]string{{"first", "second"}, {"second", "first"}} {
		w := newWorld(t)
		w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
		w.offer("other", schemaOf("o", "widgets", "example.io", "v1"))
		w.settle()
		for _, name := range order {
			w.bindTo(name, map[string]string{"first": "acme", "second": "other"}[name])
		}
		for range 5 {
			w.settle()
			w.clock.Step(time.Second)
			w.driver.Advance(t.Context(), time.Second)
		}
		w.expectBound("first")
		if got := w.condition("second", conditionsv1alpha1.ReadyCondition); !strings.Contains(got, `is the plural of widgets.example.io of APIBinding "first", which also has singular "widget", short name "wi", kind "Widget", listKind "WidgetList": delete one of the bindings`) {
			t.Errorf("looked at %v: second is %s", order, got)
		}
		if diff := cmp.Diff([]string{"widgets.example.io v1"}, w.servedAPIs()); diff != "" {
			t.Errorf("served (-want +got):\n%s", diff)
		}
	}
}

// What has been bound is not taken away by something older that comes late.
func TestBoundBeatsOlder(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
	w.bindTo("older", "other")
	w.settle()
	w.clock.Step(time.Minute)
	w.bindTo("younger", "acme")
	w.settle()
	w.offer("other", schemaOf("o", "widgets", "example.io", "v1"))
	w.settle()
	w.expectBound("younger")
	if got := w.condition("older", conditionsv1alpha1.ReadyCondition); !strings.HasPrefix(got, "False NamingConflicts") {
		t.Errorf("older is %s", got)
	}
}

// While a binding goes nothing new can be made of its resources; it is gone when
// the objects are, and then nothing is left in the store either.
func TestUnbindSchemas(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
	w.bindTo("b", "acme")
	w.settle()
	w.content[widgetsV1] = 2
	w.bindings.Delete(logicalcluster.Key{Workspace: "web", Name: "b"})
	w.settle()
	if got := w.condition("b", apisv1alpha2.BindingResourceDeleteSuccess); !strings.Contains(got, "waiting until these are gone: 2 widgets.example.io") {
		t.Errorf("BindingResourceDeleteSuccess is %s", got)
	}
	if apis := w.apis["web"]; len(apis) != 1 || !schemas.Terminating(apis[0].CRD) {
		t.Errorf("served is %+v, want what is terminating", apis)
	}
	if len(w.purged) > 0 {
		t.Errorf("%v was removed although somebody holds it", w.purged)
	}
	w.content[widgetsV1] = 0
	w.driver.Advance(t.Context(), purgeRetry)
	if diff := cmp.Diff([]string{"widgets.example.io " + w.identityOf("acme")}, w.purged); diff != "" {
		t.Errorf("purged (-want +got):\n%s", diff)
	}
	if left := w.bindings.In("web"); len(left) != 0 || len(w.apis["web"]) != 0 {
		t.Errorf("left are %v, serving %v", left, w.apis["web"])
	}
}

var widgetsV1 = runtimeschema.GroupVersionResource{Group: "example.io", Version: "v1", Resource: "widgets"}

// Objects go over to a binding that waits for them: another export with the same
// identity. Others do not.
func TestObjectsGoOver(t *testing.T) {
	for name, test := range map[string]struct {
		same bool
		want int
	}{"same identity": {true, 0}, "another identity": {false, 1}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
			w.settle()
			w.offer("heir", schemaOf("h", "widgets", "example.io", "v1"))
			if test.same {
				w.exports.Edit(logicalcluster.Key{Workspace: "compute", Name: "heir"}, func(e *apisv1alpha2.APIExport) {
					e.Spec.Identity = &apisv1alpha2.Identity{SecretRef: &corev1.SecretReference{Namespace: "kcp-system", Name: "acme"}}
				})
			}
			w.bindTo("b", "acme")
			w.settle()
			w.clock.Step(time.Minute)
			w.bindTo("h", "heir")
			w.settle()
			w.bindings.Delete(logicalcluster.Key{Workspace: "web", Name: "b"})
			w.settle()
			w.expectBound("h")
			if len(w.purged) != test.want {
				t.Errorf("purged is %v", w.purged)
			}
		})
	}
}
