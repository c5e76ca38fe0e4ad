package syncer

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/atriumhub/atrium/pkg/syncer/transform"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var (
	testTarget = transform.Target{Workspace: "compute1", Name: "eu", UID: "0a1b"}
	testKey    = testTarget.Key()
)

func childNamespace(workspace logicalcluster.Name, namespace string) string {
	return testTarget.Locate(workspace, namespace).ChildNamespace()
}

// stage is a hub, a child and an agent between them.
type stage struct {
	t          *testing.T
	hub, child *apiServer
	agent      *Syncer
	ended      <-chan error
	stop       func() error
}

func newStage(t *testing.T) *stage {
	kinds := map[string]string{
		"namespaces": "Namespace", "configmaps": "ConfigMap", "deployments.apps": "Deployment",
		"horizontalpodautoscalers.autoscaling": "HorizontalPodAutoscaler",
	}
	s := &stage{t: t, child: newAPIServer(t, "", kinds)}
	hubKinds := map[string]string{"synctargets.workload.kcp.io": "SyncTarget"}
	for resource, kind := range kinds {
		hubKinds[resource] = kind
	}
	s.hub = newAPIServer(t, testTarget.UID, hubKinds)
	s.hub.edit(targetAddress, func(obj *unstructured.Unstructured) { obj.SetUID("0a1b") })
	return s
}

var targetAddress = address{workspace: "compute1", resource: "synctargets.workload.kcp.io", name: "eu"}

func connectTo(s *apiServer, path string) *rest.Config {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return &rest.Config{Host: s.URL + path, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}
}

