package bootstrap

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
)

func TestEnsure(t *testing.T) {
	var (
		found    error
		notFound = apierrors.NewNotFound(schema.GroupResource{}, "x")
		exists   = apierrors.NewAlreadyExists(schema.GroupResource{}, "x")
		broken   = errors.New("broken")
	)
	for name, tc := range map[string]struct {
		get, create, want error
		creates           bool
	}{
		"there":               {get: found},
		"missing":             {get: notFound, creates: true},
		"missing, then there": {get: notFound, create: exists, creates: true},
		"can not look":        {get: broken, want: broken},
		"can not create":      {get: notFound, create: broken, creates: true, want: broken},
	} {
		t.Run(name, func(t *testing.T) {
			created := false
			err := ensure("x", func() error { return tc.get }, func() error { created = true; return tc.create })
			if !errors.Is(err, tc.want) || created != tc.creates {
				t.Errorf("error %v, created %v", err, created)
			}
		})
	}
}

func TestComputeExport(t *testing.T) {
	export := computeExport([]schema.GroupVersionResource{
		{Group: "apps", Version: "v1", Resource: "deployments"},
		{Version: "v1", Resource: "pods"},
	})
	var got []string
	for _, resource := range export.Spec.Resources {
		got = append(got, resource.Schema)
	}
	if diff := cmp.Diff([]string{"native-v1.deployments.apps", "native-v1.pods.core"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if export.Annotations["extra.apis.kcp.io/compute.workload.kcp.io"] != "true" || export.Annotations["kcp.io/path"] != "root:compute" {
		t.Errorf("annotations %v", export.Annotations)
	}
}

// TestSystemExports holds what prepare believes: that the exports which need no
// binding exist.
func TestSystemExports(t *testing.T) {
	var got []string
	for _, export := range systemExports() {
		got = append(got, export.Name)
	}
	if diff := cmp.Diff(prepare.ExportsServedEverywhere(), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestGrants makes sure that what everybody gets in root stays small: nothing
// is granted by a star, and nothing can be written but one's own home.
func TestGrants(t *testing.T) {
	harmless := map[string]bool{"get": true, "list": true, "watch": true, "use": true, "bind": true, "access": true}
	for _, g := range append(rootGrants(), computeGrants()...) {
		if g.clusterRoleBinding().RoleRef.Name != g.clusterRole().Name {
			t.Errorf("%s binds another role", g.binding)
		}
		for _, rule := range g.rules {
			for _, verb := range rule.Verbs {
				if own := has(rule.ResourceNames, "~") && len(rule.ResourceNames) == 1; !harmless[verb] && !own {
					t.Errorf("%s grants %q", g.role, verb)
				}
			}
			if has(rule.Resources, rbacv1.ResourceAll) || has(rule.APIGroups, rbacv1.APIGroupAll) || has(rule.NonResourceURLs, rbacv1.NonResourceAll) {
				t.Errorf("%s grants everything: %v", g.role, rule)
			}
		}
	}
}

func has(values []string, value string) bool {
	for _, v := range values {
		if v == value {
			return true
		}
	}
	return false
}

func TestWatchReady(t *testing.T) {
	workspace := func(phase corev1alpha1.LogicalClusterPhaseType) *tenancyv1alpha1.Workspace {
		return &tenancyv1alpha1.Workspace{Status: tenancyv1alpha1.WorkspaceStatus{Phase: phase}}
	}
	for name, tc := range map[string]struct {
		events func(*watch.FakeWatcher)
		want   bool
	}{
		"becomes ready": {func(w *watch.FakeWatcher) {
			w.Modify(workspace(corev1alpha1.LogicalClusterPhaseInitializing))
			w.Modify(workspace(corev1alpha1.LogicalClusterPhaseReady))
		}, true},
		"the watch ends": {func(w *watch.FakeWatcher) { w.Stop() }, false},
		"the watch breaks": {func(w *watch.FakeWatcher) {
			w.Error(&apierrors.NewResourceExpired("too old").ErrStatus)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := watch.NewFakeWithOptions(watch.FakeOptions{ChannelSize: 10})
			tc.events(w)
			got, err := watchReady(context.Background(), w)
			if got != tc.want || err != nil {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := watchReady(ended, watch.NewFake()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
