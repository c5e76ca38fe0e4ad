package e2e

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/atriumhub/atrium/pkg/failpoint"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// deaths are all steps of the life of a workspace at which the hub is to die, by
// what somebody asked for when it does. held is whether an object in the workspace
// has a finalizer.
var deaths = []death{
	{deed: toCreate, moment: moment{step: failpoint.CreateContent}},
	{deed: toCreate, moment: moment{step: failpoint.CreateCluster}},
	{deed: toCreate, moment: moment{step: failpoint.AmendWorkspace}},
	{deed: toRest, moment: moment{step: failpoint.AmendCluster}},
	{deed: toRest, moment: moment{step: failpoint.AmendWorkspace}},
	{deed: toRemove, moment: moment{step: failpoint.DeleteWorkspace}},
	{deed: toRemove, moment: moment{step: failpoint.AmendCluster}},
	{deed: toRemove, moment: moment{step: failpoint.AmendWorkspace}},
	{deed: toRemove, moment: moment{step: failpoint.DeleteObject}, held: true},
	{deed: toRemove, moment: moment{step: failpoint.PurgeObjects}},
	{deed: toRemove, moment: moment{step: failpoint.PurgeDefinitions}},
	{deed: toRemove, moment: moment{step: failpoint.PurgeCluster}},
	{deed: toRemove, moment: moment{step: failpoint.Release}},
}

type deed string

const (
	toCreate deed = "create"
	toRest   deed = "put to rest"
	toRemove deed = "delete"
)

// death is one row of the table. Each has a workspace of its own, whose name is
// also its ID, with another below it.
type death struct {
	deed deed
	moment
	held bool
	name string
}

func (d death) String() string {
	return fmt.Sprintf("%s, dead %s", d.deed, d.point())
}

func (d death) path() logicalcluster.Path  { return root.Join(d.name) }
func (d death) child() logicalcluster.Name { return logicalcluster.Name(d.name + "c") }

// subject is for whom the point is armed.
func (d death) subject() string {
	if d.step == failpoint.DeleteWorkspace {
		return d.child().String()
	}
	return d.name
}

// TestHubDiesAtEveryStep kills the hub before and after each step of creating and
// deleting workspaces. Once it runs again, every workspace has to be ready or
// gone, without any help, and nothing may be left of those that are gone.
func TestHubDiesAtEveryStep(t *testing.T) {
	t.Parallel()
	const hubs = 2
	run := mortalRuns.Add(1)
	var shares [hubs][]death
	n := 0
	for _, d := range deaths {
		for _, d.after = range []bool{false, true} {
			d.name = fmt.Sprintf("x%02d", n)
			shares[n%hubs] = append(shares[n%hubs], d)
			n++
		}
	}
	for i, share := range shares {
		t.Run(fmt.Sprintf("hub %d", i), func(t *testing.T) {
			t.Parallel()
			m := newMortal(t, fmt.Sprintf("mortal-%d-%d", run, i))
			m.together(t, share, m.prepare)
			dieOf(t, m, share, m.do, m.check)
		})
	}
}

// mortalRuns tells apart the hubs of repeated runs: -count.
var mortalRuns atomic.Int32

// mortal is a hub that dies again and again, and somebody with its own privileges.
type mortal struct {
	*hub
	shard *client.Hub
}

func newMortal(t *testing.T, name string) *mortal {
	t.Helper()
	h := ownHub(t, name)
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: h.Kubeconfig}
	config := must(clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: "shard-base"}).ClientConfig())(t)
	return &mortal{hub: h, shard: must(client.New(client.Unthrottled(config)))(t)}
}

// dying is a row that names the point at which the hub is to die, and for whom that
// is armed.
type dying interface {
	point() string
	subject() string
}

// moment is the point before a step, or after it.
type moment struct {
	step  failpoint.Step
	after bool
}

func (m moment) point() string {
	if m.after {
		return m.step.After()
	}
	return m.step.Before()
}

func (m moment) String() string { return m.point() }

