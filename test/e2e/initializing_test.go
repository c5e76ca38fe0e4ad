package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/test/harness"
)

// TestInitializeByHand prepares a workspace, and clears up behind it, with nothing
// but kubectl.
func TestInitializeByHand(t *testing.T) {
	t.Parallel()
	hub := theHub(t)
	platform := hub.workspace(t, root, "platform")
	admin := hub.login(t, platform)
	types := string(must(os.ReadFile("testdata/tenant.yaml"))(t))
	must(world.KubectlInput(limit(t), admin, types, "apply", "-f", "-"))(t)
	kubectl(t, admin, "wait", "--for=jsonpath={.status.virtualWorkspaces}", "workspacetype/tenant", "--timeout=30s")
	token := strings.TrimSpace(kubectl(t, admin, "create", "token", "default"))
	workspaces := client.Workspaces(hub.admin, platform)
	phase := func(want corev1alpha1.LogicalClusterPhaseType) func(*tenancyv1alpha1.Workspace) string {
		return func(w *tenancyv1alpha1.Workspace) string {
			if w.Status.Phase != want {
				return "it is in phase " + string(w.Status.Phase)
			}
			return ""
		}
	}
	// at writes a kubeconfig of the service account for one of the views.
	at := func(kind, cluster string) string {
		urls := strings.Fields(kubectl(t, admin, "get", "workspacetype", "tenant", "-o", "jsonpath={.status.virtualWorkspaces[*].url}"))
		for _, url := range urls {
			if strings.Contains(url, "/"+kind+"/") {
				file := filepath.Join(t.TempDir(), "kubeconfig")
				if err := harness.WithToken(hub.Kubeconfig, file, url+"/clusters/"+cluster, token); err != nil {
					t.Fatal(err)
				}
				return file
			}
		}
		t.Fatalf("none of the views %q is %s", urls, kind)
		return ""
	}

	must(world.KubectlInput(limit(t), admin, `{"apiVersion":"tenancy.kcp.io/v1alpha1","kind":"Workspace","metadata":{"name":"acme"},"spec":{"type":{"name":"tenant"}}}`, "create", "-f", "-"))(t)
	await(t, workspaces, only("acme", phase(corev1alpha1.LogicalClusterPhaseInitializing)))
	all := at("initializingworkspaces", "*")
	mentions(t, kubectl(t, all, "get", "logicalclusters"), "cluster", "Initializing")
	mentions(t, kubectl(t, all, "api-resources"), "logicalclusters")
	id := strings.TrimSpace(kubectl(t, all, "get", "logicalclusters", "-o", `jsonpath={.items[*].metadata.annotations.kcp\.io/cluster}`))
	mentions(t, kubectlFails(t, all, "get", "--raw", "/clusters/*/api/v1/secrets"), "NotFound")

	one := at("initializingworkspaces", id)
	kubectl(t, one, "create", "configmap", "welcome", "--from-literal=to=acme")
	mentions(t, kubectl(t, one, "get", "configmaps"), "welcome")
	kubectl(t, one, "label", "configmap", "welcome", "by=platform")
	mentions(t, kubectlFails(t, one, "get", "secrets"), "no rule in spec.initializerPermissions of the workspace type allows")
	mentions(t, kubectlFails(t, one, "patch", "logicalcluster", "cluster", "--subresource=status", "--type=merge", "-p", `{"status":{"phase":"Ready"}}`), "change nothing else")
	kubectl(t, one, "patch", "logicalcluster", "cluster", "--subresource=status", "--type=merge", "-p", `{"status":{"initializers":[]}}`)
	await(t, workspaces, only("acme", ready))
	mentions(t, kubectlFails(t, one, "get", "configmaps"), "Forbidden")
	mentions(t, kubectl(t, hub.login(t, platform.Join("acme")), "get", "configmap", "welcome", "--show-labels"), "by=platform")

	kubectl(t, admin, "delete", "workspace", "acme", "--wait=false")
	await(t, workspaces, only("acme", phase(corev1alpha1.LogicalClusterPhaseTerminating)))
	last := at("terminatingworkspaces", id)
	kubectl(t, last, "delete", "configmap", "welcome")
	kubectl(t, last, "patch", "logicalcluster", "cluster", "--subresource=status", "--type=merge", "-p", `{"status":{"terminators":[]}}`)
	kubectl(t, admin, "wait", "--for=delete", "workspace/acme", "--timeout=30s")
}