// start runs the agent until the test ends or stop is called.
func (s *stage) start() {
	s.t.Helper()
	agent, err := New(Config{
		Hub: connectTo(s.hub, "/clusters/root:compute"), Child: connectTo(s.child, ""),
		SyncTarget: "eu", UID: "0a1b", HeartbeatInterval: time.Second,
		Resources: []string{"configmaps", "deployments.apps", "horizontalpodautoscalers.autoscaling"},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.agent = agent
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- agent.Run(ctx); close(ended) }()
	s.ended = ended
	s.stop = func() error {
		cancel()
		return s.end()
	}
	s.t.Cleanup(func() {
		if err := s.stop(); err != nil {
			s.t.Error(err)
		}
	})
	s.until("the agent is ready", func() bool { return agent.Ready() == nil })
}

// end waits for the agent to end. The second time there is nothing to tell.
func (s *stage) end() error {
	select {
	case err := <-s.ended:
		return err
	case <-time.After(20 * time.Second):
		return errors.New("the agent does not end")
	}
}

// until waits for a change of either side that makes a condition true.
func (s *stage) until(what string, condition func() bool) {
	s.t.Helper()
	deadline := time.After(30 * time.Second)
	for !condition() {
		s.hub.mu.Lock()
		hubChanged := s.hub.changed
		s.hub.mu.Unlock()
		s.child.mu.Lock()
		childChanged := s.child.changed
		s.child.mu.Unlock()
		if condition() {
			return
		}
		select {
		case <-hubChanged:
		case <-childChanged:
		case <-time.After(50 * time.Millisecond): // what the agent knows changes without a write
		case <-deadline:
			s.t.Fatalf("after 30 s it is not so that %s; hub %v, child %v", what, s.hub.list(), s.child.list())
		}
	}
}

func hubAt(workspace, resource, namespace, name string) address {
	return address{workspace, resource, namespace, name}
}

func childAt(workspace logicalcluster.Name, resource, namespace, name string) address {
	return address{"", resource, childNamespace(workspace, namespace), name}
}

// placeNamespace makes a namespace that is assigned to the target.
func (s *stage) placeNamespace(workspace, namespace string) {
	s.hub.edit(hubAt(workspace, "namespaces", "", namespace), func(obj *unstructured.Unstructured) {
		obj.SetLabels(map[string]string{"state.workload.kcp.io/" + testKey: "Sync"})
	})
}

// place makes an object that is assigned to the target.
func (s *stage) place(at address, change func(*unstructured.Unstructured)) {
	s.hub.edit(at, func(obj *unstructured.Unstructured) {
		obj.SetLabels(map[string]string{"state.workload.kcp.io/" + testKey: "Sync"})
		obj.SetFinalizers([]string{"workload.kcp.io/syncer-" + testKey})
		obj.SetGeneration(obj.GetGeneration() + 1)
		change(obj)
	})
}

func set(value any, path ...string) func(*unstructured.Unstructured) {
	return func(obj *unstructured.Unstructured) {
		if err := unstructured.SetNestedField(obj.Object, value, path...); err != nil {
			panic(err)
		}
	}
}

func field(obj *unstructured.Unstructured, path ...string) any {
	if obj == nil {
		return nil
	}
	value, _, _ := unstructured.NestedFieldNoCopy(obj.Object, path...)
	return value
}

func TestLife(t *testing.T) {
	s := newStage(t)
	s.start()
	s.placeNamespace("ws1", "web")
	s.placeNamespace("ws2", "web")
	// Equal names in two workspaces are two objects.
	for _, ws := range []string{"ws1", "ws2"} {
		s.place(hubAt(ws, "deployments.apps", "web", "d"), set(int64(len(ws)+int(ws[2])), "spec", "size"))
	}
	for _, ws := range []logicalcluster.Name{"ws1", "ws2"} {
		s.until("the copy is there", func() bool {
			return field(s.child.get(childAt(ws, "deployments.apps", "web", "d")), "spec", "size") == int64(3+int(ws[2]))
		})
		namespace := s.child.get(address{"", "namespaces", "", childNamespace(ws, "web")})
		if got, want := namespace.GetAnnotations()["kcp.io/namespace-locator"], testTarget.Locate(ws, "web").String(); got != want {
			t.Errorf("the locator is %s", got)
		}
	}

	hubObject, copyOf := hubAt("ws1", "deployments.apps", "web", "d"), childAt("ws1", "deployments.apps", "web", "d")
	s.child.edit(copyOf, func(obj *unstructured.Unstructured) {
		obj.SetGeneration(9)
		set(map[string]any{"observedGeneration": int64(9), "ready": true}, "status")(obj)
	})
	s.until("the status is in the hub", func() bool { return field(s.hub.get(hubObject), "status", "ready") == true })
	if got := field(s.hub.get(hubObject), "status", "observedGeneration"); got != int64(1) {
		t.Errorf("observed generation is %v, in a hub that counts to 1", got)
	}
	if field(s.hub.get(hubAt("ws2", "deployments.apps", "web", "d")), "status") != nil {
		t.Error("the status went to the other workspace too")
	}

	s.child.edit(copyOf, set("meddled", "spec", "size"))
	s.until("the spec is restored", func() bool { return field(s.child.get(copyOf), "spec", "size") == int64(52) })

	s.hub.drop(hubObject)
	s.until("object and copy are gone", func() bool { return s.hub.get(hubObject) == nil && s.child.get(copyOf) == nil })

	s.hub.edit(hubAt("ws2", "deployments.apps", "web", "d"), set("2026-01-01T00:00:00Z", "metadata", "annotations", "deletion.internal.workload.kcp.io/"+testKey))
	s.until("the object is released", func() bool {
		obj := s.hub.get(hubAt("ws2", "deployments.apps", "web", "d"))
		return len(obj.GetFinalizers()) == 0 && len(obj.GetLabels()) == 0 && len(obj.GetAnnotations()) == 1
	})
	if s.child.get(childAt("ws2", "deployments.apps", "web", "d")) != nil {
		t.Error("the object was released although there is a copy")
	}

	for _, ws := range []string{"ws1", "ws2"} {
		s.hub.edit(hubAt(ws, "namespaces", "", "web"), func(obj *unstructured.Unstructured) { obj.SetLabels(nil) })
	}
	s.until("the child is clean", func() bool { return len(s.child.list()) == 0 })
}

// TestQuiet: what needs nothing gets no writes, also after a restart.
func TestQuiet(t *testing.T) {
	s := newStage(t)
	s.placeNamespace("ws1", "web")
	for i := range 20 {
		s.place(hubAt("ws1", "configmaps", "web", fmt.Sprintf("c%d", i)), set("x", "data", "k"))
	}
	s.start()
	s.until("all copies are there", func() bool { return len(s.child.list()) == 21 })
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if writes := s.child.writes(); len(writes) != 21 {
		t.Errorf("there were %d writes for 20 objects and a namespace: %v", len(writes), writes)
	}
	s.hub.edit(hubAt("ws1", "configmaps", "web", "c7"), set("y", "data", "k"))
	s.start()
	s.until("the change is there", func() bool { return field(s.child.get(childAt("ws1", "configmaps", "web", "c7")), "data", "k") == "y" })
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"APPLY configmaps c7"}, s.child.writes()); diff != "" {
		t.Errorf("writes after a restart (-want +got):\n%s", diff)
	}
}

