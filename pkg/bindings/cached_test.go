package bindings

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/replication"
	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	cachev1alpha1 "github.com/atriumhub/atrium/sdk/apis/cache/v1alpha1"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var flavors = schema.GroupResource{Group: "cloud.example.io", Resource: "flavors"}

// lookup finds flavors in workspace compute, as its catalog would.
func (w *world) lookup(workspace logicalcluster.Name, gr schema.GroupResource) (*schemas.API, bool) {
	if workspace != "compute" || gr != flavors {
		return nil, false
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	crd.Spec.Scope = apiextensionsv1.ClusterScoped
	return &schemas.API{Group: gr.Group, Resource: gr.Resource, Versions: []string{"v1"}, Origin: schemas.Local, CRD: crd}, true
}

func (w *world) count(context.Context, replication.Window) (shown, all int, err error) {
	return w.shown, w.shown + 1, nil
}

func (w *world) publish(resource schema.GroupResource) {
	published := &cachev1alpha1.ClusterCachedResource{ObjectMeta: metav1.ObjectMeta{Name: "flavors"}}
	published.Spec.Group, published.Spec.Version, published.Spec.Resource = resource.Group, "v1", resource.Resource
	w.cached.Put("compute", published)
	slice := &cachev1alpha1.ClusterCachedResourceEndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: "shown"}}
	slice.Spec.ClusterCachedResource.Name, slice.Spec.APIExport.Name = "flavors", "cloud"
	w.cachedSlices.Put("compute", slice)
}

func (w *world) published(t *testing.T) *cachev1alpha1.ClusterCachedResource {
	t.Helper()
	found, ok := w.cached.Get(logicalcluster.Key{Workspace: "compute", Name: "flavors"})
	if !ok {
		t.Fatal("the ClusterCachedResource is gone")
	}
	return found
}

// offerCached makes workspace compute export flavors of the slice "shown".
func (w *world) offerCached(identity string) {
	schema := schemaOf("v1", "flavors", "cloud.example.io", "v1")
	schema.Spec.Scope = apiextensionsv1.ClusterScoped
	w.offer("cloud", schema)
	group := cachev1alpha1.GroupName
	w.exports.Edit(logicalcluster.Key{Workspace: "compute", Name: "cloud"}, func(e *apisv1alpha2.APIExport) {
		virtual := &apisv1alpha2.ResourceSchemaStorageVirtual{IdentityHash: identity}
		virtual.Reference.APIGroup, virtual.Reference.Kind, virtual.Reference.Name = &group, "ClusterCachedResourceEndpointSlice", "shown"
		e.Spec.Resources[0].Storage = apisv1alpha2.ResourceSchemaStorage{Virtual: virtual}
	})
}

func summary(conditions conditionsv1alpha1.Conditions) []string {
	var out []string
	for _, c := range conditions {
		out = append(out, strings.TrimSpace(string(c.Type)+" "+string(c.Status)+" "+c.Reason))
	}
	return out
}

// A provider publishes and offers; one who binds reads at the provider's, under
// the identity that was bound.
func TestPublishedObjects(t *testing.T) {
	w := newWorld(t)
	w.shown = 2
	w.publish(flavors)
	w.settle()
	published := w.published(t)
	if published.Status.Phase != cachev1alpha1.ClusterCachedResourcePhaseReady || len(published.Status.IdentityHash) != 64 {
		t.Fatalf("status %+v, want Ready and an identity", published.Status)
	}
	if diff := cmp.Diff(&cachev1alpha1.ResourceCount{Cache: 2, Local: 3}, published.Status.ResourceCounts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	w.shown = 3 // nobody tells of that
	w.driver.Advance(t.Context(), 15*time.Second)
	if got := w.published(t).Status.ResourceCounts; got.Cache != 3 {
		t.Errorf("counts %+v, want what has been made since", got)
	}
	w.offerCached(published.Status.IdentityHash)
	w.bindTo("b", "cloud")
	w.settle()
	binding, _ := w.bindings.Get(logicalcluster.Key{Workspace: "web", Name: "b"})
	want := &apisv1alpha2.BoundVirtualResource{Slice: "shown", IdentityHash: published.Status.IdentityHash}
	if len(binding.Status.BoundResources) != 1 || !cmp.Equal(binding.Status.BoundResources[0].Virtual, want) {
		t.Fatalf("bound %+v, want the slice", binding.Status.BoundResources)
	}
	apis := w.apis["web"]
	if len(apis) != 1 || !apis[0].Virtual() || apis[0].Provider.Virtual.Identity != want.IdentityHash {
		t.Errorf("served %+v, want what is read through the slice", apis)
	}
	slice, _ := w.cachedSlices.Get(logicalcluster.Key{Workspace: "compute", Name: "shown"})
	if diff := cmp.Diff([]corev1alpha1.Endpoint{{URL: "https://hub.example.io:6443/services/replication/compute/shown"}}, slice.Status.ClusterCachedResourceEndpoints); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"APIExportValid True", "EndpointURLsReady True", "PartitionValid True"}, summary(slice.Status.Conditions)); diff != "" {
		t.Errorf("conditions of the slice (-want +got):\n%s", diff)
	}
}

