package bindings

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/atriumhub/atrium/pkg/inflight"
	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/pkg/inventory/inventorytest"
	"github.com/atriumhub/atrium/pkg/partition"
	"github.com/atriumhub/atrium/pkg/replication"
	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	cachev1alpha1 "github.com/atriumhub/atrium/sdk/apis/cache/v1alpha1"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var (
	conversionsGVR = apisv1alpha1.SchemeGroupVersion.WithResource("apiconversions")
	workspacesGVR  = tenancyv1alpha1.SchemeGroupVersion.WithResource("workspaces")

	deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	services    = schema.GroupVersionResource{Version: "v1", Resource: "services"}
)

// world is a hub with the loops of this package.
type world struct {
	t        *testing.T
	clock    *clocktesting.FakeClock
	driver   *inventorytest.Driver
	exports  *inventorytest.Collection[*apisv1alpha2.APIExport]
	bindings *inventorytest.Collection[*apisv1alpha2.APIBinding]
	schemas  *inventorytest.Collection[*apisv1alpha1.APIResourceSchema]
	keeper   *keeper
	// local and adopted count the objects of a definition, by where they are;
	// noMove is why they cannot be moved.
	local, adopted int
	noMove         error
	// meanwhile happens before a binding is written.
	meanwhile func(*apisv1alpha2.APIBinding)
	// noSecrets is why secrets cannot be stored.
	noSecrets   error
	conversions *inventorytest.Collection[*apisv1alpha1.APIConversion]
	endpoints   *inventorytest.Collection[*apisv1alpha1.APIExportEndpointSlice]
	// definitions are those of workspaces.
	definitions  *inventorytest.Collection[*apiextensionsv1.CustomResourceDefinition]
	cached       *inventorytest.Collection[*cachev1alpha1.ClusterCachedResource]
	cachedSlices *inventorytest.Collection[*cachev1alpha1.ClusterCachedResourceEndpointSlice]
	*inventorytest.Hub
	secrets *inventorytest.Collection[*corev1.Secret]
	// shown is how many objects ClusterCachedResources show.
	shown   int
	content map[schema.GroupVersionResource]int
	served  map[logicalcluster.Name][]string
	// purged is what was removed below the API: resource and identity.
	purged []string
	apis   map[logicalcluster.Name][]*schemas.API
	writes inflight.Writes

	rollouts   *inventorytest.Collection[*publicationv1alpha1.SchemaRollout]
	workspaces *inventorytest.Collection[*tenancyv1alpha1.Workspace]
	// stored are the objects of bound resources, by workspace.
	stored map[logicalcluster.Name][]map[string]any
}

// secretChanges is a source of which only changes are asked.
type secretChanges struct {
	Source[*metav1.PartialObjectMetadata]
	secrets *inventorytest.Collection[*corev1.Secret]
}

func (s secretChanges) OnChange(f informers.ChangeFunc[*metav1.PartialObjectMetadata]) {
	s.secrets.OnChange(func(_, _ *corev1.Secret, key logicalcluster.Key) { f(nil, nil, key) })
}

func newWorld(t *testing.T) *world { return newWorldWith(t, func(*Config) {}) }

