package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// root is the parent of all workspaces here.
const root = logicalcluster.Path("root")

// creation is how the first N workspaces came to be.
type creation struct {
	made
	// few and many are the metrics with few and with all workspaces.
	few, many metrics
	// idle, small and large are the memory before there was any, with few, and
	// with all.
	idle, small, large memory
}

// writes is the number of writes to etcd for each workspace.
func (c *creation) writes() float64 {
	return (c.many.etcdWrites - c.few.etcdWrites) / float64(len(c.latencies))
}

// created makes the N workspaces, if that has not been done, and returns how
// that went.
func (l *lab) created(ctx context.Context) (*creation, error) {
	if l.first != nil {
		return l.first, nil
	}
	idle, err := l.idleMemory(ctx)
	if err != nil {
		return nil, err
	}
	c := &creation{idle: idle}
	if err := l.warmUp(ctx, l.hub); err != nil {
		return nil, err
	}
	if c.small, c.few, err = l.hub.state(ctx, l.say); err != nil {
		return nil, err
	}
	if c.made, err = l.create(ctx, l.hub, few, l.options.n); err != nil {
		return nil, err
	}
	if c.large, c.many, err = l.hub.state(ctx, l.say); err != nil {
		return nil, err
	}
	l.first = c
	return c, nil
}

// warmUp leaves a hub with few workspaces, that has seen more: so that what it
// does for the first time is not taken for the price of workspaces.
func (l *lab) warmUp(ctx context.Context, h *hub) error {
	if _, err := l.create(ctx, h, 0, min(seen, l.options.n)); err != nil {
		return err
	}
	if _, err := l.remove(ctx, h, few); err != nil {
		return err
	}
	l.say.printf("waiting until the hub has done once what it does every %s", houseworkPeriod)
	return pause(ctx, houseworkPeriod)
}

// houseworkPeriod is a little longer than a hub takes to do once what it does
// from time to time, such as renewing its lease. Its first time makes metric
// series that have nothing to do with workspaces.
const houseworkPeriod = 12 * time.Second

// made is a number of workspaces coming to be.
type made struct {
	latencies durations
	// rate is of all, final that of the last tenth, in workspaces a second.
	rate, final float64
	// cpu is what the hub needed for each.
	cpu time.Duration
}

// create makes workspaces with several clients. Each waits until one is Ready
// before it makes the next.
func (l *lab) create(ctx context.Context, h *hub, from, to int) (made, error) {
	l.say.printf("making %d workspaces", to-from)
	workspaces := client.Workspaces(h.admin, root)
	ready, err := follow(ctx, workspaces, readyWorkspace)
	if err != nil {
		return made{}, err
	}
	defer ready.close()
	latencies, done := make(durations, to-from), make([]time.Time, to-from)
	count := l.say.count(to-from, "made")
	began, used := time.Now(), processTime(h.Pid())
	err = share(ctx, l.options.clients, from, to, func(ctx context.Context, i int) error {
		latency, err := createOne(ctx, workspaces, ready, workspaceName(i))
		latencies[i-from], done[i-from] = latency, time.Now()
		count()
		return err
	})
	if err != nil {
		return made{}, err
	}
	l.workspaces = to
	return made{
		latencies: latencies, rate: perSecond(to-from, time.Since(began)), final: finalRate(done),
		cpu: (processTime(h.Pid()) - used) / time.Duration(to-from),
	}, nil
}

func createOne(ctx context.Context, workspaces *client.WorkspaceClient, ready *arrivals, name string) (time.Duration, error) {
	latency, err := ready.roundTrip(ctx, name, func() error {
		_, err := workspaces.Create(ctx, &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("failed to make workspace %s: %w", name, err)
	}
	return latency, nil
}

// createAlone makes one workspace that is not one of the N.
func createAlone(ctx context.Context, h *hub, name string) (logicalcluster.Path, error) {
	workspaces := client.Workspaces(h.admin, root)
	ready, err := follow(ctx, workspaces, readyWorkspace)
	if err != nil {
		return "", err
	}
	defer ready.close()
	_, err = createOne(ctx, workspaces, ready, name)
	return root.Join(name), err
}

// removal is how workspaces went.
type removal struct {
	// took is the time until the last was gone, cpu what the hub needed for each.
	took, cpu time.Duration
}

// remove deletes all workspaces but the first keep, and waits until they are
// gone.
func (l *lab) remove(ctx context.Context, h *hub, keep int) (removal, error) {
	n := l.workspaces - keep
	l.say.printf("deleting %d workspaces", n)
	workspaces := client.Workspaces(h.admin, root)
	gone, err := follow(ctx, workspaces, deletedWorkspace)
	if err != nil {
		return removal{}, err
	}
	defer gone.close()
	tickets := make([]*ticket, n)
	began, used := time.Now(), processTime(h.Pid())
	err = share(ctx, l.options.clients, keep, l.workspaces, func(ctx context.Context, i int) error {
		tickets[i-keep] = gone.expect(workspaceName(i))
		return workspaces.Delete(ctx, workspaceName(i), metav1.DeleteOptions{})
	})
	if err != nil {
		return removal{}, fmt.Errorf("failed to delete workspaces: %w", err)
	}
	l.say.printf("waiting until they are gone")
	count := l.say.count(n, "gone")
	for _, t := range tickets {
		if _, err := gone.wait(ctx, t); err != nil {
			return removal{}, err
		}
		count()
	}
	l.workspaces = keep
	return removal{time.Since(began), (processTime(h.Pid()) - used) / time.Duration(n)}, nil
}

func workspaceName(i int) string { return fmt.Sprintf("w%05d", i) }

func readyWorkspace(event watch.Event) string {
	w, ok := event.Object.(*tenancyv1alpha1.Workspace)
	if !ok || event.Type == watch.Deleted || w.Status.Phase != corev1alpha1.LogicalClusterPhaseReady {
		return ""
	}
	return w.Name
}

func deletedWorkspace(event watch.Event) string {
	w, ok := event.Object.(*tenancyv1alpha1.Workspace)
	if !ok || event.Type != watch.Deleted {
		return ""
	}
	return w.Name
}

// countWorkspaces checks that the hub has the workspaces that it should have.
func (l *lab) countWorkspaces(ctx context.Context, h *hub) error {
	list, err := client.Workspaces(h.admin, root).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("failed to list workspaces: %w", err)
	}
	ready := map[string]bool{}
	for _, w := range list.Items {
		ready[w.Name] = w.Status.Phase == corev1alpha1.LogicalClusterPhaseReady
	}
	for i := range l.workspaces {
		if !ready[workspaceName(i)] {
			return fmt.Errorf("workspace %s is not there, or not Ready, after a restart", workspaceName(i))
		}
	}
	return nil
}
