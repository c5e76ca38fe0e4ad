package e2e

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
	"github.com/atriumhub/atrium/test/harness"
)

// TestAgentKilled kills an agent, changes the hub meanwhile, and starts the agent
// again.
func TestAgentKilled(t *testing.T) {
	t.Parallel()
	town := theTown(t)
	target := town.register(t, "killed")
	syncer := agent(t, target, town.us.Kubeconfig)
	work := startWork(t, town, town.us, "killed")
	syncer.Kill()
	work.change(t)
	if err := syncer.Start(limit(t)); err != nil {
		t.Fatal(err)
	}
	work.check(t)
}

// TestChildCutOff cuts the connection between an agent and its child.
func TestChildCutOff(t *testing.T) {
	t.Parallel()
	town := theTown(t)
	target := town.register(t, "childcut")
	kubeconfig := filepath.Join(t.TempDir(), "child.kubeconfig")
	line := must(world.Relay(town.us.Kubeconfig, kubeconfig))(t)
	syncer := agent(t, target, kubeconfig)
	work := startWork(t, town, town.us, "childcut")
	line.Cut()
	awaitLine(t, syncer.Process, `Trouble with the child`)
	work.change(t)
	line.Mend()
	awaitLine(t, syncer.Process, `Connection to the child is back`)
	work.check(t)
}

// TestHubCutOff lets the connection between an agent and the hub fall silent, as
// a firewall does that drops packets.
func TestHubCutOff(t *testing.T) {
	t.Parallel()
	town := theTown(t)
	target := town.register(t, "hubcut")
	kubeconfig := filepath.Join(t.TempDir(), "hub.kubeconfig")
	line := must(world.Relay(target.Kubeconfig, kubeconfig))(t)
	target.Kubeconfig = kubeconfig
	syncer := agent(t, target, town.eu.Kubeconfig, "--heartbeat-interval=2s")
	work := startWork(t, town, town.eu, "hubcut")
	line.Silence()
	work.change(t)
	awaitLine(t, syncer.Process, `Trouble with the hub`)
	line.Mend()
	awaitLine(t, syncer.Process, `Connection to the hub is back`)
	work.check(t)
}

func awaitLine(t *testing.T, process *harness.Process, pattern string) {
	t.Helper()
	if _, err := process.AwaitLine(limit(t), regexp.MustCompile(pattern)); err != nil {
		t.Fatal(err)
	}
}

// work is a few Deployments of one workspace on one child, to be changed while
// nobody can bring the changes down.
type work struct {
	town      *town
	child     *cluster
	workspace logicalcluster.Path
	id        logicalcluster.Name
	prefix    string
	// uids of the copies before the change: what was not deleted has to be the
	// same object afterwards.
	uids map[string]types.UID
}

func startWork(t *testing.T, town *town, child *cluster, region string) *work {
	t.Helper()
	w := &work{town: town, child: child, workspace: town.workspace(t, root, region), prefix: region + "-", uids: map[string]types.UID{}}
	w.id = town.id(t, w.workspace)
	town.place(t, w.workspace, region)
	town.send(t, w.workspace, region)
	for _, name := range []string{"deleted", "grown", "left", "spoiled"} {
		town.deploy(t, w.workspace, deployment(w.prefix+name, 1))
	}
	for _, name := range []string{"deleted", "grown", "left", "spoiled"} {
		town.awaitAvailable(t, w.workspace, w.prefix+name, 1)
		w.uids[name] = child.one(t, w.prefix+name).UID
	}
	return w
}