func newWorldWith(t *testing.T, change func(*Config)) *world {
	clock := clocktesting.NewFakeClock(time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC))
	w := &world{
		t: t, clock: clock, driver: inventorytest.NewDriver(clock), Hub: inventorytest.NewHub(clock),
		content: map[schema.GroupVersionResource]int{}, served: map[logicalcluster.Name][]string{}, apis: map[logicalcluster.Name][]*schemas.API{},
	}
	w.exports = inventorytest.Collect(w.Hub, exportsGVR, func() *apisv1alpha2.APIExport { return &apisv1alpha2.APIExport{} })
	w.bindings = inventorytest.Collect(w.Hub, bindingsGVR, func() *apisv1alpha2.APIBinding { return &apisv1alpha2.APIBinding{} })
	w.schemas = inventorytest.Collect(w.Hub, schemasGVR, func() *apisv1alpha1.APIResourceSchema { return &apisv1alpha1.APIResourceSchema{} })
	w.conversions = inventorytest.Collect(w.Hub, conversionsGVR, func() *apisv1alpha1.APIConversion { return &apisv1alpha1.APIConversion{} })
	w.endpoints = inventorytest.Collect(w.Hub, slicesGVR, func() *apisv1alpha1.APIExportEndpointSlice { return &apisv1alpha1.APIExportEndpointSlice{} })
	w.definitions = inventorytest.Collect(w.Hub, definitionsGVR, func() *apiextensionsv1.CustomResourceDefinition {
		return &apiextensionsv1.CustomResourceDefinition{}
	})
	w.secrets = inventorytest.Collect(w.Hub, corev1.SchemeGroupVersion.WithResource("secrets"), func() *corev1.Secret { return &corev1.Secret{} })
	w.cached = inventorytest.Collect(w.Hub, cachedGVR, func() *cachev1alpha1.ClusterCachedResource { return &cachev1alpha1.ClusterCachedResource{} })
	w.cachedSlices = inventorytest.Collect(w.Hub, cachedSlicesGVR, func() *cachev1alpha1.ClusterCachedResourceEndpointSlice {
		return &cachev1alpha1.ClusterCachedResourceEndpointSlice{}
	})
	Feed(FeedConfig{
		Bindings: w.bindings, Schemas: w.schemas, Resolve: w.resolve, Natives: []string{"root:compute:kubernetes"},
		Set: func(workspace logicalcluster.Name, apis []*schemas.API, exports []string) {
			w.served[workspace], w.apis[workspace] = exports, apis
		},
	})
	w.rollouts = inventorytest.Collect(w.Hub, rolloutsGVR, func() *publicationv1alpha1.SchemaRollout { return &publicationv1alpha1.SchemaRollout{} })
	w.workspaces = inventorytest.Collect(w.Hub, workspacesGVR, func() *tenancyv1alpha1.Workspace { return &tenancyv1alpha1.Workspace{} })
	config := Config{
		Permissions: Permissions{Writes: &w.writes},
		Migration: Migration{Rate: rate.NewLimiter(rate.Inf, 1), StoresIn: w.storesIn, Stored: func(context.Context, logicalcluster.Name, schema.GroupResource, string, string, int) ([]partition.Stored, error) {
			return nil, nil
		}},
		Rollouts: w.rollouts, Workspaces: w.workspaces, Labels: w.labels, CountStored: w.countStored, Look: w.look,
		Clock: clock, APIBindings: w.bindings, APIExports: w.exports, Resolve: w.resolve,
		Schemas: w.schemas, CustomResourceDefinitions: w.definitions, Builtin: builtin,
		HubURL: "https://hub.example.io:6443", Cached: w.cached, CachedSlices: w.cachedSlices,
		Publisher: &replication.Publisher{Resources: w.cached, Slices: w.cachedSlices, Lookup: w.lookup}, Count: w.count,
		Reach: w.reach, PurgeStored: w.purgeStored, Move: w.move, Conversions: w.conversions, EndpointSlices: w.endpoints, Secrets: secretChanges{secrets: w.secrets},
		Natives: []string{"root:compute:kubernetes"}, Content: w,
	}
	change(&config)
	k := newKeeper(config, w)
	w.keeper = k
	k.cached, k.slices = w.driver.Queue(k.reconcileCached), w.driver.Queue(k.reconcileCachedSlice)
	k.exports, k.bindings, k.followers = w.driver.Queue(k.reconcileExport), w.driver.Queue(k.reconcileBinding), w.driver.Queue(k.reconcileBinding)
	k.rollouts, k.migrating, k.callingOut = w.driver.Queue(k.reconcileRollout), w.driver.Queue(k.migrator(false)), w.driver.Queue(k.migrator(true))
	k.endpoints = w.driver.Queue(k.reconcileSlice)
	k.listenForEvolution()
	k.permissionQueues = permissionQueues{w.driver.Queue(k.reconcileLabels), w.driver.Queue(k.reconcileLabels)}
	k.listen()
	k.listenForSlices()
	k.listenToSecrets()
	return w
}

