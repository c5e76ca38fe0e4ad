package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// TestHubEnds ends a hub in good order and by force while it is written to, and
// starts it again on its data. Nothing that was acknowledged may be missing, and
// everything that was connected has to come back by itself.
func TestHubEnds(t *testing.T) {
	t.Parallel()
	town := theTown(t) // for a child
	h := ownHub(t, "ending", "--sync-target-heartbeat-threshold=8s")
	team := h.workspace(t, root, "team")
	below := h.workspace(t, team, "below")
	install(t, h.login(t, team), bannerCRD("integer"))
	must(world.KubectlInput(limit(t), h.login(t, team), banner("300"), "apply", "-f", "-"))(t)
	target := h.register(t, "ending")
	syncer := agent(t, target, town.eu.Kubeconfig, "--heartbeat-interval=1s")
	h.place(t, below, "ending")
	h.send(t, below, "ending")
	h.deploy(t, below, deployment("ending-shop", 1))
	h.awaitAvailable(t, below, "ending-shop", 1)

	for i, end := range []struct {
		name string
		how  func() error
	}{
		{"SIGTERM", func() error { return h.Stop() }},
		{"SIGKILL", func() error { h.Kill(); return nil }},
	} {
		journals := h.writeUntil(t, []logicalcluster.Path{team, below}, end.name, end.how)
		if err := h.Start(limit(t)); err != nil {
			t.Fatalf("after %s: %v", end.name, err)
		}
		h.check(t, journals, end.name)
		checkStillThere(t, h, team, below)
		h.scale(t, below, "ending-shop", i+2)
		town.eu.awaitReplicas(t, "ending-shop", int32(i+2))
		h.awaitAvailable(t, below, "ending-shop", int32(i+2))
	}

	syncer.Kill()
	h.awaitTarget(t, "ending", false)
	if err := syncer.Start(limit(t)); err != nil {
		t.Fatal(err)
	}
	h.awaitTarget(t, "ending", true)
	h.undeploy(t, below, "ending-shop")
	town.eu.awaitNone(t, "ending-shop")
}

// checkStillThere looks at workspaces and what is in them after a start.
func checkStillThere(t *testing.T, h *hub, team, below logicalcluster.Path) {
	t.Helper()
	parent, _ := team.Parent()
	await(t, client.Workspaces(h.admin, parent), only(team.Base(), ready))
	await(t, client.Workspaces(h.admin, team), only(below.Base(), ready))
	login := h.login(t, team)
	mentions(t, kubectl(t, login, "get", "banner", "spring", "-o", "jsonpath={.spec.size}"), "300")
	_, err := world.KubectlInput(limit(t), login, banner(`"large"`), "apply", "-f", "-")
	errorMentions(t, err, "must be of type integer")
}

// awaitTarget waits until a sync target is ready, or is not.
func (h *hub) awaitTarget(t *testing.T, name string, ready bool) {
	t.Helper()
	await(t, client.SyncTargets(h.admin, compute), only(name, func(s *workloadv1alpha1.SyncTarget) string {
		if conditionsv1alpha1.IsTrue(s.Status.Conditions, conditionsv1alpha1.ReadyCondition) == ready {
			return ""
		}
		return fmt.Sprintf("its readiness should be %t", ready)
	}))
}

const (
	writersPerWorkspace = 3
	// enough is how many writes are to be acknowledged before the hub is ended.
	enough = 100
	// everyNth object is deleted again.
	everyNth = 4
)

// writeUntil lets several writers write, ends the hub while they do, and returns
// what they were told.
func (h *hub) writeUntil(t *testing.T, workspaces []logicalcluster.Path, prefix string, end func() error) []*journal {
	t.Helper()
	ctx, stop := context.WithCancel(limit(t))
	defer stop()
	acknowledged := make(chan struct{})
	journals := h.journals(t, workspaces, strings.ToLower(prefix), acknowledged)
	var writing sync.WaitGroup
	for _, j := range journals {
		writing.Go(func() { j.write(ctx) })
	}
	for range enough {
		select {
		case <-acknowledged:
		case <-ctx.Done():
			t.Fatal("the hub takes too long to acknowledge anything")
		}
	}
	ended := make(chan error)
	go func() { ended <- end() }()
	for total := enough; ; total++ {
		select {
		case <-acknowledged: // the writers are at it all the time
		case err := <-ended:
			stop()
			writing.Wait()
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: %d writes were acknowledged", prefix, total)
			return journals
		}
	}
}

// journals makes the writers and their counters.
func (h *hub) journals(t *testing.T, workspaces []logicalcluster.Path, prefix string, acknowledged chan<- struct{}) []*journal {
	t.Helper()
	var journals []*journal
	for _, workspace := range workspaces {
		for i := range writersPerWorkspace {
			j := &journal{
				workspace: workspace, notes: h.in(workspace).CoreV1().ConfigMaps("default"),
				prefix:  fmt.Sprintf("%s-%d", prefix, i),
				created: map[string]bool{}, deleted: map[string]bool{}, unsure: map[string]bool{},
				acknowledged: acknowledged,
			}
			must(j.notes.Create(limit(t), note(j.counterName()), metav1.CreateOptions{}))(t)
			journals = append(journals, j)
		}
	}
	return journals
}