// Nothing of the provider's is deleted when somebody unbinds.
func TestUnbindLeavesPublishedObjects(t *testing.T) {
	w := newWorld(t)
	w.publish(flavors)
	w.offerCached("0000")
	w.bindTo("b", "cloud")
	w.settle()
	w.content[flavors.WithVersion("v1")] = 1 // would be waited for, if it were asked to go
	key := logicalcluster.Key{Workspace: "web", Name: "b"}
	w.bindings.Delete(key)
	w.settle()
	if binding, still := w.bindings.Get(key); still {
		t.Errorf("the binding stays: %+v", binding.Status.Conditions)
	}
}

func TestPublishingWhatIsNotThere(t *testing.T) {
	w := newWorld(t)
	w.publish(schema.GroupResource{Resource: "secrets"})
	w.settle()
	published := w.published(t)
	want := []string{"IdentityValid True", "ReplicationStarted False NoResources", "ResourceValid False NoResources"}
	if diff := cmp.Diff(want, summary(published.Status.Conditions)); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
	if published.Status.Phase != cachev1alpha1.ClusterCachedResourcePhaseInitializing {
		t.Errorf("phase %s", published.Status.Phase)
	}
	slice, _ := w.cachedSlices.Get(logicalcluster.Key{Workspace: "compute", Name: "shown"})
	if got := summary(slice.Status.Conditions); len(got) == 0 || got[0] != "APIExportValid False APIExportInvalidReference" {
		t.Errorf("conditions of the slice %v, want that nobody exports it", got)
	}
}

// Where an export says wrongly from where its objects are read, its owner sees that
// wherever he looks, and those who bind it are not the first to find out.
func TestTheExportHasAnotherIdentity(t *testing.T) {
	w := newWorld(t)
	w.publish(flavors)
	w.offerCached("0000")
	w.settle()
	cloud, shown := logicalcluster.Key{Workspace: "compute", Name: "cloud"}, logicalcluster.Key{Workspace: "compute", Name: "shown"}
	identity := w.published(t).Status.IdentityHash
	wrong := `flavors.cloud.example.io: ClusterCachedResource "flavors" has another identity than the APIExport says: write its status.identityHash to storage.virtual.identityHash there`
	gone := `flavors.cloud.example.io: ClusterCachedResourceEndpointSlice "shown" is not there any more`
	for _, step := range []struct {
		name             string
		do               func()
		storage, offered string
	}{
		{"wrong", func() {}, "False StorageInvalid " + wrong,
			`False APIExportInvalidReference APIExport "cloud" has another storage.virtual.identityHash for flavors.cloud.example.io than ClusterCachedResource "flavors": write ` + identity + " there"},
		{"mended", func() { w.offerCached(identity) }, "True", "True"},
		{"the slice is gone", func() { w.cachedSlices.Delete(shown) }, "False StorageInvalid " + gone, "none"},
		{"nothing is offered", func() { w.exports.Edit(cloud, func(e *apisv1alpha2.APIExport) { e.Spec.Resources = nil }) }, "none", "none"},
	} {
		step.do()
		w.settle()
		export, _ := w.exports.Get(cloud)
		w.clock.Step(time.Minute)
		w.keeper.exports.Enqueue(cloud)
		w.settle()
		if again, _ := w.exports.Get(cloud); again.ResourceVersion != export.ResourceVersion {
			t.Errorf("%s: what was said is said again", step.name)
		}
		if got := said(export.Status.Conditions, publicationv1alpha1.ExportStorageValid); got != step.storage {
			t.Errorf("%s: the export says %s", step.name, got)
		}
		offered := "none"
		if slice, found := w.cachedSlices.Get(shown); found {
			offered = said(slice.Status.Conditions, cachev1alpha1.APIExportValid)
		}
		if offered != step.offered {
			t.Errorf("%s: the slice of what is published says %s", step.name, offered)
		}
		endpoints, _ := w.endpoints.Get(cloud)
		if valid := conditionsv1alpha1.IsTrue(endpoints.Status.Conditions, apisv1alpha2.APIExportValid); valid == strings.HasPrefix(step.storage, "False") || len(endpoints.Status.APIExportEndpoints) != 1 {
			t.Errorf("%s: the endpoint slice says %s and has %v", step.name, said(endpoints.Status.Conditions, apisv1alpha2.APIExportValid), endpoints.Status.APIExportEndpoints)
		}
	}
}

func said(conditions conditionsv1alpha1.Conditions, kind conditionsv1alpha1.ConditionType) string {
	c := conditionsv1alpha1.Get(conditions, kind)
	if c == nil {
		return "none"
	}
	return strings.TrimSpace(string(c.Status) + " " + c.Reason + " " + c.Message)
}