func (w *world) resolve(path logicalcluster.Path) (Workspace, bool) {
	for _, known := range []Workspace{{Name: "compute", Path: "root:compute"}, {Name: "web", Path: "root:acme:web"}} {
		if path == known.Path || path == known.Name.Path() {
			return known, true
		}
	}
	if name := path.Base(); strings.HasPrefix(name, "ws-") {
		return Workspace{Name: logicalcluster.Name(name), Path: logicalcluster.Path("root:acme").Join(name)}, true
	}
	return Workspace{}, false
}

func (w *world) Secret(_ context.Context, key logicalcluster.Key) (*corev1.Secret, error) {
	if secret, ok := w.secrets.Get(key); ok {
		return secret, nil
	}
	return nil, apierrors.NewNotFound(corev1.Resource("secrets"), key.Name)
}

func (w *world) CreateSecret(_ context.Context, workspace logicalcluster.Name, secret *corev1.Secret) error {
	if w.noSecrets != nil {
		return w.noSecrets
	}
	key := logicalcluster.Key{Workspace: workspace, Namespace: secret.Namespace, Name: secret.Name}
	if _, exists := w.secrets.Get(key); exists {
		return apierrors.NewAlreadyExists(corev1.Resource("secrets"), key.Name)
	}
	stored := secret.DeepCopy()
	stored.Data = map[string][]byte{}
	for field, value := range stored.StringData {
		stored.Data[field] = []byte(value)
	}
	w.secrets.Put(workspace, stored)
	return nil
}

func (w *world) AmendBinding(_ context.Context, binding *apisv1alpha2.APIBinding, change func(*apisv1alpha2.APIBinding)) (string, error) {
	if w.meanwhile != nil {
		changed := binding.DeepCopy()
		change(changed)
		w.meanwhile(changed)
	}
	err := w.Amend(bindingsGVR, client.KeyOf(binding), binding.ResourceVersion, func(object map[string]any) error {
		return amendRaw(&unstructured.Unstructured{Object: object}, change)
	})
	if err != nil {
		return "", err
	}
	amended, _ := w.bindings.Get(client.KeyOf(binding))
	return amended.ResourceVersion, nil
}

func (w *world) Remove(_ context.Context, gvr schema.GroupVersionResource, key logicalcluster.Key, _ types.UID) error {
	return w.Delete(gvr, key)
}

func (w *world) Purge(_ context.Context, _ logicalcluster.Name, gvr schema.GroupVersionResource) (int, error) {
	return w.content[gvr], nil
}

func (w *world) reach(workspace logicalcluster.Name, resource schema.GroupResource, identity string) string {
	for _, api := range w.apis[workspace] {
		if api.GroupResource() == resource && api.Provider.Identity == identity {
			return api.Versions[0]
		}
	}
	return ""
}

func (w *world) purgeStored(_ context.Context, _ logicalcluster.Name, resource schema.GroupResource, identity string) error {
	w.purged = append(w.purged, resource.String()+" "+identity)
	return nil
}

// move pretends that the workspace has local objects of a definition.
func (w *world) move(_ context.Context, _ logicalcluster.Name, _ schema.GroupResource, _ string, back bool, limit int) (int, error) {
	if w.noMove != nil {
		return 0, w.noMove
	}
	from, to := &w.local, &w.adopted
	if back {
		from, to = to, from
	}
	n := min(limit, *from)
	*from, *to = *from-n, *to+n
	return n, nil
}

