package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"time"
)

// starts is how many starts the time to ready is the median of.
const starts = 3

// measureStart starts hubs on empty directories. The last one is kept for what
// follows.
func measureStart(ctx context.Context, l *lab) error {
	var times, cpu durations
	for i := range starts {
		l.say.printf("start %d of %d", i+1, starts)
		l.reset()
		h, err := l.shared(ctx)
		if err != nil {
			return err
		}
		times, cpu = append(times, h.ready), append(cpu, h.cpu)
	}
	l.table.add(row{
		what: "exec to ready, empty", measured: startTime(times, cpu), budget: shareOf(budgetReadyEmpty, budgetReadyEmpty),
		verdict: atMost(times.p50().Seconds(), budgetReadyEmpty.Seconds(), ""),
	})
	return nil
}

// startTime is the median of starts.
func startTime(times, cpu durations) string {
	return fmt.Sprintf("%s (%s CPU)", seconds(times.p50()), seconds(cpu.p50()))
}

// measureRestart stops the hub in good order and starts it on what it has.
func measureRestart(ctx context.Context, l *lab) error {
	h, err := l.filled(ctx)
	if err != nil {
		return err
	}
	var times, cpu durations
	for i := range starts {
		l.say.printf("restart %d of %d", i+1, starts)
		if err := h.Stop(); err != nil {
			return err
		}
		if err := h.start(ctx); err != nil {
			return err
		}
		times, cpu = append(times, h.ready), append(cpu, h.cpu)
	}
	if err := l.countWorkspaces(ctx, h); err != nil {
		return err
	}
	budget := readyBudget(l.workspaces)
	l.table.add(row{
		what:     fmt.Sprintf("exec to ready, with %d workspaces", l.workspaces),
		measured: startTime(times, cpu), budget: shareOf(budget, budgetReadyMost),
		verdict: atMost(times.p50().Seconds(), budget.Seconds(), ""),
	})
	return nil
}

func measureIdle(ctx context.Context, l *lab) error {
	idle, err := l.idleMemory(ctx)
	if err != nil {
		return err
	}
	l.table.add(row{
		what: "resident, idle hub", measured: fmt.Sprintf("%s (%s)", megabytes(idle.resident), idle.parts(megabytes)), budget: "200 MB",
		verdict: atMost(float64(idle.resident), budgetIdle, ""),
	})
	return nil
}

func measureCreate(ctx context.Context, l *lab) error {
	c, err := l.created(ctx)
	if err != nil {
		return err
	}
	clients := fmt.Sprintf("%d clients", l.options.clients)
	l.table.add(row{
		what: "workspace create to Ready, p50 / p99, " + clients, measured: c.latencies.String(), budget: "20 ms / 100 ms",
		verdict: verdict("",
			named("p50", above(c.latencies.p50().Seconds(), budgetCreateP50.Seconds())),
			named("p99", above(c.latencies.p99().Seconds(), budgetCreateP99.Seconds()))),
	})
	l.table.add(row{
		what:     "workspaces created a second, " + clients,
		measured: fmt.Sprintf("%.0f/s, last tenth %.0f/s; each %s CPU, %.1f etcd writes", c.rate, c.final, milliseconds(c.cpu), c.writes()), budget: "150/s",
		verdict: atLeast(math.Min(c.rate, c.final), budgetCreateRate, cpuBound(c.cpu)),
	})
	return nil
}

func measureMemory(ctx context.Context, l *lab) error {
	c, err := l.created(ctx)
	if err != nil {
		return err
	}
	each := c.large.less(c.small).each(l.options.n - few)
	l.table.add(row{
		what:     "resident per empty workspace",
		measured: fmt.Sprintf("%s (%s with %d, %s with %d)", kilobytes(each.resident), megabytes(c.large.resident), l.options.n, megabytes(c.small.resident), few), budget: "40 KB",
		verdict: atMost(float64(each.resident), budgetPerWorkspace, each.parts(kilobytes)),
	})
	return nil
}

func measureSeries(ctx context.Context, l *lab) error {
	c, err := l.created(ctx)
	if err != nil {
		return err
	}
	grown := float64(c.many.series)/float64(c.few.series) - 1
	l.table.add(row{
		what:     fmt.Sprintf("metric series with %d and %d workspaces", few, l.options.n),
		measured: fmt.Sprintf("%d and %d (%+.1f %%)", c.few.series, c.many.series, grown*100), budget: "±1 %",
		verdict: atMost(math.Abs(grown), budgetSeriesGrowth, growth(c.few, c.many)),
	})
	return nil
}

func measureDelete(ctx context.Context, l *lab) error {
	h, err := l.filled(ctx)
	if err != nil {
		return err
	}
	n, before := l.workspaces, l.first.idle
	gone, err := l.remove(ctx, h, 0)
	if err != nil {
		return err
	}
	budget := deleteBudget(n)
	l.table.add(row{
		what: fmt.Sprintf("delete %d workspaces", n), budget: shareOf(budget, budgetDeleteMost),
		measured: fmt.Sprintf("%s; each %s CPU", seconds(gone.took), milliseconds(gone.cpu)),
		verdict:  atMost(gone.took.Seconds(), budget.Seconds(), cpuBound(gone.cpu)),
	})
	limit := budgetMemoryKept * float64(before.resident)
	after, err := h.forgotten(ctx, l.say, limit)
	if err != nil {
		return err
	}
	l.table.add(row{
		what:     fmt.Sprintf("resident after that, with a history of %s", historyKept),
		measured: fmt.Sprintf("%s (before them %s)", megabytes(after.resident), megabytes(before.resident)), budget: "within 15 %",
		verdict: atMost(float64(after.resident), limit, "more: "+after.less(before).parts(megabytes)),
	})
	return nil
}

// cpuBound says how many a second there could be if the hub had all cores.
func cpuBound(each time.Duration) string {
	if each <= 0 {
		return ""
	}
	return fmt.Sprintf("%d cores could do %.0f/s", runtime.NumCPU(), float64(runtime.NumCPU())/each.Seconds())
}
