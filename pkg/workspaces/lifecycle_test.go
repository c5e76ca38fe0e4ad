package workspaces

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// TestTranscripts replays testdata. Commands:
//
//	create in=<id> name=<name> id=<id> [type=<name>] [user=<name>]   as admission would store it
//	hold in=<id> name=<name> finalizer=<name>     a ConfigMap with a finalizer
//	unhold in=<id> name=<name>                    take its finalizer off
//	delete in=<id> name=<name>                    delete a Workspace
//	type name=<name> [initializer=true] [terminator=true]
//	                                              a WorkspaceType in root appears
//	untype name=<name>                            it is deleted
//	cluster in=<id> [initializers=<id>] [terminators=<id>] [inactive=<bool>]
//	                                              somebody changes a LogicalCluster; "none" empties a list
//	lose in=<id>                                  a LogicalCluster is gone without a trace
//	drop in=<id>                                  a LogicalCluster is deleted through the API
//	keep in=<id> name=<name> finalizer=<name>     put a finalizer on a Workspace, or with none take it off
//	lag                                           from now on the roles know no creator
//	caughtup in=<id>                              the roles know everybody, last the creator of a workspace
//	late in=<id> name=<name>                      a request that was under way stores a ConfigMap
//	steal in=<id> name=<name>                     remove a Workspace behind the hub's back
//	wait seconds=<n>                              time passes, everything is looked at again
//	restart                                       the hub is started again
//	state                                         all that is stored
//
// Every command prints what the hub wrote until it came to rest.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := newWorld()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "state" {
				return strings.Join(append(w.state(), "(end)"), "\n") + "\n"
			}
			w.run(t, d)
			asked := w.takeLog()
			w.settle()
			return asked + w.takeLog() + "(at rest)\n"
		})
	})
}

func (w *world) run(t *testing.T, d *datadriven.TestData) {
	arg := func(name string) string {
		for _, a := range d.CmdArgs {
			if a.Key == name {
				return a.Vals[0]
			}
		}
		return ""
	}
	in, name := logicalcluster.Name(arg("in")), arg("name")
	ctx := context.Background()
	var err error
	switch d.Cmd {
	case "create":
		err = w.create(in, name, arg("id"), arg("type"), arg("user"))
	case "hold":
		err = w.Create(ctx, in, configMapsGVR, newConfigMap("default", name, arg("finalizer")))
	case "unhold":
		at := address{in: in, gvr: configMapsGVR, namespace: "default", name: name}
		err = amend(w, at, "", func(obj *corev1.ConfigMap) error { obj.Finalizers = nil; return nil })
		w.life.wake(w.workspaceOf(in))
	case "delete":
		err = w.Delete(ctx, in, workspacesGVR, "", name, "")
	case "type":
		kind := &tenancyv1alpha1.WorkspaceType{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: stamped(nil, "root")}}
		kind.Spec.Initializer, kind.Spec.Terminator = arg("initializer") == "true", arg("terminator") == "true"
		w.types["root:"+name] = kind
		w.life.typeChanged(nil, kind, logicalcluster.Key{Workspace: "root", Name: name})
	case "untype":
		kind := w.types["root:"+name]
		delete(w.types, "root:"+name)
		w.life.typeChanged(kind, nil, logicalcluster.Key{Workspace: "root", Name: name})
	case "cluster":
		err = amend(w, clusterAt(in), "", func(c *corev1alpha1.LogicalCluster) error { edit(c, arg); return nil })
	case "lag":
		w.rolesLag = true
	case "caughtup":
		w.rolesLag = false
		w.life.bindingChanged(nil, &rbacv1.ClusterRoleBinding{}, logicalcluster.Key{Workspace: in, Name: prepare.AdminBindingName})
	case "lose":
		err = w.write("lose", clusterAt(in), func() error { delete(w.objects, clusterAt(in)); return nil })
	case "drop":
		err = w.Delete(ctx, in, logicalClustersGVR, "", corev1alpha1.LogicalClusterName, "")
	case "keep":
		err = amend(w, address{in: in, gvr: workspacesGVR, name: name}, "", func(workspace *tenancyv1alpha1.Workspace) error {
			workspace.Finalizers = slices.DeleteFunc(workspace.Finalizers, notOurs)
			if finalizer := arg("finalizer"); finalizer != "none" {
				workspace.Finalizers = append(workspace.Finalizers, finalizer)
			}
			return nil
		})
	case "late":
		_, err = w.CreateMissing(ctx, in, item{configMapsGVR, newConfigMap("default", name)})
		w.life.wakeOrphan(clusterKey(in))
	case "steal":
		at := address{in: in, gvr: workspacesGVR, name: name}
		err = w.write("steal", at, func() error { delete(w.objects, at); return nil })
	case "restart":
		w.restart()
	case "wait":
		w.clock.Step(10 * time.Second)
		w.wakeAll()
	default:
		t.Fatalf("unknown command %q", d.Cmd)
	}
	if err != nil {
		t.Fatalf("%s: %v", d.Pos, err)
	}
}