func (w *world) storesIn(workspace logicalcluster.Name, resource schema.GroupResource, identity string) string {
	for _, api := range w.apis[workspace] {
		for _, v := range api.CRD.Spec.Versions {
			if v.Storage && api.GroupResource() == resource && api.Provider.Identity == identity {
				return v.Name
			}
		}
	}
	return ""
}

func (w *world) settle() {
	w.t.Helper()
	for _, err := range w.driver.Settle(context.Background()) {
		w.t.Errorf("%v", err)
	}
}

// nativeExport is an export of compiled-in resources, or one that looks like it.
func nativeExport(name string, resources ...schema.GroupVersionResource) *apisv1alpha2.APIExport {
	export := &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, gvr := range resources {
		export.Spec.Resources = append(export.Spec.Resources, apisv1alpha2.ResourceSchema{
			Name: gvr.Resource, Group: gvr.Group, Schema: "native-" + gvr.Version + "." + resourceText(gvr.Group, gvr.Resource),
		})
	}
	return export
}

func (w *world) export() {
	w.exports.Put("compute", nativeExport("kubernetes", deployments, services))
}

func (w *world) bind(name string, reference *apisv1alpha2.ExportBindingReference) {
	w.bindings.Put("web", &apisv1alpha2.APIBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       apisv1alpha2.APIBindingSpec{Reference: apisv1alpha2.BindingReference{Export: reference}},
	})
}

func kubernetes() *apisv1alpha2.ExportBindingReference {
	return &apisv1alpha2.ExportBindingReference{Path: "root:compute", Name: "kubernetes"}
}

func (w *world) binding(name string) *apisv1alpha2.APIBinding {
	w.t.Helper()
	b, ok := w.bindings.Get(logicalcluster.Key{Workspace: "web", Name: name})
	if !ok {
		w.t.Fatalf("no binding %s", name)
	}
	return b
}

// expect compares phase, Ready and what the workspace serves.
func (w *world) expect(name string, phase apisv1alpha2.APIBindingPhaseType, reason, message string, served ...string) {
	w.t.Helper()
	b := w.binding(name)
	ready := conditionsv1alpha1.Get(b.Status.Conditions, conditionsv1alpha1.ReadyCondition)
	if b.Status.Phase != phase || ready.Reason != reason || ready.Message != message || (ready.Status == "True") != (reason == "") {
		w.t.Errorf("%s: phase %q, Ready=%s %s %q", name, b.Status.Phase, ready.Status, ready.Reason, ready.Message)
	}
	if diff := cmp.Diff(served, w.served["web"]); diff != "" {
		w.t.Errorf("served (-want +got):\n%s", diff)
	}
}

func TestBind(t *testing.T) {
	w := newWorld(t)
	w.bind("k", kubernetes())
	w.settle()
	w.expect("k", "Binding", "APIExportNotFound", `APIExport "kubernetes" not found in workspace "root:compute": delete this binding and create one that names `+
		`an existing export (workloads need "kubernetes" of "root:compute"), or create the export there`)

	w.export()
	w.settle()
	w.expect("k", "Bound", "", "", "root:compute:kubernetes")
	export, _ := w.exports.Get(logicalcluster.Key{Workspace: "compute", Name: "kubernetes"})
	if len(export.Status.IdentityHash) != 64 {
		t.Errorf("identity hash %q", export.Status.IdentityHash)
	}
	bound := w.binding("k").Status.BoundResources
	for i := range bound {
		if len(bound[i].Schema.UID) != 32 {
			t.Errorf("schema UID %q", bound[i].Schema.UID)
		}
		bound[i].Schema.UID = ""
	}
	want := []apisv1alpha2.BoundAPIResource{
		{Group: "apps", Resource: "deployments", Schema: apisv1alpha2.BoundAPIResourceSchema{Name: "native-v1.deployments.apps", IdentityHash: export.Status.IdentityHash}, StorageVersions: []string{"v1"}},
		{Resource: "services", Schema: apisv1alpha2.BoundAPIResourceSchema{Name: "native-v1.services", IdentityHash: export.Status.IdentityHash}, StorageVersions: []string{"v1"}},
	}
	if diff := cmp.Diff(want, bound); diff != "" {
		t.Errorf("bound (-want +got):\n%s", diff)
	}

	w.exports.Delete(logicalcluster.Key{Workspace: "compute", Name: "kubernetes"})
	w.settle()
	if b := w.binding("k"); b.Status.Phase != "Bound" || !conditionsv1alpha1.IsFalse(b.Status.Conditions, apisv1alpha2.APIExportValid) ||
		!conditionsv1alpha1.IsTrue(b.Status.Conditions, apisv1alpha2.InitialBindingCompleted) || len(w.served["web"]) != 1 {
		t.Errorf("after the export went: %+v", b.Status)
	}
}