// momentsOf are the points of some steps, in order.
func momentsOf(steps []failpoint.Step) []moment {
	var all []moment
	for _, step := range steps {
		all = append(all, moment{step, false}, moment{step, true})
	}
	return all
}

// dieOf has the hub die of each row: of what do asks for, which it may do before it
// answers. check looks at what has become of it when the hub runs again.
func dieOf[D dying](t *testing.T, m *mortal, all []D, do func(context.Context, D) error, check func(*testing.T, D)) {
	t.Helper()
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	for i, d := range all {
		m.rise(t, failpoint.Env+"="+d.point()+"@"+d.subject())
		if i > 0 {
			check(t, all[i-1])
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := do(ctx, d)
		cancel()
		var refused apierrors.APIStatus
		if errors.As(err, &refused) {
			t.Fatalf("%v: %v", d, err)
		}
		err = m.Wait(limit(t))
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("%v: the hub did not kill itself: %v", d, err)
		}
	}
	m.rise(t)
	check(t, all[len(all)-1])
}

// rise starts the hub with env in its environment.
func (m *mortal) rise(t *testing.T, env ...string) {
	t.Helper()
	m.Env = env
	if err := m.Start(limit(t)); err != nil {
		t.Fatal(err)
	}
}

// together calls f for all rows, several at a time.
func (m *mortal) together(t *testing.T, all []death, f func(context.Context, death) error) {
	t.Helper()
	var working sync.WaitGroup
	errs := make([]error, len(all))
	for i, d := range all {
		working.Go(func() { errs[i] = f(limit(t), d) })
	}
	working.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// prepare makes what a row is about.
func (m *mortal) prepare(ctx context.Context, d death) error {
	if d.deed == toCreate {
		return nil
	}
	if err := m.make(ctx, root, d.name); err != nil {
		return err
	}
	if err := m.make(ctx, d.path(), d.child().String()); err != nil {
		return err
	}
	if err := m.post(ctx, d.path(), "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", bannerCRD("integer")); err != nil {
		return err
	}
	if err := again(ctx, func() error {
		return m.post(ctx, d.path(), "/apis/example.io/v1/namespaces/default/banners", banner("300"))
	}); err != nil {
		return err
	}
	note := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "precious"}}
	if d.held {
		note.Finalizers = []string{"example.io/backup"}
	}
	_, err := m.shard.Kubernetes(d.path()).CoreV1().ConfigMaps("default").Create(ctx, note, metav1.CreateOptions{})
	return err
}

// post creates the object that body describes.
func (m *mortal) post(ctx context.Context, in logicalcluster.Path, path, body string) error {
	return m.shard.REST().Post().AbsPath(in.RequestPath()+path).Body([]byte(body)).SetHeader("Content-Type", "application/json").Do(ctx).Error()
}

// make creates a workspace whose ID is its name, and waits until it is ready.
func (m *mortal) make(ctx context.Context, parent logicalcluster.Path, name string) error {
	if err := m.ask(ctx, parent, name); err != nil {
		return err
	}
	return again(ctx, func() error { return m.phase(ctx, parent, name, corev1alpha1.LogicalClusterPhaseReady) })
}

func (m *mortal) ask(ctx context.Context, parent logicalcluster.Path, name string) error {
	workspace := &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: tenancyv1alpha1.WorkspaceSpec{Cluster: name}}
	workspace.Spec.Type = &tenancyv1alpha1.WorkspaceTypeReference{Path: "root", Name: "universal"}
	_, err := client.Workspaces(m.shard, parent).Create(ctx, workspace, metav1.CreateOptions{})
	return err
}

// phase returns an error unless a Workspace says phase.
func (m *mortal) phase(ctx context.Context, parent logicalcluster.Path, name string, phase corev1alpha1.LogicalClusterPhaseType) error {
	workspace, err := client.Workspaces(m.shard, parent).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if workspace.Status.Phase != phase {
		return fmt.Errorf("workspace %s is %s, not %s: %+v", name, workspace.Status.Phase, phase, workspace.Status.Conditions)
	}
	return nil
}

