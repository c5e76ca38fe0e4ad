package e2e

import (
	"strings"
	"testing"

	"github.com/atriumhub/atrium/test/harness"
)

// TestOlderChild runs work on a child cluster of the Kubernetes version before
// the hub's. It takes a program that is built apart from the others, as that
// means to compile Kubernetes once more.
func TestOlderChild(t *testing.T) {
	t.Parallel()
	if _, built := world.Program(harness.ChildK8s136); !built {
		t.Logf("nothing is tested: there is no %s/%s; \"make build-childk8s-v136\" makes it", world.Bin, harness.ChildK8s136)
		return
	}
	h := theHub(t)
	older := must(startCluster(limit(t), "older", harness.ChildK8s136))(t)
	version := must(older.client.Discovery().ServerVersion())(t)
	if !strings.HasPrefix(version.GitVersion, "v1.36.") {
		t.Fatalf("the child runs %s", version.GitVersion)
	}
	agent(t, h.register(t, "older"), older.Kubeconfig)
	team := h.workspace(t, root, "older")
	h.place(t, team, "older")
	h.send(t, team, "older")
	h.deploy(t, team, deployment("older-shop", 2))
	h.awaitAvailable(t, team, "older-shop", 2)
	h.scale(t, team, "older-shop", 1)
	older.awaitReplicas(t, "older-shop", 1)
	h.awaitAvailable(t, team, "older-shop", 1)
	h.undeploy(t, team, "older-shop")
	older.awaitNone(t, "older-shop")
}
