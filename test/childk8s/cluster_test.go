package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// TestLifeOfAChild follows one child through everything its users do with it: a start, work, a second
// start beside it, a clean end, a restart, a kill, and another restart.
func TestLifeOfAChild(t *testing.T) {
	dir := t.TempDir()
	args := []string{"cluster", "--dir", dir, "--name", "eu", "--allow-exec"}

	child := start(t, command(args...))
	child.awaitReady()
	client := login(t, dir)
	checkNodes(t, client, "eu")
	applyWeb(t, client)
	awaitWeb(t, client)
	checkPodsAnswer(t, dir)
	checkSecondStartRefused(t, args, dir)
	loginBefore := readFile(t, filepath.Join(dir, "admin.kubeconfig"))

	child.stopCleanly()
	if _, err := os.Stat(filepath.Join(dir, "admin.kubeconfig")); !os.IsNotExist(err) {
		t.Errorf("the login is still there after a clean end: %v", err)
	}

	child = start(t, command(args...))
	child.awaitReady()
	if diff := cmp.Diff(loginBefore, readFile(t, filepath.Join(dir, "admin.kubeconfig"))); diff != "" {
		t.Errorf("a restart changed the login: %s", diff)
	}
	awaitWeb(t, client) // the client from before: same address, same certificates
	writeNote(t, client)
	if status, _ := child.stop(syscall.SIGKILL); status != -1 {
		t.Errorf("SIGKILL: exit status %d", status)
	}

	child = start(t, command(args...))
	child.awaitReady()
	checkNote(t, client)
	child.stopCleanly()
}

func checkNodes(t *testing.T, client kubernetes.Interface, region string) {
	t.Helper()
	list, err := client.CoreV1().Nodes().List(timeout(t), metav1.ListOptions{LabelSelector: "topology.kubernetes.io/region=" + region})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 2 {
		t.Errorf("%d nodes are in region %s, want 2", len(list.Items), region)
	}
}