// again tries until it works.
func again(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond): // read models tell nobody outside when they have caught up
		}
	}
}

// do asks for what the hub is to die of.
func (m *mortal) do(ctx context.Context, d death) error {
	switch d.deed {
	case toCreate:
		return m.ask(ctx, root, d.name)
	case toRest:
		return m.shard.REST().Patch(types.MergePatchType).AbsPath(d.path().RequestPath() + "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster").
			Body([]byte(`{"metadata":{"annotations":{"core.kcp.io/inactive":"true"}}}`)).Do(ctx).Error()
	default:
		return client.Workspaces(m.shard, root).Delete(ctx, d.name, metav1.DeleteOptions{})
	}
}

// check waits for the outcome and looks at what is left.
func (m *mortal) check(t *testing.T, d death) {
	t.Helper()
	ctx := limit(t)
	var err error
	switch d.deed {
	case toCreate:
		if err = again(ctx, func() error { return m.phase(ctx, root, d.name, corev1alpha1.LogicalClusterPhaseReady) }); err == nil {
			err = m.furnished(ctx, d.path())
		}
	case toRest:
		err = again(ctx, func() error { return m.phase(ctx, root, d.name, corev1alpha1.LogicalClusterPhaseInactive) })
	case toRemove:
		if d.held {
			m.letGo(t, d)
		}
		err = again(ctx, func() error {
			if err := m.phase(ctx, root, d.name, ""); !apierrors.IsNotFound(err) {
				return fmt.Errorf("not gone: %w", err)
			}
			return nil
		})
		m.checkKeys(t, d)
	}
	if err != nil {
		t.Errorf("%s: %v", d, err)
	}
}

// furnished looks for what every workspace begins with.
func (m *mortal) furnished(ctx context.Context, path logicalcluster.Path) error {
	core := m.shard.Kubernetes(path).CoreV1()
	for _, namespace := range []string{"default", "kube-system"} {
		if _, err := core.Namespaces().Get(ctx, namespace, metav1.GetOptions{}); err != nil {
			return err
		}
		if _, err := core.ServiceAccounts(namespace).Get(ctx, "default", metav1.GetOptions{}); err != nil {
			return err
		}
		if _, err := core.ConfigMaps(namespace).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// letGo takes the finalizer off, once the hub has asked for the deletion.
func (m *mortal) letGo(t *testing.T, d death) {
	t.Helper()
	ctx := limit(t)
	notes := m.shard.Kubernetes(d.path()).CoreV1().ConfigMaps("default")
	err := again(ctx, func() error {
		note, err := notes.Get(ctx, "precious", metav1.GetOptions{})
		if err == nil && note.DeletionTimestamp == nil {
			err = errors.New("its deletion was not asked for")
		}
		return err
	})
	if err != nil {
		t.Errorf("%s: %v", d, err)
	}
	if _, err := notes.Patch(ctx, "precious", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Errorf("%s: %v", d, err)
	}
}

// checkKeys looks for keys of a workspace that is gone.
func (m *mortal) checkKeys(t *testing.T, d death) {
	t.Helper()
	for _, key := range etcdKeys(t, m.Dir) {
		if strings.Contains(key, "/"+d.name+"/") || strings.Contains(key, "/"+d.child().String()+"/") {
			t.Errorf("%s: left behind: %s", d, key)
		}
	}
}

// etcdKeys lists all keys of a hub that runs in dir.
func etcdKeys(t *testing.T, dir string) []string {
	t.Helper()
	store := must(clientv3.New(clientv3.Config{Endpoints: []string{"unix://" + filepath.Join(dir, "etcd", "etcd.sock")}, DialTimeout: 10 * time.Second}))(t)
	defer store.Close()
	answer := must(store.Get(limit(t), "/", clientv3.WithPrefix(), clientv3.WithKeysOnly()))(t)
	keys := make([]string, 0, len(answer.Kvs))
	for _, kv := range answer.Kvs {
		keys = append(keys, string(kv.Key))
	}
	return keys
}
