package main

import (
	"context"
	"fmt"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
	"github.com/atriumhub/atrium/test/harness"
)

const (
	// compute is the workspace that the child is registered in.
	compute = logicalcluster.Path("root:compute")
	// warmUp is how many objects go down before any is measured: the first one
	// waits for a namespace in the child.
	warmUp = 5
)

// connected is a hub with one workspace whose objects go to one child.
type connected struct {
	hub   *hub
	child kubernetes.Interface
	agent *harness.Syncer
	// read gets the agent's metrics.
	read scrape
	// workspace is the hub's side of what the child has.
	workspace kubernetes.Interface
	// arrived are the ConfigMaps of all namespaces of the child.
	arrived *arrivals
}

// connect sets up, for the first experiment that needs it, a hub, a child and an
// agent.
func (l *lab) connect(ctx context.Context) (*connected, error) {
	if l.sync != nil {
		return l.sync, nil
	}
	l.reset()
	l.say.printf("starting a hub, a child cluster and an agent")
	h, err := l.startHub(ctx, "parent")
	if err != nil {
		return nil, err
	}
	child, err := l.world.StartChild(ctx, l.unique("child"))
	if err != nil {
		return nil, err
	}
	c := &connected{hub: h}
	if c.child, err = child.Client(); err != nil {
		return nil, err
	}
	if err := c.startAgent(ctx, l, child); err != nil {
		return nil, err
	}
	if err := c.place(ctx, l); err != nil {
		return nil, err
	}
	// The watch lives as long as the program: experiments share it.
	if c.arrived, err = follow(context.WithoutCancel(ctx), c.child.CoreV1().ConfigMaps(""), stamped); err != nil {
		return nil, err
	}
	l.sync = c
	return c, c.warmUp(ctx)
}