// TestGarbage: what happened while the agent was away is made up for, and what
// is not its own stays.
func TestGarbage(t *testing.T) {
	s := newStage(t)
	s.placeNamespace("ws1", "web")
	s.place(hubAt("ws1", "configmaps", "web", "vanishes"), set("x", "data", "k"))
	s.place(hubAt("ws1", "configmaps", "web", "stays"), set("x", "data", "k"))
	s.start()
	s.until("the copies are there", func() bool { return len(s.child.list()) == 3 })
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	// Somebody forces the object out of the hub; an earlier sync target of the
	// same name left a namespace; others use the label, too.
	s.hub.edit(hubAt("ws1", "configmaps", "web", "vanishes"), func(obj *unstructured.Unstructured) { obj.SetFinalizers(nil) })
	s.hub.drop(hubAt("ws1", "configmaps", "web", "vanishes"))
	ours := map[string]string{"internal.workload.kcp.io/cluster": testKey}
	former := testTarget
	former.UID = "dead"
	s.child.edit(address{"", "namespaces", "", former.Locate("ws1", "web").ChildNamespace()}, func(obj *unstructured.Unstructured) {
		obj.SetLabels(ours)
		obj.SetAnnotations(map[string]string{"kcp.io/namespace-locator": former.Locate("ws1", "web").String()})
	})
	s.child.edit(address{"", "namespaces", "", "theirs"}, func(obj *unstructured.Unstructured) {
		obj.SetLabels(ours)
		obj.SetAnnotations(map[string]string{"kcp.io/namespace-locator": former.Locate("ws1", "web").String()})
	})
	s.child.edit(address{"", "configmaps", "theirs", "c"}, func(obj *unstructured.Unstructured) { obj.SetLabels(ours) })
	s.start()
	want := map[string]bool{
		" namespaces  theirs":                                    true,
		" configmaps theirs c":                                   true,
		" namespaces  " + childNamespace("ws1", "web"):           true,
		" configmaps " + childNamespace("ws1", "web") + " stays": true,
	}
	s.until("only garbage is gone", func() bool { return cmp.Equal(want, s.child.list()) })
}

func TestNotOurs(t *testing.T) {
	s := newStage(t)
	s.start()
	s.placeNamespace("ws1", "web")
	s.place(hubAt("ws1", "configmaps", "web", "first"), set("x", "data", "k"))
	s.until("the namespace is there", func() bool { return s.child.get(childAt("ws1", "configmaps", "web", "first")) != nil })
	taken := childAt("ws1", "configmaps", "web", "taken")
	s.child.edit(taken, set("theirs", "data", "k"))
	s.place(hubAt("ws1", "configmaps", "web", "taken"), set("ours", "data", "k"))
	s.place(hubAt("ws1", "configmaps", "web", "last"), set("x", "data", "k"))
	s.until("the others are copied", func() bool { return s.child.get(childAt("ws1", "configmaps", "web", "last")) != nil })
	s.hub.drop(hubAt("ws1", "configmaps", "web", "taken"))
	s.until("the object may go", func() bool { return s.hub.get(hubAt("ws1", "configmaps", "web", "taken")) == nil })
	if got := field(s.child.get(taken), "data", "k"); got != "theirs" {
		t.Errorf("somebody else's object is %v now", got)
	}

	// A namespace that has the name of ours but is not.
	s.child.edit(address{"", "namespaces", "", childNamespace("ws1", "squatted")}, func(*unstructured.Unstructured) {})
	s.placeNamespace("ws1", "squatted")
	s.place(hubAt("ws1", "configmaps", "squatted", "c"), set("x", "data", "k"))
	s.place(hubAt("ws1", "configmaps", "web", "after"), set("x", "data", "k"))
	s.until("the others are copied", func() bool { return s.child.get(childAt("ws1", "configmaps", "web", "after")) != nil })
	if s.child.get(childAt("ws1", "configmaps", "squatted", "c")) != nil {
		t.Error("the agent wrote into a namespace that is not its own")
	}
}

