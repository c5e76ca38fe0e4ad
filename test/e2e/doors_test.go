package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
	"github.com/atriumhub/atrium/test/harness"
)

// mountObject is a kind to mount, and what is said of the cluster at address.
const mountKind = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: kubeclusters.mounts.example.org}
spec:
  group: mounts.example.org
  scope: Cluster
  names: {plural: kubeclusters, singular: kubecluster, kind: KubeCluster, listKind: KubeClusterList}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

const mountOf = `apiVersion: mounts.example.org/v1
kind: KubeCluster
metadata:
  name: eu
  annotations: {experimental.tenancy.kcp.io/is-mount: "true"}
---
apiVersion: tenancy.kcp.io/v1alpha1
kind: Workspace
metadata: {name: eu}
spec:
  mount:
    ref: {apiVersion: mounts.example.org/v1, kind: KubeCluster, name: eu}
`

// tokenLogin writes a kubeconfig of somebody who has nothing but a token.
func (h *hub) tokenLogin(t *testing.T, token string, workspace logicalcluster.Path) string {
	t.Helper()
	admin := must(clientcmd.BuildConfigFromFlags("", h.Kubeconfig))(t)
	config := clientcmdapi.NewConfig()
	config.Clusters["hub"] = &clientcmdapi.Cluster{Server: client.WorkspaceURL(h.URL, workspace), CertificateAuthorityData: admin.CAData}
	config.AuthInfos["me"] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["hub"] = &clientcmdapi.Context{Cluster: "hub", AuthInfo: "me"}
	config.CurrentContext = "hub"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// believing starts a child cluster that believes a hub who is asking, and a hub
// that trusts its certificate.
func believing(t *testing.T) (*hub, *cluster) {
	t.Helper()
	name := fmt.Sprintf("mounted-%x", time.Now().UnixNano()) // not the cluster of an earlier run
	process := must(world.Start(name, harness.ChildK8s, "cluster", "--dir", world.Path(name), "--name", name, "--allow-exec"))(t)
	t.Cleanup(func() {
		if err := process.Stop(); err != nil {
			t.Error(err)
		}
	})
	if _, err := process.AwaitLine(limit(t), regexp.MustCompile(`(?m)^ready$`)); err != nil {
		t.Fatal(err)
	}
	child := &harness.Child{Process: process, Kubeconfig: world.Path(name, "admin.kubeconfig")}
	h := ownHub(t, "mounting", "--tenant-egress-allow", "127.0.0.1", "--mount-ca-file", world.Path(name, "pki", "ca.crt"))
	// The operator of the cluster adds the hub to those whose word it takes; an API
	// server reads that file again when it changes.
	theirs := world.Path(name, "pki", "front-proxy-ca.crt")
	both := append(must(os.ReadFile(theirs))(t), must(os.ReadFile(filepath.Join(h.Dir, "pki", "front-proxy", "ca.crt")))(t)...)
	if err := os.WriteFile(theirs, both, 0o644); err != nil {
		t.Fatal(err)
	}
	return h, &cluster{child, must(child.Client())(t)}
}

// TestMountedCluster works with a real cluster through a workspace.
func TestMountedCluster(t *testing.T) {
	t.Parallel()
	h, eu := believing(t)
	team := h.workspace(t, root, "team")
	h.grant(t, team, "alice")
	alice := h.tokenLogin(t, "alice-token", team)
	must(world.KubectlInput(limit(t), alice, mountKind, "apply", "-f", "-"))(t)
	kubectl(t, alice, "wait", "--for=condition=Established", "crd/kubeclusters.mounts.example.org")
	must(world.KubectlInput(limit(t), alice, mountOf, "apply", "-f", "-"))(t)
	kubectl(t, alice, "patch", "kubecluster", "eu", "--subresource=status", "--type=merge", "-p",
		fmt.Sprintf(`{"status":{"phase":"Ready","URL":%q}}`, eu.server(t)))
	await(t, client.Workspaces(h.admin, team), only("eu", func(w *tenancyv1alpha1.Workspace) string {
		if w.Status.Phase != corev1alpha1.LogicalClusterPhaseReady {
			return string(w.Status.Phase)
		}
		return ""
	}))
	mentions(t, kubectl(t, alice, "ws", "tree"), "eu [m]")

	inside := h.tokenLogin(t, "alice-token", team.Join("eu"))
	untilBelieved(t, inside)
	mentions(t, kubectlFails(t, inside, "get", "pods"), `User "alice" cannot list resource "pods"`)
	must(eu.client.RbacV1().ClusterRoleBindings().Create(limit(t), ownerBinding("alice"), metav1.CreateOptions{}))(t)
	mentions(t, kubectl(t, inside, "get", "ns"), "kube-system")
	mentions(t, kubectl(t, inside, "get", "nodes"), "Ready") // no hub has nodes
	mentions(t, kubectl(t, inside, "auth", "whoami"), "alice")

	t.Run("watch", func(t *testing.T) {
		ctx := limit(t)
		mounted := h.as(t, "alice-token").Kubernetes(team.Join("eu")).CoreV1().ConfigMaps("default")
		changes := must(mounted.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=seen"}))(t)
		defer changes.Stop()
		must(eu.client.CoreV1().ConfigMaps("default").Create(ctx, note("seen"), metav1.CreateOptions{}))(t)
		if event := <-changes.ResultChan(); event.Type != "ADDED" {
			t.Errorf("%+v", event)
		}
	})
	t.Run("exec", func(t *testing.T) {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "shell"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "shell"}}}}
		must(eu.client.CoreV1().Pods("default").Create(limit(t), pod, metav1.CreateOptions{}))(t)
		kubectl(t, inside, "wait", "--for=condition=Ready", "pod/shell", "--timeout=60s")
		mentions(t, kubectl(t, inside, "exec", "shell", "--", "echo", "through", "the", "mount"), "through the mount")
	})
	t.Run("strangers", func(t *testing.T) {
		mallory := h.tokenLogin(t, "mallory-token", team.Join("eu"))
		nowhere := h.tokenLogin(t, "mallory-token", team.Join("us"))
		refused := kubectlFails(t, mallory, "get", "--raw", "/api/v1/namespaces")
		mentions(t, refused, "access to workspace", "denied")
		if other := strings.ReplaceAll(kubectlFails(t, nowhere, "get", "--raw", "/api/v1/namespaces"), ":us", ":eu"); other != refused {
			t.Errorf("a mount is told from nothing:\n%s\n%s", refused, other)
		}
		mentions(t, kubectlFails(t, inside, "get", "ns", "--as", "admin"), "impersonated through a mount")
	})
	t.Run("home of the hub", func(t *testing.T) {
		port := must(url.Parse(h.URL))(t).Port()
		kubectl(t, alice, "patch", "kubecluster", "eu", "--subresource=status", "--type=merge", "-p",
			fmt.Sprintf(`{"status":{"URL":"https://localhost:%s/clusters/root"}}`, port))
		// By another name it is a stranger like any other, and nobody there.
		ctx := limit(t)
		for {
			out, err := world.Kubectl(ctx, inside, "get", "--raw", "/api/v1/secrets")
			if err == nil {
				t.Fatalf("secrets of root: %s", out)
			}
			if strings.Contains(harness.Stderr(err), "--requestheader-client-ca-file") {
				break
			}
			if ctx.Err() != nil {
				t.Fatal(harness.Stderr(err))
			}
		}
	})
	kubectl(t, alice, "patch", "kubecluster", "eu", "--subresource=status", "--type=merge", "-p",
		fmt.Sprintf(`{"status":{"URL":%q}}`, eu.server(t)))
	if err := h.Restart(limit(t)); err != nil {
		t.Fatal(err)
	}
	untilBelieved(t, inside)
	kubectl(t, alice, "delete", "workspace", "eu")
	mentions(t, kubectlFails(t, inside, "get", "ns"), "access to workspace", "denied")
}