func (c *connected) startAgent(ctx context.Context, l *lab, child *harness.Child) error {
	target, err := l.world.Register(ctx, c.hub.Hub, compute, "child", "region=here")
	if err != nil {
		return err
	}
	port, err := harness.FreePort()
	if err != nil {
		return err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	c.read = scrapeURL("http://" + address + "/metrics")
	c.agent, err = l.world.StartSyncer(ctx, target, child, "--metrics-bind-address", address)
	return err
}

// place makes a workspace whose namespace goes to the child.
func (c *connected) place(ctx context.Context, l *lab) error {
	path, err := createAlone(ctx, c.hub, "placed")
	if err != nil {
		return err
	}
	c.workspace = c.hub.admin.Kubernetes(path)
	label := []byte(`{"metadata":{"labels":{"bench":"placed"}}}`)
	if _, err := c.workspace.CoreV1().Namespaces().Patch(ctx, namespace, types.MergePatchType, label, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("failed to label the namespace: %w", err)
	}
	login, err := c.hub.Login(l.world.Path("placed.kubeconfig"), path)
	if err != nil {
		return err
	}
	_, err = l.world.Kubectl(ctx, login, "atrium", "bind", "compute", ":"+compute.String(), "--namespace-selector", "bench=placed")
	return err
}

func (c *connected) warmUp(ctx context.Context) error {
	for i := range warmUp {
		if _, err := createStamped(ctx, c.objects(), c.arrived, fmt.Sprintf("warm-up-%d", i)); err != nil {
			return err
		}
	}
	return nil
}

func (c *connected) objects() configMaps { return c.workspace.CoreV1().ConfigMaps(namespace) }

// measureDown takes the time from a write in the hub until a watch in the child
// sees it, and of a write in the child itself.
func measureDown(ctx context.Context, l *lab) error {
	c, err := l.connect(ctx)
	if err != nil {
		return err
	}
	l.say.printf("writing %d objects, one at a time, in the hub and in the child", l.options.samples)
	copied, err := c.writeAndWatch(ctx, c.objects(), "down", l.options.samples)
	if err != nil {
		return err
	}
	direct, err := c.writeAndWatch(ctx, c.child.CoreV1().ConfigMaps(namespace), "direct", l.options.samples)
	if err != nil {
		return err
	}
	l.table.add(added("hub write to object in child, new, p50 / p99", copied.created, direct.created.p50()))
	l.table.add(added("hub write to object in child, changed, p50 / p99", copied.changed, direct.changed.p50()))
	return nil
}

// written are latencies of creations and of changes.
type written struct{ created, changed durations }

func (c *connected) writeAndWatch(ctx context.Context, in configMaps, prefix string, samples int) (written, error) {
	var w written
	for i := range samples {
		name := fmt.Sprintf("%s-%d", prefix, i)
		t, err := createStamped(ctx, in, c.arrived, name)
		if err != nil {
			return w, err
		}
		w.created = append(w.created, t.took())
		if t, err = updateStamped(ctx, in, c.arrived, name, 1); err != nil {
			return w, err
		}
		w.changed = append(w.changed, t.took())
	}
	return w, nil
}

// added is a row for a latency that is to add little to the child's own.
func added(what string, all durations, own time.Duration) row {
	more := all.p50() - own
	return row{
		what: what, budget: "25 ms added, p50",
		measured: fmt.Sprintf("%s; added to the child's own: %s", all, milliseconds(more)),
		verdict:  atMost(more.Seconds(), budgetCopy.Seconds(), ""),
	}
}

// measureUp takes the time from a status in the child until a watch in the hub
// sees it. Nobody else writes the status of an Ingress there.
func measureUp(ctx context.Context, l *lab) error {
	c, err := l.connect(ctx)
	if err != nil {
		return err
	}
	there, err := c.placeIngress(ctx)
	if err != nil {
		return err
	}
	inChild, err := follow(ctx, c.child.NetworkingV1().Ingresses(there.Namespace), statusHost)
	if err != nil {
		return err
	}
	defer inChild.close()
	inHub, err := follow(ctx, c.workspace.NetworkingV1().Ingresses(namespace), statusHost)
	if err != nil {
		return err
	}
	defer inHub.close()
	l.say.printf("writing %d statuses in the child, one at a time", l.options.samples)
	var all, own durations
	for i := range l.options.samples {
		host := fmt.Sprintf("s%d.example", i)
		mine, far := inChild.expect(host), inHub.expect(host)
		patch := fmt.Appendf(nil, `{"status":{"loadBalancer":{"ingress":[{"hostname":%q}]}}}`, host)
		if _, err := c.child.NetworkingV1().Ingresses(there.Namespace).Patch(ctx, there.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
			return fmt.Errorf("failed to write a status in the child: %w", err)
		}
		if _, err := inHub.wait(ctx, far); err != nil {
			return err
		}
		if _, err := inChild.wait(ctx, mine); err != nil {
			return err
		}
		all, own = append(all, far.took()), append(own, mine.took())
	}
	l.table.add(added("child status to hub, p50 / p99", all, own.p50()))
	return nil
}

// placeIngress makes an Ingress in the hub and returns its copy in the child.
func (c *connected) placeIngress(ctx context.Context) (*networkingv1.Ingress, error) {
	const name = "status"
	var copied *networkingv1.Ingress
	_, err := c.workspace.NetworkingV1().Ingresses(namespace).Create(ctx, &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: networkingv1.IngressSpec{DefaultBackend: &networkingv1.IngressBackend{
			Service: &networkingv1.IngressServiceBackend{Name: name, Port: networkingv1.ServiceBackendPort{Number: 80}},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("failed to create an Ingress: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, arrivalLimit, fmt.Errorf("not there within %s", arrivalLimit))
	defer cancel()
	err = harness.Await(ctx, c.child.NetworkingV1().Ingresses(""), func(found []*networkingv1.Ingress) string {
		for _, i := range found {
			if i.Name == name {
				copied = i
				return ""
			}
		}
		return "no Ingress " + name
	})
	if err != nil {
		return nil, fmt.Errorf("failed to find the Ingress in the child: %w", err)
	}
	return copied, nil
}

func statusHost(event watch.Event) string {
	i, ok := event.Object.(*networkingv1.Ingress)
	if !ok || len(i.Status.LoadBalancer.Ingress) == 0 {
		return ""
	}
	return i.Status.LoadBalancer.Ingress[0].Hostname
}

// measureSyncer fills the child through the agent and reads the agent's memory.
func measureSyncer(ctx context.Context, l *lab) error {
	c, err := l.connect(ctx)
	if err != nil {
		return err
	}
	n := l.options.objects
	l.say.printf("writing %d objects", n)
	tickets := make([]*ticket, n)
	began := time.Now()
	err = share(ctx, l.options.clients, 0, n, func(ctx context.Context, i int) error {
		tickets[i] = c.arrived.expect(stampOf(objectName(i), 0))
		_, err := c.objects().Create(ctx, configMap(objectName(i), 0), metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("failed to write objects: %w", err)
	}
	for _, t := range tickets {
		if _, err := c.arrived.wait(ctx, t); err != nil {
			return err
		}
	}
	rate := perSecond(n, time.Since(began))
	there, err := c.workspace.CoreV1().ConfigMaps(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("failed to count objects: %w", err)
	}
	l.say.printf("waiting for the agent's memory to settle")
	m, err := settle(ctx, c.agent.Pid(), c.read)
	if err != nil {
		return err
	}
	l.table.add(syncerRow(len(there.Items), rate, m))
	return nil
}

func syncerRow(objects int, rate float64, m memory) row {
	return row{
		what:     fmt.Sprintf("resident, agent with %d ConfigMaps", objects),
		measured: fmt.Sprintf("%s (copied %.0f/s)", megabytes(m.resident), rate),
		budget:   fmt.Sprintf("150 MB at %d", budgetSyncerObjects),
		verdict:  atMost(float64(m.resident), budgetSyncer, m.parts(megabytes)),
	}
}