// applyWeb creates a Deployment of 3.
func applyWeb(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	replicas, labels := int32(3), map[string]string{"app": "web"}
	web := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1"}}},
			},
		},
	}
	if _, err := client.AppsV1().Deployments("default").Create(timeout(t), web, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// awaitWeb waits until the three are available.
func awaitWeb(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	begin := time.Now()
	deployments := cache.NewListWatchFromClient(client.AppsV1().RESTClient(), "deployments", "default", fields.OneTermEqualSelector("metadata.name", "web"))
	_, err := watchtools.UntilWithSync(timeout(t), deployments, &appsv1.Deployment{}, nil, func(event watch.Event) (bool, error) {
		web, ok := event.Object.(*appsv1.Deployment)
		return ok && web.Status.AvailableReplicas == 3, nil
	})
	if err != nil {
		t.Fatalf("the Deployment does not become available: %v", err)
	}
	t.Logf("3 replicas available after %v", time.Since(begin).Round(time.Millisecond))
}

// checkPodsAnswer goes the way from kubectl over the API server to kwok.
func checkPodsAnswer(t *testing.T, dir string) {
	t.Helper()
	if logs := childKubectl(t, dir, "logs", "deployment/web"); !strings.Contains(logs, "simulated by kwok") {
		t.Errorf("kubectl logs printed %q", logs)
	}
	if out := childKubectl(t, dir, "exec", "deployment/web", "--", "echo", "hello"); out != "hello\n" {
		t.Errorf("kubectl exec printed %q", out)
	}
}

func checkSecondStartRefused(t *testing.T, args []string, dir string) {
	t.Helper()
	second := start(t, command(args...))
	if status := second.wait(); status != 1 || !strings.Contains(second.stderr.String(), dir+" is in use by another childk8s") {
		t.Errorf("second start in %s: exit status %d, %q", dir, status, second.stderr)
	}
}

func writeNote(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	note := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "note"}, Data: map[string]string{"text": "written"}}
	if _, err := client.CoreV1().ConfigMaps("default").Create(timeout(t), note, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func checkNote(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	note, err := client.CoreV1().ConfigMaps("default").Get(timeout(t), "note", metav1.GetOptions{})
	if err != nil || note.Data["text"] != "written" {
		t.Errorf("after a kill: %v, %v", note, err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestEndWhileStarting tells a child to end when its API server has begun to start, which upstream code
// answers with fatal errors.
func TestEndWhileStarting(t *testing.T) {
	dir := t.TempDir()
	child := start(t, command("cluster", "--dir", dir, "--name", "eu"))
	awaitText(t, filepath.Join(dir, "child.log"), "Serving securely")
	child.stopCleanly()
}

// awaitText waits until a file that is being written holds the text.
func awaitText(t *testing.T, path, text string) {
	t.Helper()
	err := wait.PollUntilContextCancel(timeout(t), 10*time.Millisecond, true, func(context.Context) (bool, error) {
		content, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(content), text), nil
	})
	if err != nil {
		t.Fatalf("%s never says %q: %v", path, text, err)
	}
}

// TestGroup starts two children with one command and ends them with one signal.
func TestGroup(t *testing.T) {
	root := t.TempDir()
	group := start(t, command("clusters", "--root", root, "eu", "us"))
	group.awaitReady()
	for _, name := range []string{"eu", "us"} {
		checkNodes(t, login(t, filepath.Join(root, name)), name)
	}
	group.stopCleanly()
}

// TestGroupEndsWhenAChildDoes takes the port of the second child away.
func TestGroupEndsWhenAChildDoes(t *testing.T) {
	taken := takePort(t)
	group := start(t, command("clusters", "--root", t.TempDir(), "--base-port", strconv.Itoa(taken-10), "eu", "us"))
	if status := group.wait(); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	for _, want := range []string{"child us has ended: exit status 1", strconv.Itoa(taken) + " on 127.0.0.1 is taken"} {
		if !strings.Contains(group.stderr.String(), want) {
			t.Errorf("does not say %q: %s", want, group.stderr)
		}
	}
	group.awaitSilence()
}

// TestChildEndsWithItsParent kills a shell that has started a child.
func TestChildEndsWithItsParent(t *testing.T) {
	cmd := exec.Command("sh", "-c", `"$0" cluster --dir "$1" --name eu & wait`, "/proc/self/exe", t.TempDir())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args[3] = self
	cmd.Env = append(os.Environ(), asProgram+"=1")
	shell := start(t, cmd)
	shell.awaitReady()
	shell.stop(syscall.SIGKILL)
	shell.awaitSilence()
}

func TestWhatTheCommandLineSays(t *testing.T) {
	taken := takePort(t)
	cases := []struct {
		name   string
		args   []string
		status int
		want   string
	}{
		{"nothing", nil, 2, "childk8s cluster --dir DIR"},
		{"unknown command", []string{"clutser"}, 2, "childk8s cluster --dir DIR"},
		{"unknown flag", []string{"cluster", "--prot=1"}, 2, "unknown flag: --prot"},
		{"argument too many", []string{"cluster", "eu"}, 2, `unexpected argument "eu"`},
		{"no directory", []string{"cluster", "--name=eu"}, 2, "--dir is missing"},
		{"all without a port", []string{"all", "/tmp"}, 2, "give a directory and a port"},
		{"port taken", []string{"cluster", "--name=eu", "--dir=" + t.TempDir(), "--port=" + strconv.Itoa(taken)}, 1, "is taken by another process: stop that one, or give another --port"},
		{"kubelet port taken", []string{"cluster", "--name=eu", "--dir=" + t.TempDir(), "--kubelet-port=" + strconv.Itoa(taken)}, 1, "or give another --kubelet-port"},
		{"directory that cannot be", []string{"cluster", "--name=eu", "--dir=/proc/eu"}, 1, "cannot make the directory /proc/eu"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, command(c.args...))
			if status := p.wait(); status != c.status || !strings.Contains(p.stderr.String(), c.want) {
				t.Errorf("exit status %d and %q, want %d and %q", status, p.stderr, c.status, c.want)
			}
		})
	}
}

// takePort listens on a port until the test ends. It is not among the lowest, so that ports below exist.
func takePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().(*net.TCPAddr).Port
}
