package workspaces

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend"

	"github.com/atriumhub/atrium/pkg/etcd"
	"github.com/atriumhub/atrium/pkg/ledger"
	"github.com/atriumhub/atrium/pkg/partition"
	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
)

// optionsGetter stores every resource under its name, in one etcd.
type optionsGetter struct{ config *storagebackend.Config }

func (g optionsGetter) GetRESTOptions(resource schema.GroupResource, _ runtime.Object) (generic.RESTOptions, error) {
	return generic.RESTOptions{StorageConfig: g.config.ForResource(resource), ResourcePrefix: "/" + resource.Group + "/" + resource.Resource}, nil
}

// openClerk returns a clerk over an etcd of its own, and where it stores.
func openClerk(t *testing.T) (*storageClerk, *partition.Getter) {
	t.Helper()
	server, err := etcd.Start(t.Context(), etcd.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	config := storagebackend.NewDefaultConfig("/registry", unstructured.UnstructuredJSONScheme)
	config.Transport.ServerList = server.Endpoints()
	natives := partition.New(optionsGetter{config}, partition.Config{})
	clerk, err := newStorageClerk(natives, natives.Sibling(optionsGetter{config}, partition.Config{Segment: "customresources"}))
	if err != nil {
		t.Fatal(err)
	}
	return clerk, natives
}

func ignore(*tenancyv1alpha1.Workspace) {}

// storeWorkspace stores a Workspace the way the API would.
func storeWorkspace(t *testing.T, c *storageClerk, deleted bool, finalizers ...string) {
	t.Helper()
	raw := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace",
		"metadata": map[string]any{
			"name": "org", "uid": "u1",
			"managedFields": []any{map[string]any{"manager": "kubectl", "operation": "Apply"}},
		},
		"spec":   map[string]any{"cluster": "o1", "later": "a field this hub does not know"},
		"status": map[string]any{"phase": "Scheduling"},
	}}
	raw.SetFinalizers(finalizers)
	if deleted {
		now := metav1.Now()
		raw.SetDeletionTimestamp(&now)
	}
	if err := c.workspaces.Create(ledger.Within(t.Context(), "root"), partition.ObjectKey(c.workspaces, "", "org"), raw, nil, 0); err != nil {
		t.Fatal(err)
	}
}

