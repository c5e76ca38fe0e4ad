package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/atriumhub/atrium/test/harness"
)

// TestEverydayKubectl does in a workspace what people do with kubectl all day.
func TestEverydayKubectl(t *testing.T) {
	t.Parallel()
	town := theTown(t)
	team := town.workspace(t, root, "everyday")
	town.place(t, team, "eu")
	town.send(t, team, "eu")
	login := town.login(t, team)
	app := string(must(os.ReadFile("testdata/app.yaml"))(t))
	apply := func(args ...string) string {
		return must(world.KubectlInput(limit(t), login, app, append(args, "-f", "-")...))(t)
	}

	mentions(t, kubectl(t, login, "version"), "Server Version: v1.37.")
	mentions(t, apply("apply"), "statefulset.apps/everyday-db created", "service/everyday-db created", "daemonset.apps/everyday-agent created")
	mentions(t, apply("apply"), "statefulset.apps/everyday-db unchanged", "service/everyday-db unchanged")
	kubectl(t, login, "rollout", "status", "statefulset/everyday-db", "--timeout=60s")
	kubectl(t, login, "wait", "--for=condition=complete", "job/everyday-once", "--timeout=60s")
	mentions(t, kubectl(t, login, "get", "all"), "statefulset.apps/everyday-db", "job.batch/everyday-once", "service/everyday-web")
	mentions(t, kubectl(t, login, "get", "statefulset", "everyday-db", "-o", "wide"), "2/2")
	mentions(t, kubectl(t, login, "explain", "ingress.spec.rules"), "KIND:", "Ingress", "rules")
	await(t, town.eu.client.CoreV1().Services(""), only("everyday-db", func(s *corev1.Service) string {
		if s.Spec.ClusterIP != corev1.ClusterIPNone {
			return "it has the address " + s.Spec.ClusterIP
		}
		return ""
	}))

	checkDeploymentCommands(t, login)
	mentions(t, apply("apply", "--server-side", "--force-conflicts"), "statefulset.apps/everyday-db serverside-applied")
	mentions(t, apply("delete", "--timeout=60s"), `statefulset.apps "everyday-db" deleted`)
	if left := kubectl(t, login, "get", "all", "-o", "name"); left != "" {
		t.Errorf("left are %s", left)
	}
	kubectl(t, login, "create", "namespace", "everyday-extra")
	kubectl(t, login, "create", "configmap", "x", "--namespace", "everyday-extra", "--from-literal=a=b")
	kubectl(t, login, "delete", "namespace", "everyday-extra", "--timeout=60s")
}

// checkDeploymentCommands leads a Deployment through its life.
func checkDeploymentCommands(t *testing.T, login string) {
	t.Helper()
	kubectl(t, login, "create", "deployment", "everyday-shop", "--image=shop:1", "--replicas=2")
	shown := watch(t, login, "get", "deployment", "everyday-shop", "--watch")
	kubectl(t, login, "rollout", "status", "deployment/everyday-shop", "--timeout=60s")
	awaitLine(t, shown, `everyday-shop +2/2`)
	kubectl(t, login, "set", "image", "deployment/everyday-shop", "shop=shop:2")
	kubectl(t, login, "rollout", "status", "deployment/everyday-shop", "--timeout=60s")
	kubectl(t, login, "scale", "deployment", "everyday-shop", "--replicas=3")
	kubectl(t, login, "wait", "--for=jsonpath={.status.readyReplicas}=3", "deployment/everyday-shop", "--timeout=60s")
	awaitLine(t, shown, `everyday-shop +3/3`)
	kubectl(t, login, "expose", "deployment", "everyday-shop", "--port=80")
	copied := strings.ReplaceAll(kubectl(t, login, "get", "deployment", "everyday-shop", "-o", "json"), "everyday-shop", "everyday-copy")
	must(world.KubectlInput(limit(t), login, copied, "create", "-f", "-"))(t)
	kubectl(t, login, "rollout", "status", "deployment/everyday-copy", "--timeout=60s")
	kubectl(t, login, "label", "deployment", "everyday-shop", "tier=front")
	kubectl(t, login, "annotate", "deployment", "everyday-shop", "note=hello")
	kubectl(t, login, "patch", "deployment", "everyday-shop", "-p", `{"spec":{"template":{"metadata":{"labels":{"v":"2"}}}}}`)
	mentions(t, kubectl(t, login, "describe", "deployment", "everyday-shop"), "tier=front", "shop:2", "3 desired")
	kubectl(t, login, "delete", "deployment/everyday-shop", "deployment/everyday-copy", "service/everyday-shop", "--timeout=60s")
}

// watch runs a kubectl that goes on, until the test ends.
func watch(t *testing.T, kubeconfig string, args ...string) *harness.Process {
	t.Helper()
	name := fmt.Sprintf("watch-%s", strings.ReplaceAll(strings.ToLower(t.Name()), "/", "-"))
	process := must(world.Start(name, harness.Kubectl, append([]string{"--kubeconfig", kubeconfig}, args...)...))(t)
	t.Cleanup(process.Kill)
	return process
}
