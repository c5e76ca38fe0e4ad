package server

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// inside is the LogicalCluster of the workspace at path.
const inside = "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"

// patchInside changes a LogicalCluster by a merge patch.
func patchInside(ctx context.Context, hub *client.Hub, path logicalcluster.Path, subresource, patch string) error {
	return hub.REST().Patch(types.MergePatchType).AbsPath(path.RequestPath() + inside + subresource).Body([]byte(patch)).Do(ctx).Error()
}

func getInside(ctx context.Context, hub *client.Hub, path logicalcluster.Path) (*corev1alpha1.LogicalCluster, error) {
	raw, err := hub.REST().Get().AbsPath(path.RequestPath() + inside).DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	cluster := &corev1alpha1.LogicalCluster{}
	return cluster, json.Unmarshal(raw, cluster)
}

// limit bounds what a test waits for.
func limit(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// awaitPhase waits until a Workspace of root says phase, and returns it.
func awaitPhase(t *testing.T, name string, phase corev1alpha1.LogicalClusterPhaseType) *tenancyv1alpha1.Workspace {
	t.Helper()
	var found *tenancyv1alpha1.Workspace
	await(limit(t), t, name+" is "+string(phase), func() error {
		workspace, err := client.Workspaces(as(t, "base"), "root").Get(t.Context(), name, metav1.GetOptions{})
		if err == nil && workspace.Status.Phase != phase {
			err = apierrors.NewConflict(tenancyv1alpha1.Resource("workspaces"), name, errPhase(workspace.Status.Phase))
		}
		found = workspace
		return err
	})
	return found
}

type errPhase string

func (e errPhase) Error() string { return "phase " + string(e) }

// awaitGone waits until a Workspace of root is gone.
func awaitGone(t *testing.T, name string) {
	t.Helper()
	await(limit(t), t, name+" is gone", func() error {
		_, err := client.Workspaces(as(t, "base"), "root").Get(t.Context(), name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errPhase("still there")
	})
}

// TestInactive puts a workspace to rest and wakes it as its administrator would.
func TestInactive(t *testing.T) {
	path, workspace := newWorkspace(t)
	alice, admin := withToken(t, "alice-token"), as(t, "base")
	watching, err := alice.Kubernetes(path).CoreV1().ConfigMaps("").Watch(limit(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watching.Stop()
	rest := `{"metadata":{"annotations":{"core.kcp.io/inactive":"true"}}}`
	if err := patchInside(limit(t), withToken(t, "bob-token"), path, "", rest); !apierrors.IsForbidden(err) {
		t.Errorf("a stranger puts it to rest: %v", err)
	}
	if err := patchInside(limit(t), alice, path, "", rest); err != nil {
		t.Fatal(err)
	}
	awaitPhase(t, workspace.Name, corev1alpha1.LogicalClusterPhaseInactive)
	_, err = alice.Kubernetes(path).CoreV1().ConfigMaps("default").List(limit(t), metav1.ListOptions{})
	if !apierrors.IsServiceUnavailable(err) || !strings.Contains(err.Error(), "core.kcp.io/inactive-") {
		t.Errorf("asking an inactive workspace: %v", err)
	}
	_, err = withToken(t, "bob-token").Kubernetes(path).CoreV1().ConfigMaps("default").List(limit(t), metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("a stranger learns that it sleeps: %v", err)
	}
	ended(t, watching.ResultChan())
	// What kubectl does to annotate: discovery, get, patch.
	if _, err := alice.REST().Get().AbsPath(path.RequestPath() + "/apis/core.kcp.io/v1alpha1").DoRaw(limit(t)); err != nil {
		t.Errorf("discovery: %v", err)
	}
	if cluster, err := getInside(limit(t), alice, path); err != nil || cluster.Labels[tenancyv1alpha1.PhaseLabel] != "Inactive" {
		t.Errorf("reading the LogicalCluster: %v, %+v", err, cluster)
	}
	if err := patchInside(limit(t), alice, path, "", `{"metadata":{"annotations":{"core.kcp.io/inactive":null}}}`); err != nil {
		t.Fatal(err)
	}
	awaitPhase(t, workspace.Name, corev1alpha1.LogicalClusterPhaseReady)
	await(limit(t), t, "alice may work again", func() error {
		_, err := alice.Kubernetes(path).CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{})
		return err
	})
	// The hub itself is never kept out.
	if _, err := admin.Kubernetes(path).CoreV1().ConfigMaps("default").List(limit(t), metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
}

// ended waits until a channel is closed.
func ended[T any](t *testing.T, events <-chan T) []T {
	t.Helper()
	ctx := limit(t)
	var seen []T
	for {
		select {
		case event, open := <-events:
			if !open {
				return seen
			}
			seen = append(seen, event)
		case <-ctx.Done():
			t.Fatalf("a watch does not end; it saw %v", seen)
		}
	}
}

// TestDirectlyDeletable deletes a workspace from the inside.
func TestDirectlyDeletable(t *testing.T) {
	path, workspace := newWorkspace(t)
	alice := withToken(t, "alice-token")
	remove := func() error { return alice.REST().Delete().AbsPath(path.RequestPath() + inside).Do(limit(t)).Error() }
	all := func() error {
		return alice.REST().Delete().AbsPath(path.RequestPath() + strings.TrimSuffix(inside, "/cluster")).Do(limit(t)).Error()
	}
	if err := remove(); !apierrors.IsForbidden(err) {
		t.Errorf("deleting one that does not allow it: %v", err)
	}
	if err := all(); !apierrors.IsForbidden(err) {
		t.Errorf("deleting all of them: %v", err)
	}
	if err := patchInside(limit(t), alice, path, "", `{"spec":{"directlyDeletable":true}}`); !apierrors.IsForbidden(err) {
		t.Errorf("allowing it oneself: %v", err)
	}
	if err := patchInside(limit(t), as(t, "system:admin"), path, "", `{"spec":{"directlyDeletable":true}}`); err != nil {
		t.Fatal(err)
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, workspace.Name)
}