func clusterAt(in logicalcluster.Name) address {
	return address{in: in, gvr: logicalClustersGVR, name: corev1alpha1.LogicalClusterName}
}

// edit changes what others write in a LogicalCluster.
func edit(cluster *corev1alpha1.LogicalCluster, arg func(string) string) {
	if v := arg("initializers"); v != "" {
		cluster.Status.Initializers = names[corev1alpha1.LogicalClusterInitializer](v)
	}
	if v := arg("terminators"); v != "" {
		cluster.Status.Terminators = names[corev1alpha1.LogicalClusterTerminator](v)
	}
	if v := arg("inactive"); v != "" {
		if cluster.Annotations == nil {
			cluster.Annotations = map[string]string{}
		}
		cluster.Annotations[corev1alpha1.InactiveAnnotationKey] = v
	}
}

// names reads a list of names with plus signs between them.
func names[T ~string](list string) []T {
	var out []T
	for _, name := range strings.Split(list, "+") {
		if name != "none" {
			out = append(out, T(name))
		}
	}
	return out
}

func (w *world) wakeAll() {
	for at := range w.seen {
		if at.gvr == workspacesGVR {
			w.life.wake(logicalcluster.Key{Workspace: at.in, Name: at.name})
		}
	}
}

func (w *world) workspaceOf(id logicalcluster.Name) logicalcluster.Key {
	key, _ := w.directory.Owner(id)
	return key
}

// create stores a Workspace the way admission lets it through. Without an ID
// it is stored as if there were no admission.
func (w *world) create(in logicalcluster.Name, name, id, kind, creator string) error {
	workspace := &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	workspace.Status.Phase = corev1alpha1.LogicalClusterPhaseScheduling
	if kind != "" {
		workspace.Spec.Type = &tenancyv1alpha1.WorkspaceTypeReference{Path: "root", Name: tenancyv1alpha1.WorkspaceTypeName(kind)}
	}
	if id != "" {
		around := w.surroundings(in)
		around.Random = zeros{}
		info := &user.DefaultInfo{Name: creator, Groups: []string{"system:authenticated"}}
		if creator == "" {
			info.Groups = []string{user.SystemPrivilegedGroup}
		}
		if err := prepare.Create(workspace, info, around); err != nil {
			return err
		}
		workspace.Spec.Cluster = id
	}
	return w.Create(context.Background(), in, workspacesGVR, workspace)
}