// change does on both sides what the agent will have to deal with.
func (w *work) change(t *testing.T) {
	t.Helper()
	w.town.undeploy(t, w.workspace, w.prefix+"deleted")
	w.town.scale(t, w.workspace, w.prefix+"grown", 3)
	w.town.deploy(t, w.workspace, deployment(w.prefix+"new", 2))
	copied := w.child.one(t, w.prefix+"spoiled")
	patch := []byte(`{"spec":{"replicas":4}}`)
	if _, err := w.child.client.AppsV1().Deployments(copied.Namespace).Patch(limit(t), copied.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	// What the agent cannot have seen must not have happened either.
	deleted := must(w.town.in(w.workspace).AppsV1().Deployments("default").Get(limit(t), w.prefix+"deleted", metav1.GetOptions{}))(t)
	if deleted.DeletionTimestamp == nil || len(deleted.Finalizers) == 0 {
		t.Errorf("the hub did not wait for the agent: %v", deleted.ObjectMeta)
	}
}

// check waits until both sides agree, and looks for what should not be.
func (w *work) check(t *testing.T) {
	t.Helper()
	w.child.awaitNone(t, w.prefix+"deleted")
	await(t, w.town.in(w.workspace).AppsV1().Deployments("default"), gone[*appsv1.Deployment](w.prefix+"deleted"))
	for name, replicas := range map[string]int32{"grown": 3, "left": 1, "spoiled": 1, "new": 2} {
		w.child.awaitReplicas(t, w.prefix+name, replicas)
		w.town.awaitAvailable(t, w.workspace, w.prefix+name, replicas)
		if before, after := w.uids[name], w.child.one(t, w.prefix+name).UID; before != "" && before != after {
			t.Errorf("%s was made anew in the child", name)
		}
	}
	w.checkOneNamespace(t)
}

// checkOneNamespace makes sure that the child has one namespace of the workspace.
func (w *work) checkOneNamespace(t *testing.T) {
	t.Helper()
	list := must(w.child.client.CoreV1().Namespaces().List(limit(t), metav1.ListOptions{}))(t)
	var found []string
	for _, namespace := range list.Items {
		if locates(&namespace, w.id) {
			found = append(found, namespace.Name)
		}
	}
	if len(found) != 1 {
		t.Errorf("the child has the namespaces %q for one of the hub", found)
	}
}

func locates(namespace *corev1.Namespace, workspace logicalcluster.Name) bool {
	return regexp.MustCompile(fmt.Sprintf("%q", workspace)).MatchString(namespace.Annotations["kcp.io/namespace-locator"])
}

// TestAgentsSetUpWrongly starts agents with something wrong in their command
// line or files. Those that may get well by themselves go on and say what is
// wrong; one that would work for somebody else's target ends.
func TestAgentsSetUpWrongly(t *testing.T) {
	t.Parallel()
	town := theTown(t)
	target := town.register(t, "misfit")
	other := town.workspace(t, root, "misfit")
	dir := t.TempDir()
	file := func(name string, make func(file string) error) string {
		path := filepath.Join(dir, name)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	server := town.URL + "/clusters/" + town.id(t, compute).String()
	wrongToken := file("token", func(f string) error { return harness.WithToken(target.Kubeconfig, f, server, "not-a-token") })
	elsewhere := file("elsewhere", func(f string) error {
		return harness.Redirect(target.Kubeconfig, f, town.URL+"/clusters/"+town.id(t, other).String())
	})
	wrongChild := file("wrong-child", func(f string) error { return harness.Redirect(town.eu.Kubeconfig, f, town.URL) })
	notAHub := file("child", func(f string) error {
		return harness.Redirect(town.eu.Kubeconfig, f, town.eu.server(t)+"/clusters/root")
	})
	wrongHub := file("wrong-hub", func(f string) error { return harness.Redirect(target.Kubeconfig, f, town.eu.server(t)) })
	noWorkspace := file("no-workspace", func(f string) error { return harness.Redirect(target.Kubeconfig, f, town.URL+"/") })
	nobody := file("nobody", func(f string) error { return harness.Redirect(target.Kubeconfig, f, "https://127.0.0.1:1") })
	const renewal = "kubectl atrium sync misfit"
	const wrongUID = "11111111-2222-3333-4444-555555555555"

	// Each changes one thing about a set-up that works.
	cases := []struct {
		name   string
		change func(target *harness.Target, child *string)
		want   []string
		ends   bool
	}{
		{"token", func(t *harness.Target, _ *string) { t.Kubeconfig = wrongToken }, []string{"does not accept the credentials", renewal}, false},
		{"uid", func(t *harness.Target, _ *string) { t.UID = wrongUID }, []string{wrongUID, target.UID, "deleted and created again", renewal}, true},
		{"target", func(t *harness.Target, _ *string) { t.Name = "nowhere" }, []string{"may not read SyncTarget", "kubectl atrium sync nowhere"}, false},
		{"workspace", func(t *harness.Target, _ *string) { t.Kubeconfig = elsewhere }, []string{"does not accept the credentials", renewal}, false},
		{"hub", func(t *harness.Target, _ *string) { t.Kubeconfig = wrongHub }, []string{"not signed by the CA", renewal}, false},
		{"no hub", func(t *harness.Target, _ *string) { t.Kubeconfig = notAHub }, []string{"not an Atrium hub"}, false},
		{"no workspace", func(t *harness.Target, _ *string) { t.Kubeconfig = noWorkspace }, []string{"does not name the workspace", "/clusters/"}, true},
		{"nobody there", func(t *harness.Target, _ *string) { t.Kubeconfig = nobody }, []string{"nothing listens", "127.0.0.1:1"}, false},
		{"child", func(_ *harness.Target, child *string) { *child = wrongChild }, []string{"of the child", "not signed by the CA"}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			changed, child := *target, town.eu.Kubeconfig
			changed.Agent = "misfit-" + strings.ReplaceAll(c.name, " ", "-")
			c.change(&changed, &child)
			started := must(world.LaunchSyncer(&changed, child))(t)
			defer started.Kill()
			for _, word := range c.want {
				awaitLine(t, started.Process, regexp.QuoteMeta(word))
			}
			if c.ends && started.Wait(limit(t)) == nil {
				t.Error("it ended with status 0")
			}
		})
	}
}
