package main

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/atriumhub/atrium/test/harness"
)

const (
	// few is the number of workspaces that many are compared with.
	few = 10
	// seen is how many there have been by then.
	seen = 50
)

// lab is where experiments happen. Most share one hub, which is started, and
// filled with workspaces, when an experiment first needs it.
type lab struct {
	options *options
	world   *harness.World
	say     *progress
	table   table
	// named is how many things have got a unique name.
	named int

	// hub is the shared one, workspaces how many it holds; idle is its memory
	// before the first of them.
	hub        *hub
	workspaces int
	idle       *memory
	// first is how the first N workspaces came to be.
	first *creation
	// sync is what the experiments with a child share.
	sync *connected
}

func (l *lab) clock() clock { return readClock(l.world.Running()) }

// shared returns the shared hub, started.
func (l *lab) shared(ctx context.Context) (*hub, error) {
	if l.hub != nil {
		return l.hub, nil
	}
	l.say.printf("starting a hub")
	h, err := l.startHub(ctx, "hub")
	if err != nil {
		return nil, err
	}
	l.hub = h
	return h, nil
}

// idleMemory is that of the shared hub before it had workspaces.
func (l *lab) idleMemory(ctx context.Context) (memory, error) {
	if l.idle != nil {
		return *l.idle, nil
	}
	h, err := l.shared(ctx)
	if err != nil {
		return memory{}, err
	}
	m, _, err := h.state(ctx, l.say)
	if err != nil {
		return memory{}, err
	}
	l.idle = &m
	return m, nil
}

// filled returns the shared hub with N workspaces in it.
func (l *lab) filled(ctx context.Context) (*hub, error) {
	if l.first == nil {
		if _, err := l.created(ctx); err != nil {
			return nil, err
		}
	}
	h, err := l.shared(ctx)
	if err != nil || l.workspaces == l.options.n {
		return h, err
	}
	_, err = l.create(ctx, h, l.workspaces, l.options.n)
	return h, err
}

// reset ends everything, so that it does not disturb what follows.
func (l *lab) reset() {
	for _, p := range l.world.Running() {
		p.Kill()
	}
	l.hub, l.workspaces, l.first, l.idle, l.sync = nil, 0, nil, nil, nil
}

// unique is a name that nothing in the world has yet.
func (l *lab) unique(name string) string {
	l.named++
	return fmt.Sprintf("%d-%s", l.named, name)
}

// share lets clients work on numbers from first up to before end, each number
// once, until done or until one fails.
func share(ctx context.Context, clients, first, end int, work func(ctx context.Context, i int) error) error {
	var next atomic.Int64
	next.Store(int64(first))
	group, ctx := errgroup.WithContext(ctx)
	for range clients {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= end {
					return nil
				}
				if err := work(ctx, i); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// alternately runs a and b in turns: a b b a a b b a …
func alternately(rounds int, a, b func() error) error {
	for i := range rounds {
		first, second := a, b
		if i%2 == 1 {
			first, second = b, a
		}
		if err := first(); err != nil {
			return err
		}
		if err := second(); err != nil {
			return err
		}
	}
	return nil
}