func TestBindByName(t *testing.T) {
	w := newWorld(t)
	w.export()
	w.bind("k", &apisv1alpha2.ExportBindingReference{Path: "compute", Name: "kubernetes"})
	w.settle()
	w.expect("k", "Bound", "", "", "root:compute:kubernetes")
}

func TestBadReferences(t *testing.T) {
	tests := map[string]struct {
		reference       *apisv1alpha2.ExportBindingReference
		reason, message string
	}{
		"nothing": {reason: "APIExportInvalidReference", message: "spec.reference.export is missing: delete this binding and create one that names an export"},
		"no such workspace": {
			reference: &apisv1alpha2.ExportBindingReference{Path: "root:nowhere", Name: "kubernetes"}, reason: "APIExportNotFound",
			message: `APIExport "kubernetes" not found in workspace "root:nowhere": delete this binding and create one that names an existing export (workloads need "kubernetes" of "root:compute"), or create the export there`,
		},
		"no such export beside it": {
			reference: &apisv1alpha2.ExportBindingReference{Name: "acme"}, reason: "APIExportNotFound",
			message: `APIExport "acme" not found in workspace "root:acme:web": delete this binding and create one that names an existing export, or create the export there`,
		},
		"no such schema": {
			reference: &apisv1alpha2.ExportBindingReference{Path: "root:compute", Name: "widgets"}, reason: "APIResourceSchemaInvalid",
			message: `APIExport "widgets" of workspace "root:compute" cannot be bound, which its owner has to mend: APIResourceSchema "native-v1.widgets.example.io" does not exist in workspace "root:compute": create it, or name another one`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.exports.Put("compute", nativeExport("widgets", schema.GroupVersionResource{Group: "example.io", Version: "v1", Resource: "widgets"}))
			w.bind("b", test.reference)
			w.settle()
			w.expect("b", "Binding", test.reason, test.message)
		})
	}
}

func TestSecondBindingWaitsForTheFirst(t *testing.T) {
	w := newWorld(t)
	w.export()
	w.bind("first", kubernetes())
	w.settle()
	w.clock.Step(time.Minute)
	w.bind("second", kubernetes())
	w.settle()
	w.expect("second", "Binding", "NamingConflicts",
		`names are taken in this workspace: plural "deployments" in group "apps" is the plural of deployments.apps of APIBinding "first": delete one of the bindings; `+
			`plural "services" in the core group is the plural of services of APIBinding "first": delete one of the bindings`, "root:compute:kubernetes")
	w.bindings.Delete(logicalcluster.Key{Workspace: "web", Name: "first"})
	w.settle()
	w.expect("second", "Bound", "", "", "root:compute:kubernetes")
}

