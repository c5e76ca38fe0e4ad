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

	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
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

// TestCutOff cuts one of the two connections of an agent for a while: the cable
// is pulled, or packets are dropped as a firewall does.
func TestCutOff(t *testing.T) {
	t.Parallel()
	town := theTown(t)
	for _, c := range []struct {
		name, side string
		cut        func(*harness.Relay)
	}{
		{"childcut", "child", (*harness.Relay).Cut},
		{"childmute", "child", (*harness.Relay).Silence},
		{"hubcut", "hub", (*harness.Relay).Cut},
		{"hubmute", "hub", (*harness.Relay).Silence},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			target := town.register(t, c.name)
			childKubeconfig := town.us.Kubeconfig
			through := &childKubeconfig
			if c.side == "hub" {
				through = &target.Kubeconfig
			}
			direct := *through
			*through = filepath.Join(t.TempDir(), "kubeconfig")
			line := must(world.Relay(direct, *through))(t)
			syncer := agent(t, target, childKubeconfig, "--heartbeat-interval=2s")
			work := startWork(t, town, town.us, c.name)
			c.cut(line)
			work.change(t)
			awaitLine(t, syncer.Process, "Trouble with the "+c.side)
			line.Mend()
			awaitLine(t, syncer.Process, "Connection to the "+c.side+" is back")
			work.check(t)
		})
	}
}

// TestTargetReplaced deletes a sync target under its agent and registers the
// cluster again under the same name.
func TestTargetReplaced(t *testing.T) {
	t.Parallel()
	town := theTown(t)
	target := town.register(t, "replaced")
	old := must(world.LaunchSyncer(target, town.us.Kubeconfig, "--heartbeat-interval=2s"))(t)
	t.Cleanup(old.Kill)
	if err := old.AwaitWork(limit(t)); err != nil {
		t.Fatal(err)
	}
	team := town.workspace(t, root, "replaced")
	town.place(t, team, "replaced")
	town.send(t, team, "replaced")
	town.deploy(t, team, deployment("replaced-shop", 1))
	town.awaitAvailable(t, team, "replaced-shop", 1)

	if err := client.SyncTargets(town.admin, compute).Delete(limit(t), "replaced", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, client.SyncTargets(town.admin, compute), gone[*workloadv1alpha1.SyncTarget]("replaced"))
	again := town.register(t, "replaced")
	if again.UID == target.UID {
		t.Fatalf("the sync target still has the UID %s", target.UID)
	}
	if err := old.Wait(limit(t)); err == nil {
		t.Error("the old agent ended with status 0")
	}
	awaitLine(t, old.Process, "was deleted and created again")

	again.Agent = "syncer-replaced-again"
	agent(t, again, town.us.Kubeconfig)
	town.scale(t, team, "replaced-shop", 2)
	town.awaitAvailable(t, team, "replaced-shop", 2)
	town.undeploy(t, team, "replaced-shop")
	await(t, town.in(team).AppsV1().Deployments("default"), gone[*appsv1.Deployment]("replaced-shop"))
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
		{"workspace", func(t *harness.Target, _ *string) { t.Kubeconfig = elsewhere }, []string{"they belong to another workspace", renewal}, false},
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
