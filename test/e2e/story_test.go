package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// TestMainJob is the demo, asserted.
func TestMainJob(t *testing.T) {
	t.Parallel()
	town := theTown(t)
	acme := town.workspace(t, root, "acme")
	login := town.login(t, acme)
	for _, team := range []string{"web", "api"} {
		mentions(t, kubectl(t, login, "ws", "create", team), `"`+team+`"`, "is ready to use")
	}
	mentions(t, kubectl(t, login, "ws", "tree"), "web", "api")
	web, api := acme.Join("web"), acme.Join("api")

	checkOwnSchemas(t, town.login(t, web), town.login(t, api))

	for _, team := range []string{"web", "api"} {
		mentions(t, kubectlFails(t, town.login(t, acme.Join(team)), "get", "deployments"), "deployments")
		for _, region := range []string{"eu", "us"} {
			kubectl(t, town.login(t, acme.Join(team)), "atrium", "bind", "compute", compute.String(),
				"--name", region, "--namespace-selector", "region="+region, "--location-selectors", "region="+region)
		}
	}
	town.send(t, web, "eu")
	town.send(t, api, "us")
	town.deploy(t, web, deployment("story-shop", 2))
	town.deploy(t, api, deployment("story-billing", 3))
	town.awaitAvailable(t, web, "story-shop", 2)
	town.awaitAvailable(t, api, "story-billing", 3)
	kubectl(t, town.login(t, web), "rollout", "status", "deployment/story-shop", "--timeout=60s")
	town.eu.awaitReplicas(t, "story-shop", 2)
	town.eu.awaitNone(t, "story-billing")
	town.us.awaitReplicas(t, "story-billing", 3)
	town.us.awaitNone(t, "story-shop")
	checkCompanions(t, town)

	town.send(t, web, "us")
	town.us.awaitReplicas(t, "story-shop", 2)
	town.eu.awaitNone(t, "story-shop")
	town.awaitAvailable(t, web, "story-shop", 2)
	town.us.awaitReplicas(t, "story-billing", 3)

	ids := []logicalcluster.Name{town.id(t, web), town.id(t, api)}
	town.undeploy(t, web, "story-shop")
	town.us.awaitNone(t, "story-shop")
	workspaces := client.Workspaces(town.admin, root)
	if err := workspaces.Delete(limit(t), acme.Base(), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, workspaces, gone[*tenancyv1alpha1.Workspace](acme.Base()))
	for _, child := range []*cluster{town.eu, town.us} {
		child.awaitNone(t, "story-billing")
		for _, id := range ids {
			child.awaitNoNamespace(t, id)
		}
	}
}

// checkOwnSchemas installs one API in two workspaces, with different schemas.
func checkOwnSchemas(t *testing.T, web, api string) {
	t.Helper()
	install(t, web, bannerCRD("integer"))
	install(t, api, bannerCRD("string"))
	for _, c := range []struct{ login, accepted, refused, why string }{
		{web, "300", `"large"`, "must be of type integer"},
		{api, `"large"`, "300", "must be of type string"},
	} {
		must(world.KubectlInput(limit(t), c.login, banner(c.accepted), "apply", "-f", "-"))(t)
		_, err := world.KubectlInput(limit(t), c.login, banner(c.refused), "apply", "-f", "-")
		errorMentions(t, err, "spring", "spec.size", c.why)
		mentions(t, kubectl(t, c.login, "get", "banners", "-o", "jsonpath={.items[*].spec.size}"), strings.Trim(c.accepted, `"`))
		mentions(t, kubectl(t, c.login, "explain", "banner.spec"), "size")
		mentions(t, kubectl(t, c.login, "api-resources", "--api-group=example.io"), "banners", "Banner")
	}
}

func install(t *testing.T, login, crd string) {
	t.Helper()
	must(world.KubectlInput(limit(t), login, crd, "apply", "-f", "-"))(t)
	kubectl(t, login, "wait", "--for=condition=Established", "crd/banners.example.io", "--timeout=60s")
}

// bannerCRD defines banners whose size has the given type.
func bannerCRD(size string) string {
	return strings.ReplaceAll(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
"metadata":{"name":"banners.example.io"},
"spec":{"group":"example.io","scope":"Namespaced","names":{"plural":"banners","singular":"banner","kind":"Banner"},
"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{
"spec":{"type":"object","required":["size"],"properties":{"size":{"type":"SIZE"}}}}}}}]}}`, "SIZE", size)
}

func banner(size string) string {
	return `{"apiVersion":"example.io/v1","kind":"Banner","metadata":{"name":"spring"},"spec":{"size":` + size + `}}`
}

// checkCompanions sends what a Deployment needs along with it: it arrives, and
// what nobody placed does not.
func checkCompanions(t *testing.T, town *town) {
	t.Helper()
	workspace := town.workspace(t, root, "companions")
	town.place(t, workspace, "eu")
	town.send(t, workspace, "eu")
	kube := town.in(workspace)
	must(kube.CoreV1().Namespaces().Create(limit(t), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "quiet"}}, metav1.CreateOptions{}))(t)
	for _, namespace := range []string{"default", "quiet"} {
		settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "story-settings-" + namespace}, Data: map[string]string{"colour": "red"}}
		must(kube.CoreV1().ConfigMaps(namespace).Create(limit(t), settings, metav1.CreateOptions{}))(t)
		key := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "story-key-" + namespace}, StringData: map[string]string{"key": "value"}}
		must(kube.CoreV1().Secrets(namespace).Create(limit(t), key, metav1.CreateOptions{}))(t)
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "story-service"}, Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": "x"}, Ports: []corev1.ServicePort{{Port: 80}},
	}}
	must(kube.CoreV1().Services("default").Create(limit(t), service, metav1.CreateOptions{}))(t)

	await(t, town.eu.client.CoreV1().ConfigMaps(""), there[*corev1.ConfigMap]("story-settings-default"))
	await(t, town.eu.client.CoreV1().Secrets(""), there[*corev1.Secret]("story-key-default"))
	await(t, town.eu.client.CoreV1().Services(""), there[*corev1.Service]("story-service"))
	await(t, town.eu.client.CoreV1().ConfigMaps(""), gone[*corev1.ConfigMap]("story-settings-quiet"))
	await(t, town.eu.client.CoreV1().Secrets(""), gone[*corev1.Secret]("story-key-quiet"))

	if err := kube.CoreV1().Services("default").Delete(limit(t), "story-service", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, town.eu.client.CoreV1().Services(""), gone[*corev1.Service]("story-service"))
	await(t, kube.CoreV1().Services("default"), gone[*corev1.Service]("story-service"))
}
