package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
	"github.com/atriumhub/atrium/test/harness"
)

// cluster is a child cluster and a connection to it as its administrator.
type cluster struct {
	*harness.Child
	client kubernetes.Interface
}

func startCluster(ctx context.Context, name, program string) (*cluster, error) {
	child, err := world.StartChildOf(ctx, name, program)
	if err != nil {
		return nil, err
	}
	admin, err := child.Client()
	return &cluster{child, admin}, err
}

// server is the address of the child's API server.
func (c *cluster) server(t *testing.T) string {
	t.Helper()
	return must(clientcmd.BuildConfigFromFlags("", c.Kubeconfig))(t).Host
}

func (c *cluster) deployments() harness.Collection[*appsv1.DeploymentList] {
	return c.client.AppsV1().Deployments("")
}

// register registers a child once more, as a sync target of the test's own that
// is selected by region=<name>. No agent is started.
func (h *hub) register(t *testing.T, name string) *harness.Target {
	t.Helper()
	return must(world.Register(limit(t), h.Hub, compute, name, "region="+name))(t)
}

// agent starts the agent of a target, until the test ends.
func agent(t *testing.T, target *harness.Target, childKubeconfig string, args ...string) *harness.Syncer {
	t.Helper()
	started := must(world.LaunchSyncer(target, childKubeconfig, args...))(t)
	t.Cleanup(func() {
		if err := started.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := started.AwaitWork(limit(t)); err != nil {
		t.Fatal(err)
	}
	return started
}

// place makes a workspace run its namespaces labelled region=<region> on the
// cluster of that region.
func (h *hub) place(t *testing.T, workspace logicalcluster.Path, region string) {
	t.Helper()
	h.bindCompute(t, workspace)
	h.placement(t, workspace, region)
	await(t, client.Placements(h.admin, workspace), only(region, placed))
}

func (h *hub) bindCompute(t *testing.T, workspace logicalcluster.Path) {
	t.Helper()
	bindings := client.APIBindings(h.admin, workspace)
	binding := &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: "kubernetes"}}
	binding.Spec.Reference.Export = &apisv1alpha2.ExportBindingReference{Path: compute.String(), Name: "kubernetes"}
	if _, err := bindings.Create(limit(t), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, bindings, only("kubernetes", func(b *apisv1alpha2.APIBinding) string {
		if b.Status.Phase == apisv1alpha2.APIBindingPhaseBound {
			return ""
		}
		return fmt.Sprintf("the binding is in phase %q", b.Status.Phase)
	}))
}

// placement makes a Placement of the name of the region and does not wait.
func (h *hub) placement(t *testing.T, workspace logicalcluster.Path, region string) {
	t.Helper()
	wanted := &schedulingv1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Name: region}}
	wanted.Spec.LocationWorkspace = compute.String()
	wanted.Spec.LocationResource = schedulingv1alpha1.SyncTargetResource
	wanted.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"region": region}}
	wanted.Spec.LocationSelectors = []metav1.LabelSelector{{MatchLabels: map[string]string{"region": region}}}
	if _, err := client.Placements(h.admin, workspace).Create(limit(t), wanted, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func placed(p *schedulingv1alpha1.Placement) string {
	if conditionsv1alpha1.IsTrue(p.Status.Conditions, schedulingv1alpha1.PlacementScheduled) {
		return ""
	}
	return "the placement is not scheduled"
}

// send labels the default namespace of a workspace, so that it goes to a region.
func (h *hub) send(t *testing.T, workspace logicalcluster.Path, region string) {
	t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"labels":{"region":%q}}}`, region)
	if _, err := h.in(workspace).CoreV1().Namespaces().Patch(limit(t), "default", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// deployment is one of pods that never have anything to do.
func deployment(name string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "main:1"}}},
			},
		},
	}
}

// deploy creates deployments in the default namespace.
func (h *hub) deploy(t *testing.T, workspace logicalcluster.Path, wanted ...*appsv1.Deployment) {
	t.Helper()
	for _, d := range wanted {
		if _, err := h.in(workspace).AppsV1().Deployments("default").Create(limit(t), d, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// undeploy deletes deployments and does not wait until they are gone.
func (h *hub) undeploy(t *testing.T, workspace logicalcluster.Path, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := h.in(workspace).AppsV1().Deployments("default").Delete(limit(t), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func (h *hub) scale(t *testing.T, workspace logicalcluster.Path, name string, replicas int) {
	t.Helper()
	patch := fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas)
	if _, err := h.in(workspace).AppsV1().Deployments("default").Patch(limit(t), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// awaitAvailable waits until the hub shows so many replicas as available.
func (h *hub) awaitAvailable(t *testing.T, workspace logicalcluster.Path, name string, replicas int32) {
	t.Helper()
	await(t, h.in(workspace).AppsV1().Deployments("default"), only(name, func(d *appsv1.Deployment) string { return available(d, replicas) }))
}

func available(d *appsv1.Deployment, replicas int32) string {
	if d.Status.ObservedGeneration < d.Generation || d.Status.AvailableReplicas != replicas || d.Status.Replicas != replicas {
		return fmt.Sprintf("%s has %d of %d replicas available", d.Name, d.Status.AvailableReplicas, replicas)
	}
	return ""
}

// one returns the only copy of a deployment in a child, once it is there.
func (c *cluster) one(t *testing.T, name string) *appsv1.Deployment {
	t.Helper()
	var copied *appsv1.Deployment
	await(t, c.deployments(), func(found []*appsv1.Deployment) string {
		copies := named(found, name)
		if len(copies) != 1 {
			return fmt.Sprintf("there are %d copies of %s", len(copies), name)
		}
		copied = copies[0]
		return ""
	})
	return copied
}

// awaitReplicas waits until there is one copy of a deployment, with so many
// replicas available.
func (c *cluster) awaitReplicas(t *testing.T, name string, replicas int32) {
	t.Helper()
	await(t, c.deployments(), func(found []*appsv1.Deployment) string {
		copies := named(found, name)
		if len(copies) != 1 {
			return fmt.Sprintf("there are %d copies of %s", len(copies), name)
		}
		return available(copies[0], replicas)
	})
}

// awaitNone waits until a child has no copy of a deployment, nor its pods.
func (c *cluster) awaitNone(t *testing.T, name string) {
	t.Helper()
	await(t, c.deployments(), gone[*appsv1.Deployment](name))
	await(t, c.client.CoreV1().Pods(""), func(found []*corev1.Pod) string {
		for _, pod := range found {
			if pod.Labels["app"] == name {
				return "pod " + pod.Name + " is still there"
			}
		}
		return ""
	})
}

// awaitNoNamespace waits until a child has no namespace of a workspace.
func (c *cluster) awaitNoNamespace(t *testing.T, workspace logicalcluster.Name) {
	t.Helper()
	await(t, c.client.CoreV1().Namespaces(), func(found []*corev1.Namespace) string {
		for _, namespace := range found {
			if strings.Contains(namespace.Annotations["kcp.io/namespace-locator"], workspace.String()) {
				return "namespace " + namespace.Name + " is still there"
			}
		}
		return ""
	})
}

func named(found []*appsv1.Deployment, name string) []*appsv1.Deployment {
	var copies []*appsv1.Deployment
	for _, d := range found {
		if d.Name == name {
			copies = append(copies, d)
		}
	}
	return copies
}