func TestClerkKeepsWhatItDoesNotChange(t *testing.T) {
	c, _ := openClerk(t)
	storeWorkspace(t, c, false)
	err := c.AmendWorkspace(t.Context(), "root", "org", "u1", func(w *tenancyv1alpha1.Workspace) error {
		w.Status.Phase = corev1alpha1.LogicalClusterPhaseReady
		label(w)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	raw := &unstructured.Unstructured{}
	if err := c.workspaces.Get(ledger.Within(t.Context(), "root"), partition.ObjectKey(c.workspaces, "", "org"), storage.GetOptions{}, raw); err != nil {
		t.Fatal(err)
	}
	if len(raw.GetManagedFields()) != 1 {
		t.Error("who manages which field is lost")
	}
	want := map[string]any{"cluster": "o1", "later": "a field this hub does not know"}
	if diff := cmp.Diff(want, raw.Object["spec"]); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	if raw.GetLabels()[tenancyv1alpha1.PhaseLabel] != "Ready" {
		t.Errorf("labels %v", raw.GetLabels())
	}
}

func TestClerkErrors(t *testing.T) {
	c, _ := openClerk(t)
	storeWorkspace(t, c, false)
	nothing := func(*tenancyv1alpha1.Workspace) error { return nil }
	for name, tc := range map[string]struct {
		do   func(context.Context) error
		want func(error) bool
	}{
		"another Workspace of the name": {func(ctx context.Context) error { return c.AmendWorkspace(ctx, "root", "org", "u2", nothing) }, apierrors.IsConflict},
		"no such Workspace":             {func(ctx context.Context) error { return c.AmendWorkspace(ctx, "root", "nobody", "u1", nothing) }, apierrors.IsNotFound},
		"in another workspace":          {func(ctx context.Context) error { return c.AmendWorkspace(ctx, "o1", "org", "u1", nothing) }, apierrors.IsNotFound},
		"release of another one":        {func(ctx context.Context) error { return c.ReleaseWorkspace(ctx, "root", "org", "u2", ignore) }, apierrors.IsConflict},
		"release of none":               {func(ctx context.Context) error { return c.ReleaseWorkspace(ctx, "root", "nobody", "u1", ignore) }, apierrors.IsNotFound},
		"reading none":                  {func(ctx context.Context) error { _, err := c.GetWorkspace(ctx, "root", "nobody"); return err }, apierrors.IsNotFound},
		"no LogicalCluster":             {func(ctx context.Context) error { return c.AmendCluster(ctx, "o1", nil) }, apierrors.IsNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			if err := tc.do(t.Context()); !tc.want(err) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestCreateMissing stores what is not there, and says what is.
func TestCreateMissing(t *testing.T) {
	c, natives := openClerk(t)
	namespace := item{namespacesGVR, prepare.NewNamespace("default")}
	for _, step := range []struct {
		items    []item
		existing []string
	}{
		{[]item{namespace}, nil},
		{[]item{{namespacesGVR, prepare.NewNamespace("default")}, {serviceAccountsGVR, prepare.NewServiceAccount("default")}}, []string{"namespaces"}},
		{[]item{{namespacesGVR, prepare.NewNamespace("default")}, {serviceAccountsGVR, prepare.NewServiceAccount("default")}}, []string{"namespaces", "serviceaccounts"}},
	} {
		existing, err := c.CreateMissing(t.Context(), "o1", step.items...)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, it := range existing {
			names = append(names, it.gvr.Resource)
		}
		if diff := cmp.Diff(step.existing, names); diff != "" {
			t.Errorf("existing (-want +got):\n%s", diff)
		}
	}
	stored := &corev1.Namespace{}
	if err := c.created[namespacesGVR].Get(ledger.Within(t.Context(), "o1"), partition.ObjectKey(c.created[namespacesGVR], "", "default"), storage.GetOptions{}, stored); err != nil {
		t.Fatal(err)
	}
	if stored.UID != namespace.GetUID() || stored.CreationTimestamp.IsZero() {
		t.Errorf("stored is %+v, want the first one", stored.ObjectMeta)
	}
	if counts, err := natives.Counts(t.Context(), "o1"); err != nil || counts[serviceAccountsGVR.GroupResource()] != 1 {
		t.Errorf("stored %v, error %v", counts, err)
	}
	_, err := c.CreateMissing(t.Context(), "o1", item{workspacesGVR, &tenancyv1alpha1.Workspace{}})
	if err == nil {
		t.Error("created what there is no storage for")
	}
}

func TestRelease(t *testing.T) {
	const ours, theirs = corev1alpha1.LogicalClusterFinalizer, "example.io/theirs"
	for name, tc := range map[string]struct {
		deleted    bool
		finalizers []string
		gone       bool
		left       []string
	}{
		"the last finalizer":     {true, []string{ours}, true, nil},
		"others hold it too":     {true, []string{theirs, ours}, false, []string{theirs}},
		"released already":       {true, []string{theirs}, false, []string{theirs}},
		"nobody asked to delete": {false, []string{ours}, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := openClerk(t)
			storeWorkspace(t, c, tc.deleted, tc.finalizers...)
			if err := c.ReleaseWorkspace(t.Context(), "root", "org", "u1", ignore); err != nil {
				t.Fatal(err)
			}
			workspace, err := c.GetWorkspace(t.Context(), "root", "org")
			if tc.gone {
				if !apierrors.IsNotFound(err) {
					t.Fatalf("still there: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(workspace.Finalizers, tc.left) {
				t.Errorf("finalizers %v, want %v", workspace.Finalizers, tc.left)
			}
		})
	}
}

// TestFurnishAndPurge stores what a workspace begins with and takes it away,
// with the real storage on both sides.
func TestFurnishAndPurge(t *testing.T) {
	c, natives := openClerk(t)
	w := newWorld()
	must(t, w.create("root", "org", "o1", "", "ann"))
	w.deliver()
	type worldWithStorage struct {
		clerk
		remover
	}
	w.life.door = worldWithStorage{c, w}
	key := w.workspaceOf("o1")
	workspace, _ := w.seenWorkspace(key)
	for range 2 { // the second time everything is there
		if err := w.life.furnish(t.Context(), key, workspace); err != nil {
			t.Fatal(err)
		}
	}
	counts, err := natives.Counts(t.Context(), "o1")
	if err != nil {
		t.Fatal(err)
	}
	want := map[schema.GroupResource]int64{
		namespacesGVR.GroupResource(): 2, serviceAccountsGVR.GroupResource(): 2, configMapsGVR.GroupResource(): 2,
		bindingsGVR.GroupResource(): 1, logicalClustersGVR.GroupResource(): 1,
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	sweeper := sweeper{door: w, content: natives, resources: w.resources}
	if left, err := sweeper.sweep(t.Context(), "o1", nil); err != nil || !left.empty() {
		t.Fatalf("left %v, error %v", left, err)
	}
	if counts, err = natives.Counts(t.Context(), "o1"); err != nil || len(counts) != 0 {
		t.Errorf("after the sweep: %v, error %v", counts, err)
	}
}
