package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// levels is how deep the tree of workspaces is, its top included.
const levels = 5

// tree is workspaces below each other. Each has the same number of workspaces
// below it, but for those on the last level.
type tree struct{ fanOut int }

// treeFor returns the largest tree that has no more than n workspaces.
func treeFor(n int) tree {
	t := tree{1}
	for (tree{t.fanOut + 1}).size() <= n {
		t.fanOut++
	}
	return t
}

// width is how many workspaces a level has; the top is level 0.
func (t tree) width(level int) int { return int(math.Pow(float64(t.fanOut), float64(level))) }

func (t tree) size() int {
	size := 0
	for level := range levels {
		size += t.width(level)
	}
	return size
}

// at returns where the i-th workspace of a level is. Names are unique in the
// tree, so that a watch of all workspaces can tell them apart.
func (t tree) at(level, i int) (parent logicalcluster.Path, name string) {
	name = fmt.Sprintf("tree-%d-%05d", level, i)
	if level == 0 {
		return root, name
	}
	above, parentName := t.at(level-1, i/t.fanOut)
	return above.Join(parentName), name
}

// measureTree makes workspaces below each other, and deletes the one on top.
func measureTree(ctx context.Context, l *lab) error {
	h, err := l.shared(ctx)
	if err != nil {
		return err
	}
	everywhere, err := h.connect(asShardAdmin)
	if err != nil {
		return err
	}
	t := treeFor(l.options.n)
	created, err := l.growTree(ctx, h, everywhere, t)
	if err != nil {
		return err
	}
	l.reportTree(t, created)
	return l.fellTree(ctx, h, everywhere, t)
}

// growTree makes the tree, level by level.
func (l *lab) growTree(ctx context.Context, h *hub, everywhere *client.Hub, t tree) ([levels]made, error) {
	var created [levels]made
	ready, err := follow(ctx, client.Workspaces(everywhere, client.Everywhere), readyWorkspace)
	if err != nil {
		return created, err
	}
	defer ready.close()
	for level := range levels {
		l.say.printf("making %d workspaces on level %d of %d", t.width(level), level+1, levels)
		if created[level], err = l.growLevel(ctx, h, ready, t, level); err != nil {
			return created, err
		}
	}
	return created, nil
}

func (l *lab) growLevel(ctx context.Context, h *hub, ready *arrivals, t tree, level int) (made, error) {
	n := t.width(level)
	latencies := make(durations, n)
	count := l.say.count(n, "made")
	began, used := time.Now(), processTime(h.Pid())
	err := share(ctx, l.options.clients, 0, n, func(ctx context.Context, i int) error {
		parent, name := t.at(level, i)
		latency, err := createOne(ctx, client.Workspaces(h.admin, parent), ready, name)
		latencies[i] = latency
		count()
		return err
	})
	return made{
		latencies: latencies, rate: perSecond(n, time.Since(began)),
		cpu: (processTime(h.Pid()) - used) / time.Duration(n),
	}, err
}

func (l *lab) reportTree(t tree, created [levels]made) {
	var medians []string
	for _, level := range created {
		medians = append(medians, milliseconds(level.latencies.p50()))
	}
	last := created[levels-1]
	what := fmt.Sprintf("in a tree of %d, level %d", t.size(), levels)
	l.table.add(row{
		what: "create to Ready " + what + ", p50 / p99", budget: "20 ms / 100 ms",
		measured: fmt.Sprintf("%s; p50 by level: %s", last.latencies, strings.Join(medians, ", ")),
		verdict: verdict("",
			named("p50", above(last.latencies.p50().Seconds(), budgetCreateP50.Seconds())),
			named("p99", above(last.latencies.p99().Seconds(), budgetCreateP99.Seconds()))),
	})
	l.table.add(row{
		what: "created a second " + what, budget: "150/s",
		measured: fmt.Sprintf("%.0f/s; each %s CPU", last.rate, milliseconds(last.cpu)),
		verdict:  atLeast(last.rate, budgetCreateRate, cpuBound(last.cpu)),
	})
}

// fellTree deletes the workspace on top and waits until all are gone.
func (l *lab) fellTree(ctx context.Context, h *hub, everywhere *client.Hub, t tree) error {
	l.say.printf("deleting the top of a tree of %d workspaces", t.size())
	gone, err := follow(ctx, client.Workspaces(everywhere, client.Everywhere), deletedWorkspace)
	if err != nil {
		return err
	}
	defer gone.close()
	var tickets []*ticket
	for level := range levels {
		for i := range t.width(level) {
			_, name := t.at(level, i)
			tickets = append(tickets, gone.expect(name))
		}
	}
	began, used := time.Now(), processTime(h.Pid())
	parent, top := t.at(0, 0)
	if err := client.Workspaces(h.admin, parent).Delete(ctx, top, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("failed to delete the top of the tree: %w", err)
	}
	count := l.say.count(len(tickets), "gone")
	for _, ticket := range tickets {
		if _, err := gone.wait(ctx, ticket); err != nil {
			return err
		}
		count()
	}
	took, cpu := time.Since(began), (processTime(h.Pid())-used)/time.Duration(t.size())
	budget := deleteBudget(t.size())
	l.table.add(row{
		what:     fmt.Sprintf("delete a tree of %d workspaces by its top", t.size()),
		measured: fmt.Sprintf("%s; each %s CPU", seconds(took), milliseconds(cpu)),
		budget:   shareOf(budget, budgetDeleteMost),
		verdict:  atMost(took.Seconds(), budget.Seconds(), cpuBound(cpu)),
	})
	return nil
}