func TestUnbindWaitsForContent(t *testing.T) {
	w := newWorld(t)
	w.export()
	w.bind("k", kubernetes())
	w.settle()
	w.content[deployments] = 2
	w.bindings.Delete(logicalcluster.Key{Workspace: "web", Name: "k"})
	w.settle()
	c := conditionsv1alpha1.Get(w.binding("k").Status.Conditions, apisv1alpha2.BindingResourceDeleteSuccess)
	if want := "waiting until these are gone: 2 deployments.apps; objects that do not go have finalizers, such as that of a sync target that does not answer; 'kubectl get <resource> -A -o yaml' shows them"; c == nil || c.Message != want {
		t.Errorf("condition %+v", c)
	}
	if len(w.served["web"]) != 1 {
		t.Error("not served while its objects are being removed")
	}
	w.content[deployments] = 0
	w.driver.Advance(context.Background(), purgeRetry)
	if _, still := w.bindings.Get(logicalcluster.Key{Workspace: "web", Name: "k"}); still || len(w.served["web"]) != 0 {
		t.Errorf("still there, serving %v", w.served["web"])
	}
}

func TestIdentity(t *testing.T) {
	key := logicalcluster.Key{Workspace: "compute", Name: "kubernetes"}
	secretKey := logicalcluster.Key{Workspace: "compute", Namespace: "kcp-system", Name: "kubernetes"}
	w := newWorld(t)
	w.export()
	w.settle()
	valid := func() conditionsv1alpha1.Condition {
		export, _ := w.exports.Get(key)
		return *conditionsv1alpha1.Get(export.Status.Conditions, apisv1alpha2.APIExportIdentityValid)
	}
	if c := valid(); c.Status != "True" {
		t.Errorf("at first: %+v", c)
	}
	before, _ := w.exports.Get(key)
	secret, _ := w.secrets.Get(secretKey)
	const restore = `: restore it, with its old field "key"; what has this identity goes on, but cannot be made again without it`
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"changed", func() { w.secrets.Edit(secretKey, func(s *corev1.Secret) { s.Data["key"] = []byte("changed") }) }, "False IdentityVerificationFailed identity cannot be used: secret kcp-system/kubernetes was changed" + restore},
		{"restored", func() { w.secrets.Put("compute", secret) }, "True"},
		{"emptied", func() { w.secrets.Edit(secretKey, func(s *corev1.Secret) { s.Data = nil }) }, `False IdentityVerificationFailed identity cannot be used: secret kcp-system/kubernetes has no field "key"` + restore},
		{"deleted", func() { w.secrets.Delete(secretKey) }, "False IdentityVerificationFailed identity cannot be used: secret kcp-system/kubernetes is missing" + restore},
		{"made again", func() { w.secrets.Put("compute", secret) }, "True"},
	} {
		step.do()
		w.settle()
		after, _ := w.exports.Get(key)
		c := valid()
		if got := strings.TrimSpace(string(c.Status) + " " + c.Reason + " " + c.Message); got != step.want || after.Status.IdentityHash != before.Status.IdentityHash {
			t.Errorf("after the secret was %s: %s", step.name, got)
		}
	}
}

// A secret that an export names before there is one can be made later.
func TestIdentityOfOnesOwn(t *testing.T) {
	w := newWorld(t)
	export := nativeExport("own")
	export.Spec.Identity = &apisv1alpha2.Identity{SecretRef: &corev1.SecretReference{Namespace: "default", Name: "mine"}}
	w.exports.Put("compute", export)
	w.settle()
	own := logicalcluster.Key{Workspace: "compute", Name: "own"}
	missing, _ := w.exports.Get(own)
	if c := conditionsv1alpha1.Get(missing.Status.Conditions, apisv1alpha2.APIExportIdentityValid); c == nil ||
		c.Message != `identity cannot be used: secret default/mine is missing: create it with a field "key", or remove spec.identity to get a new one` {
		t.Errorf("without the secret: %+v", c)
	}
	w.secrets.Put("compute", &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "mine"}, Data: map[string][]byte{"key": []byte("x")}})
	w.settle()
	if found, _ := w.exports.Get(own); len(found.Status.IdentityHash) != 64 {
		t.Errorf("with the secret: %+v", found.Status)
	}
}
