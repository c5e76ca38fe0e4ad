package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// listed is how many ConfigMaps a workspace has whose LIST is measured.
	listed = 100
	// So many LISTs and writes are measured on either side, after some that do not
	// count.
	lists, writes, uncounted = 600, 400, 40
)

// probe is a workspace that requests are measured in.
type probe struct {
	pid     int
	objects configMaps
	seen    *arrivals
	stamp   int

	lists, echoes durations
	// listCPU and echoCPU are what the hub needed for each.
	listCPU, echoCPU time.Duration
}

// newProbe makes a workspace with ConfigMaps in it and watches them.
func (l *lab) newProbe(ctx context.Context, h *hub, name string, size int) (*probe, error) {
	path, err := createAlone(ctx, h, name)
	if err != nil {
		return nil, err
	}
	p := &probe{pid: h.Pid(), objects: h.admin.Kubernetes(path).CoreV1().ConfigMaps(namespace)}
	if p.seen, err = follow(ctx, p.objects, stamped); err != nil {
		return nil, err
	}
	return p, share(ctx, l.options.clients, 0, size, func(ctx context.Context, i int) error {
		_, err := createStamped(ctx, p.objects, p.seen, objectName(i))
		return err
	})
}

func objectName(i int) string { return fmt.Sprintf("object-%05d", i) }

// list lists.
func (p *probe) list(ctx context.Context) error {
	began := time.Now()
	if _, err := p.objects.List(ctx, metav1.ListOptions{}); err != nil {
		return fmt.Errorf("failed to list: %w", err)
	}
	p.lists = append(p.lists, time.Since(began))
	return nil
}

// write writes, and waits until the watch has seen it.
func (p *probe) write(ctx context.Context) error {
	p.stamp++
	t, err := updateStamped(ctx, p.objects, p.seen, objectName(0), p.stamp)
	if err == nil {
		p.echoes = append(p.echoes, t.took())
	}
	return err
}

// measureList compares the shared hub with another that has one workspace.
func measureList(ctx context.Context, l *lab) error {
	crowded, err := l.filled(ctx)
	if err != nil {
		return err
	}
	l.say.printf("starting a hub without other workspaces")
	empty, err := l.startHub(ctx, "alone")
	if err != nil {
		return err
	}
	defer empty.Kill()
	among, err := l.newProbe(ctx, crowded, "among", listed)
	if err != nil {
		return err
	}
	defer among.seen.close()
	alone, err := l.newProbe(ctx, empty, "alone", listed)
	if err != nil {
		return err
	}
	defer alone.seen.close()
	l.say.printf("listing and watching in turns")
	if err := takeTurns(ctx, alone, among); err != nil {
		return err
	}
	l.table.add(slowdown(fmt.Sprintf("LIST of %d ConfigMaps with %d other workspaces / alone, p50", listed, l.workspaces), among.lists, alone.lists).with(among.listCPU, alone.listCPU))
	l.table.add(slowdown(fmt.Sprintf("write to WATCH with %d other workspaces / alone, p50", l.workspaces), among.echoes, alone.echoes).with(among.echoCPU, alone.echoCPU))
	return nil
}

// takeTurns measures two probes, a request here and a request there: what else the
// machine does, and what the hubs do by themselves, hits both.
func takeTurns(ctx context.Context, a, b *probe) error {
	of := func(p *probe, request func(*probe, context.Context) error) func() error {
		return func() error { return request(p, ctx) }
	}
	for _, kind := range []struct {
		request func(*probe, context.Context) error
		times   int
		cpu     func(*probe) *time.Duration
	}{
		{(*probe).list, lists, func(p *probe) *time.Duration { return &p.listCPU }},
		{(*probe).write, writes, func(p *probe) *time.Duration { return &p.echoCPU }},
	} {
		if err := alternately(uncounted, of(a, kind.request), of(b, kind.request)); err != nil {
			return err
		}
		usedByA, usedByB := processTime(a.pid), processTime(b.pid)
		if err := alternately(kind.times, of(a, kind.request), of(b, kind.request)); err != nil {
			return err
		}
		*kind.cpu(a) = (processTime(a.pid) - usedByA) / time.Duration(kind.times)
		*kind.cpu(b) = (processTime(b.pid) - usedByB) / time.Duration(kind.times)
	}
	for _, p := range []*probe{a, b} {
		p.lists, p.echoes = p.lists[uncounted:], p.echoes[uncounted:]
	}
	return nil
}

// slowdown is a row for something that is to take as long as without others. How
// far parts of the samples are from each other says how far to trust it.
func slowdown(what string, among, alone durations) row {
	ratio := float64(among.p50()) / float64(alone.p50())
	least, most := spread(among, alone)
	return row{
		what: what, budget: "≤ 1.1×",
		measured: fmt.Sprintf("%.2f× (%s / %s; fifths %.2f to %.2f)", ratio, milliseconds(among.p50()), milliseconds(alone.p50()), least, most),
		verdict:  atMost(ratio, budgetSlowdown, ""),
	}
}

// with adds what hubs needed for each request: that does not depend on what else the
// machine does.
func (r row) with(among, alone time.Duration) row {
	r.measured += fmt.Sprintf("; hub's CPU %s / %s", milliseconds(among), milliseconds(alone))
	return r
}