// journal is a writer and what it was told: what the hub acknowledged, and
// therefore must remember.
type journal struct {
	workspace logicalcluster.Path
	notes     typedcorev1.ConfigMapInterface
	prefix    string
	// created and deleted are names. A name in unsure was in flight when the hub
	// ended.
	created, deleted, unsure map[string]bool
	// counter is the last value acknowledged.
	counter int
	// acknowledged gets a value with every acknowledgement.
	acknowledged chan<- struct{}
}

func (j *journal) counterName() string { return j.prefix + "-counter" }

func (j *journal) name(n int) string { return fmt.Sprintf("%s-%d", j.prefix, n) }

// write creates, deletes and counts until the hub does not answer any more.
func (j *journal) write(ctx context.Context) {
	for n := 1; j.create(ctx, n) && (n%everyNth != 0 || j.remove(ctx, n)) && j.count(ctx, n); n++ {
	}
}

func (j *journal) create(ctx context.Context, n int) bool {
	j.unsure[j.name(n)] = true
	if _, err := j.notes.Create(ctx, note(j.name(n)), metav1.CreateOptions{}); err != nil {
		return false
	}
	delete(j.unsure, j.name(n))
	j.created[j.name(n)] = true
	return j.tell(ctx)
}

func (j *journal) remove(ctx context.Context, n int) bool {
	j.unsure[j.name(n)] = true
	if err := j.notes.Delete(ctx, j.name(n), metav1.DeleteOptions{}); err != nil {
		return false
	}
	delete(j.unsure, j.name(n))
	delete(j.created, j.name(n))
	j.deleted[j.name(n)] = true
	return j.tell(ctx)
}

func (j *journal) count(ctx context.Context, n int) bool {
	patch := fmt.Sprintf(`{"data":{"n":"%d"}}`, n)
	if _, err := j.notes.Patch(ctx, j.counterName(), types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		return false
	}
	j.counter = n
	return j.tell(ctx)
}

// tell passes on an acknowledgement. It is false when nobody listens any more.
func (j *journal) tell(ctx context.Context) bool {
	select {
	case j.acknowledged <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func note(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// check compares what the writers were told with what the hub has.
func (h *hub) check(t *testing.T, journals []*journal, end string) {
	t.Helper()
	for _, j := range journals {
		list := must(h.in(j.workspace).CoreV1().ConfigMaps("default").List(limit(t), metav1.ListOptions{}))(t)
		stored := map[string]string{}
		for _, item := range list.Items {
			// One that waits for its agent to let go is deleted as far as its owner knows.
			if item.DeletionTimestamp == nil {
				stored[item.Name] = item.Data["n"]
			}
		}
		for _, problem := range j.compare(stored) {
			t.Errorf("after %s in %s: %s", end, j.workspace, problem)
		}
	}
}

// compare says what of the journal is not in the store, or should not be.
func (j *journal) compare(stored map[string]string) []string {
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(j.created)) {
		if _, ok := stored[name]; !ok && !j.unsure[name] {
			problems = append(problems, name+" was created and is missing")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(j.deleted)) {
		if _, ok := stored[name]; ok {
			problems = append(problems, name+" was deleted and is there")
		}
	}
	// The patch in flight may have been stored without an answer.
	if n, _ := strconv.Atoi(stored[j.counterName()]); n < j.counter || n > j.counter+1 {
		problems = append(problems, fmt.Sprintf("the counter stands at %d, not at the acknowledged %d", n, j.counter))
	}
	return problems
}

// TestHubKilledWhileStarting ends a hub at several points of its first start;
// the next start has to make do with what is there.
func TestHubKilledWhileStarting(t *testing.T) {
	t.Parallel()
	h := ownHub(t, "early")
	if err := h.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(h.Dir); err != nil {
		t.Fatal(err)
	}
	for _, after := range []string{"pki/ca.crt", "etcd/member/snap/db", "admin.kubeconfig"} {
		h.killAfter(t, filepath.Join(h.Dir, filepath.FromSlash(after)))
	}
	if err := h.Start(limit(t)); err != nil {
		t.Fatal(err)
	}
	admin := must(h.Client())(t)
	_, err := client.Workspaces(admin, root).Get(limit(t), "compute", metav1.GetOptions{})
	if err != nil {
		t.Errorf("root is not furnished: %v", err)
	}
}

// killAfter starts the hub and kills it as soon as it has written a file.
func (h *hub) killAfter(t *testing.T, file string) {
	t.Helper()
	if err := h.Launch(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(file); err == nil {
			h.Kill()
			return
		}
		select {
		case <-h.Done():
			t.Fatalf("the hub ended before it wrote %s: %s", file, h.LogTail(5))
		case <-time.After(time.Millisecond): // files tell nobody that they are there
		}
	}
}