// TestCuts: each side is cut off in turn, and what happened meanwhile arrives.
func TestCuts(t *testing.T) {
	s := newStage(t)
	s.start()
	s.placeNamespace("ws1", "web")
	s.place(hubAt("ws1", "configmaps", "web", "c"), set("1", "data", "k"))
	copyOf := childAt("ws1", "configmaps", "web", "c")
	s.until("the copy is there", func() bool { return field(s.child.get(copyOf), "data", "k") == "1" })

	s.hub.setCut(true)
	s.until("the agent knows", func() bool { return s.agent.hubLine.trouble() != "" })
	s.hub.edit(hubAt("ws1", "configmaps", "web", "c"), set("2", "data", "k"))
	s.hub.setCut(false)
	s.until("the change is there", func() bool { return field(s.child.get(copyOf), "data", "k") == "2" })

	s.child.setCut(true)
	s.until("the agent knows", func() bool { return s.agent.childLine.trouble() != "" })
	s.hub.edit(hubAt("ws1", "configmaps", "web", "c"), set("3", "data", "k"))
	s.child.drop(copyOf)
	s.child.setCut(false)
	s.until("the change is there", func() bool { return field(s.child.get(copyOf), "data", "k") == "3" })
}

// TestReplaced: an agent stops as soon as its SyncTarget is another one.
func TestReplaced(t *testing.T) {
	s := newStage(t)
	s.start()
	s.hub.drop(targetAddress)
	s.hub.edit(targetAddress, func(obj *unstructured.Unstructured) { obj.SetUID("new1") })
	err := s.end()
	if !errors.Is(err, ErrReplaced) || !strings.Contains(err.Error(), "new1") || !strings.Contains(err.Error(), "kubectl atrium sync eu") {
		t.Errorf("the agent ended with %v", err)
	}
}

// TestScaled: who scales in the child is not overruled from the hub.
func TestScaled(t *testing.T) {
	s := newStage(t)
	s.start()
	s.placeNamespace("ws1", "web")
	s.place(hubAt("ws1", "deployments.apps", "web", "d"), set(int64(2), "spec", "replicas"))
	copyOf := childAt("ws1", "deployments.apps", "web", "d")
	s.until("the copy is there", func() bool { return field(s.child.get(copyOf), "spec", "replicas") == int64(2) })
	s.place(hubAt("ws1", "horizontalpodautoscalers.autoscaling", "web", "h"), set(map[string]any{"kind": "Deployment", "name": "d"}, "spec", "scaleTargetRef"))
	s.until("the number is not sent", func() bool { return field(s.child.get(copyOf), "spec", "replicas") == nil })
	s.child.edit(copyOf, set(int64(5), "spec", "replicas"))
	s.place(hubAt("ws1", "configmaps", "web", "c"), set("x", "data", "k"))
	s.until("the agent went on", func() bool { return s.child.get(childAt("ws1", "configmaps", "web", "c")) != nil })
	s.hub.drop(hubAt("ws1", "horizontalpodautoscalers.autoscaling", "web", "h"))
	s.until("the number is sent again", func() bool { return field(s.child.get(copyOf), "spec", "replicas") == int64(2) })
}

// TestReports: the SyncTarget says what is copied and what cannot be.
func TestReports(t *testing.T) {
	s := newStage(t)
	delete(s.hub.kinds, "horizontalpodautoscalers.autoscaling")
	s.start()
	s.until("the hub knows", func() bool { return field(s.hub.get(targetAddress), "status", "syncedResources") != nil })
	var got []string
	for _, r := range field(s.hub.get(targetAddress), "status", "syncedResources").([]any) {
		r := r.(map[string]any)
		got = append(got, fmt.Sprint(r["resource"], " ", r["state"], " ", r["versions"]))
	}
	want := []string{"configmaps Accepted [v1]", "deployments Accepted [v1]", "horizontalpodautoscalers Pending [v1]"}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
	first := field(s.hub.get(targetAddress), "status", "lastSyncerHeartbeatTime")
	s.until("it beats again", func() bool {
		return field(s.hub.get(targetAddress), "status", "lastSyncerHeartbeatTime") != first
	})
}