// untilBelieved waits until the cluster has read its changed file.
func untilBelieved(t *testing.T, kubeconfig string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	for {
		_, err := world.Kubectl(ctx, kubeconfig, "get", "--raw", "/version")
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(harness.Stderr(err))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// TestHome goes home with kubectl.
func TestHome(t *testing.T) {
	t.Parallel()
	h := theHub(t)
	config := h.tokenLogin(t, "alice-token", root)
	mentions(t, kubectl(t, config, "ws"), "Current workspace is 'root:users:", ":alice'")
	kubectl(t, config, "create", "configmap", "mine")
	mentions(t, kubectl(t, config, "ws", "create", "lab", "--enter"), ":alice:lab'")
	mentions(t, kubectl(t, config, "ws", "~"), ":alice'")
	mentions(t, kubectl(t, config, "--server", client.WorkspaceURL(h.URL, root), "get", "workspace", "~"), "alice", "home", "Ready")
	mentions(t, kubectlFails(t, config, "ws", ".."), "denied")
	kubectl(t, config, "--server", client.WorkspaceURL(h.URL, root), "delete", "workspace", "~")
	mentions(t, kubectl(t, config, "ws"), ":alice'")
	mentions(t, kubectlFails(t, config, "get", "configmap", "mine"), "not found")
}

// TestNoHomes is a hub that has none.
func TestNoHomes(t *testing.T) {
	t.Parallel()
	h := ownHub(t, "homeless", "--home-workspaces=false")
	mentions(t, kubectlFails(t, h.tokenLogin(t, "alice-token", root), "ws"), "no home workspace", "--home-workspaces=false")
}

// TestHomesAfterACrash kills the hub while homes are being made. Whoever asks
// again has one.
func TestHomesAfterACrash(t *testing.T) {
	t.Parallel()
	const people = 24
	var lines strings.Builder
	for i := range people {
		fmt.Fprintf(&lines, "token-%d,person-%d@example.org,%d\n", i, i, i)
	}
	name := fmt.Sprintf("crashing-%x", time.Now().UnixNano())
	file := world.Path(name + "-tokens.csv")
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	started := must(world.StartHub(limit(t), harness.HubOptions{Name: name, Args: []string{"--token-auth-file", file}}))(t)
	h := &hub{Hub: started}
	t.Cleanup(func() {
		if err := started.Stop(); err != nil {
			t.Error(err)
		}
	})
	some := make(chan error, people)
	var asking sync.WaitGroup
	for i := range people {
		person := client.Workspaces(h.as(t, fmt.Sprintf("token-%d", i)), root)
		asking.Go(func() {
			_, err := person.Get(limit(t), "~", metav1.GetOptions{})
			some <- err
		})
	}
	if err := <-some; err != nil {
		t.Error(err)
	}
	started.Kill()
	asking.Wait()
	if err := started.Start(limit(t)); err != nil {
		t.Fatal(err)
	}
	for i := range people {
		person := h.as(t, fmt.Sprintf("token-%d", i))
		home := must(client.Workspaces(person, root).Get(limit(t), "~", metav1.GetOptions{}))(t)
		_, path, _ := client.SplitURL(home.Spec.URL)
		must(person.Kubernetes(path).CoreV1().Secrets("").List(limit(t), metav1.ListOptions{}))(t)
	}
}