// ask has a user ask for something: a new workspace, or the deletion of one with
// another below it. The hub has yet to act on it.
func ask(t *testing.T, w *world, deletion bool) {
	t.Helper()
	must(t, w.create("root", "org", "o1", "", "ann"))
	if !deletion {
		return
	}
	w.settle()
	must(t, w.create("o1", "team", "t1", "", "bob"))
	w.settle()
	must(t, w.Delete(context.Background(), "root", workspacesGVR, "", "org", ""))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestDeathAtEveryWrite lets the hub die before each single write of creating
// and deleting workspaces, starts it again, and expects the same outcome.
func TestDeathAtEveryWrite(t *testing.T) {
	for _, deleting := range []bool{false, true} {
		t.Run(fmt.Sprintf("deleting=%v", deleting), func(t *testing.T) {
			alive := newWorld()
			ask(t, alive, deleting)
			alive.settle()
			want := alive.state()
			deaths := 0
			for ; ; deaths++ {
				w := newWorld()
				ask(t, w, deleting)
				w.writesLeft = deaths
				if w.settle() {
					break
				}
				w.restart()
				w.settle()
				if diff := cmp.Diff(want, w.state()); diff != "" {
					t.Errorf("dead before write %d (-want +got):\n%s\nlog:\n%s", deaths, diff, strings.Join(w.log, "\n"))
				}
			}
			if deaths < 3 {
				t.Errorf("the hub wrote only %d times", deaths)
			}
		})
	}
}

// TestReadyMeansReady checks W1 at every moment: who sees a Workspace Ready
// finds everything in it, and this hub lets him in.
func TestReadyMeansReady(t *testing.T) {
	w := newWorld()
	must(t, w.create("root", "org", "o1", "", "ann"))
	for range 100 {
		w.deliver()
		if len(w.queue) == 0 {
			break
		}
		work := w.queue[0]
		w.queue = w.queue[1:]
		must(t, work(context.Background()))
		workspace := w.objects[address{in: "root", gvr: workspacesGVR, name: "org"}].(*tenancyv1alpha1.Workspace)
		if workspace.Status.Phase != corev1alpha1.LogicalClusterPhaseReady {
			continue
		}
		if entry, ok := w.directory.Resolve("root:org"); !ok || !entry.Ready() {
			t.Fatalf("the Workspace is Ready, but the directory says %v %+v", ok, entry)
		}
		if n := len(w.state()); n != 1+1+1+2+2+2 {
			t.Fatalf("the Workspace is Ready with %d objects:\n%s", n, strings.Join(w.state(), "\n"))
		}
		return
	}
	t.Fatal("never became ready")
}

func TestNext(t *testing.T) {
	workspace := func(edit ...func(*tenancyv1alpha1.Workspace)) *tenancyv1alpha1.Workspace {
		w := &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "w", Finalizers: []string{corev1alpha1.LogicalClusterFinalizer}}}
		w.Spec.Cluster = "c1"
		w.Spec.Type = &tenancyv1alpha1.WorkspaceTypeReference{Path: "root", Name: "universal"}
		for _, e := range edit {
			e(w)
		}
		return w
	}
	deleted := func(w *tenancyv1alpha1.Workspace) { w.DeletionTimestamp = &metav1.Time{Time: start} }
	released := func(w *tenancyv1alpha1.Workspace) { w.Finalizers = []string{"somebody.else/finalizer"} }
	cluster := func(initializers ...corev1alpha1.LogicalClusterInitializer) *corev1alpha1.LogicalCluster {
		c := &corev1alpha1.LogicalCluster{Spec: corev1alpha1.LogicalClusterSpec{Initializers: initializers}}
		begin(c, "https://hub", &tenancyv1alpha1.Workspace{}, false, start)
		return c
	}
	edited := func(c *corev1alpha1.LogicalCluster, edits ...func(*corev1alpha1.LogicalCluster)) *corev1alpha1.LogicalCluster {
		c = c.DeepCopy()
		for _, e := range edits {
			e(c)
		}
		return c
	}
	asleep := func(c *corev1alpha1.LogicalCluster) {
		c.Annotations = map[string]string{corev1alpha1.InactiveAnnotationKey: "true"}
	}
	awake := func(c *corev1alpha1.LogicalCluster) { c.Annotations = nil }
	dying := func(c *corev1alpha1.LogicalCluster) { c.DeletionTimestamp = &metav1.Time{Time: start} }
	terminated := func(c *corev1alpha1.LogicalCluster) {
		c.Status.Terminators = []corev1alpha1.LogicalClusterTerminator{"root:x"}
	}
	unterminated := func(c *corev1alpha1.LogicalCluster) { c.Status.Terminators = nil }
	settle2 := func(c *corev1alpha1.LogicalCluster) { settle(c, false, start) }
	settle3 := func(c *corev1alpha1.LogicalCluster) { settle(c, true, start) }
	ready := cluster()
	reportedAs := func(c *corev1alpha1.LogicalCluster) func(*tenancyv1alpha1.Workspace) {
		return func(w *tenancyv1alpha1.Workspace) { w.Status = reportedStatus(w.Status, c, start) }
	}
	labelledToo := func(w *tenancyv1alpha1.Workspace) { label(w) }
	for name, tc := range map[string]struct {
		facts facts
		want  step
	}{
		"no ID":                          {facts{workspace: workspace(func(w *tenancyv1alpha1.Workspace) { w.Spec.Cluster = "" })}, stepAssign},
		"mounts are left alone":          {facts{workspace: workspace(func(w *tenancyv1alpha1.Workspace) { w.Spec.Mount = &tenancyv1alpha1.Mount{} })}, stepRest},
		"somebody else's ID":             {facts{workspace: workspace(), cluster: ready}, stepRefuseID},
		"unknown type":                   {facts{workspace: workspace(), owned: true, typeTrouble: &prepare.Unresolved{}}, stepRefuseType},
		"new":                            {facts{workspace: workspace(), owned: true}, stepFurnish},
		"half furnished":                 {facts{workspace: workspace(), owned: true, cluster: &corev1alpha1.LogicalCluster{}}, stepFurnish},
		"initializers at work":           {facts{workspace: workspace(), owned: true, cluster: cluster("abc:x")}, stepReport},
		"initializers at work, reported": {facts{workspace: workspace(reportedAs(cluster("abc:x")), labelledToo), owned: true, cluster: cluster("abc:x")}, stepRest},
		"one initializer is done":        {facts{workspace: workspace(), owned: true, cluster: edited(cluster("abc:x", "abc:y"), func(c *corev1alpha1.LogicalCluster) { c.Status.Initializers = c.Status.Initializers[:1] })}, stepSettle},
		"initializers done":              {facts{workspace: workspace(), owned: true, cluster: edited(cluster("abc:x"), func(c *corev1alpha1.LogicalCluster) { c.Status.Initializers = nil })}, stepSettle},
		"furnished":                      {facts{workspace: workspace(), owned: true, cluster: ready}, stepReport},
		"the roles lag":                  {facts{workspace: workspace(), owned: true, cluster: ready, unadmitted: true}, stepAwaitAdmin},
		"the roles lag, initializing":    {facts{workspace: workspace(), owned: true, cluster: cluster("abc:x"), unadmitted: true}, stepReport},
		"the roles lag, in use":          {facts{workspace: workspace(reportedAs(ready)), owned: true, cluster: ready, unadmitted: true}, stepReport},
		"reported":                       {facts{workspace: workspace(reportedAs(ready)), owned: true, cluster: ready}, stepReport},
		"labelled":                       {facts{workspace: workspace(reportedAs(ready), labelledToo), owned: true, cluster: ready}, stepRest},
		"the inside was lost":            {facts{workspace: workspace(reportedAs(ready), labelledToo), owned: true}, stepRestore},
		"the inside was lost, type too":  {facts{workspace: workspace(reportedAs(ready), labelledToo), owned: true, typeTrouble: &prepare.Unresolved{}}, stepRestore},
		"lost while initializing":        {facts{workspace: workspace(reportedAs(cluster("abc:x"))), owned: true}, stepFurnish},
		"put to sleep":                   {facts{workspace: workspace(reportedAs(ready), labelledToo), owned: true, cluster: edited(ready, asleep)}, stepSettle},
		"asleep":                         {facts{workspace: workspace(reportedAs(ready), labelledToo), owned: true, cluster: edited(ready, asleep, settle2)}, stepReport},
		"woken up":                       {facts{workspace: workspace(), owned: true, cluster: edited(ready, asleep, settle2, awake)}, stepSettle},
		"a forged label":                 {facts{workspace: workspace(reportedAs(ready), labelledToo), owned: true, cluster: edited(ready, func(c *corev1alpha1.LogicalCluster) { c.Labels[corev1alpha1.InitializerLabelPrefix+"x"] = "y" })}, stepSettle},
		"the inside was deleted":         {facts{workspace: workspace(reportedAs(ready), labelledToo), owned: true, cluster: edited(ready, dying)}, stepFollow},
		"somebody else's was deleted":    {facts{workspace: workspace(), cluster: edited(ready, dying)}, stepRefuseID},
		"deleted":                        {facts{workspace: workspace(deleted), owned: true, cluster: ready}, stepRemove},
		"deleted from the inside":        {facts{workspace: workspace(deleted), owned: true, cluster: edited(ready, dying)}, stepRemove},
		"deleted while asleep":           {facts{workspace: workspace(deleted), owned: true, cluster: edited(ready, asleep, settle2)}, stepRemove},
		"deleted while it was new":       {facts{workspace: workspace(deleted), owned: true}, stepRemove},
		"deleted, with terminators":      {facts{workspace: workspace(deleted), owned: true, cluster: edited(ready, terminated)}, stepSettle},
		"terminators at work":            {facts{workspace: workspace(deleted), owned: true, cluster: edited(ready, terminated, settle3)}, stepReport},
		"terminators at work, reported":  {facts{workspace: workspace(deleted, reportedAs(edited(ready, terminated, settle3)), labelledToo), owned: true, cluster: edited(ready, terminated, settle3)}, stepRest},
		"terminators done":               {facts{workspace: workspace(deleted), owned: true, cluster: edited(ready, terminated, settle3, unterminated)}, stepSettle},
		"terminators done, and said so":  {facts{workspace: workspace(deleted), owned: true, cluster: edited(ready, terminated, settle3, unterminated, settle3)}, stepRemove},
		"somebody else's terminators":    {facts{workspace: workspace(deleted), cluster: edited(ready, terminated)}, stepRemove},
		"deleted and released by us":     {facts{workspace: workspace(deleted, released), owned: true}, stepRest},
	} {
		t.Run(name, func(t *testing.T) {
			if got := next(tc.facts); got != tc.want {
				t.Errorf("next() = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestRemainderString(t *testing.T) {
	var left remainder
	for i := range 7 {
		left.add(configMapsGVR.GroupResource(), metav1.PartialObjectMetadata{ObjectMeta: newConfigMap("default", fmt.Sprintf("c%d", i), "a/b").ObjectMeta})
	}
	var other remainder
	other.add(namespacesGVR.GroupResource(), metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "n", Finalizers: []string{"z/z", "a/a"}}})
	left.merge(other)
	want := "1 namespaces (n; finalizers: a/a, z/z); 7 configmaps (default/c0, default/c1, default/c2, default/c3, default/c4 and 2 more; finalizers: a/b)"
	if got := left.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestServed(t *testing.T) {
	s := sweeper{resources: newWorld().resources}
	served, err := s.served(context.Background(), "c1")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, gvr := range served {
		got = append(got, gvr.GroupVersion().String()+" "+gvr.Resource)
	}
	slices.Sort(got)
	want := []string{"core.kcp.io/v1alpha1 logicalclusters", "tenancy.kcp.io/v1alpha1 workspaces", "v1 configmaps", "v1 namespaces", "v1 serviceaccounts"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
