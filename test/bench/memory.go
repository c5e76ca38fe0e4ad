package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	// garbagePause is between two readings of /metrics that are to make garbage.
	garbagePause = 20 * time.Millisecond
	// calmFor is how long, calmWithin by how much memory has to stay the same.
	calmFor    = 3 * time.Second
	calmWithin = 0.01
	// calmPause is between two readings of the memory.
	calmPause = 500 * time.Millisecond
	// settleLimit is how long to wait at most. A collection starts by itself
	// every two minutes.
	settleLimit = 150 * time.Second
)

// memory is what a process holds, in bytes.
type memory struct {
	// resident is all of it: anonymous, which is the Go heap, stacks and what the
	// runtime keeps around them, and mapped, which is the binary and the database.
	resident, anonymous, mapped int64
	// heap is what lives in the Go heap, after a collection.
	heap int64
}

// less is the difference to an earlier state.
func (m memory) less(earlier memory) memory {
	return memory{m.resident - earlier.resident, m.anonymous - earlier.anonymous, m.mapped - earlier.mapped, m.heap - earlier.heap}
}

func (m memory) each(n int) memory {
	by := int64(n)
	return memory{m.resident / by, m.anonymous / by, m.mapped / by, m.heap / by}
}

// parts says what memory is made of, in the unit that show writes.
func (m memory) parts(show func(int64) string) string {
	return fmt.Sprintf("heap %s, rest of anonymous %s, files %s", show(m.heap), show(m.anonymous-m.heap), show(m.mapped))
}

// parseStatus reads /proc/PID/status.
func parseStatus(text string) memory {
	var m memory
	for _, line := range strings.Split(text, "\n") {
		for _, field := range []struct {
			format string
			value  *int64
		}{
			{"VmRSS: %d kB", &m.resident}, {"RssAnon: %d kB", &m.anonymous}, {"RssFile: %d kB", &m.mapped},
		} {
			var kilobytes int64
			if n, _ := fmt.Sscanf(line, field.format, &kilobytes); n == 1 {
				*field.value = kilobytes * 1024
			}
		}
	}
	return m
}

func readMemory(pid int) (memory, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return memory{}, fmt.Errorf("failed to read the memory of process %d: %w", pid, err)
	}
	m := parseStatus(string(content))
	if m.resident == 0 {
		return memory{}, fmt.Errorf("process %d has ended", pid)
	}
	return m, nil
}

// settle waits until a process has collected its garbage and given back what it
// will give back, and returns what it holds then. Reading its metrics is the work
// that makes it collect. It takes two collections: the first may have begun
// before the last object became garbage, and pools are emptied by the second.
func settle(ctx context.Context, pid int, read scrape) (memory, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, settleLimit, fmt.Errorf("memory did not settle within %s", settleLimit))
	defer cancel()
	last, err := collect(ctx, read, 2)
	if err != nil {
		return memory{}, err
	}
	m, err := calm(ctx, pid)
	m.heap = int64(last.values[liveHeap])
	return m, err
}

// collect reads metrics until the garbage was collected some more times.
func collect(ctx context.Context, read scrape, times float64) (metrics, error) {
	first, err := read(ctx)
	if err != nil {
		return metrics{}, err
	}
	if _, ok := first.values[collections]; !ok {
		return metrics{}, fmt.Errorf("the metrics do not have %s", collections)
	}
	for {
		now, err := read(ctx)
		if err != nil || now.values[collections] >= first.values[collections]+times {
			return now, err
		}
		if err := pause(ctx, garbagePause); err != nil {
			return metrics{}, err
		}
	}
}

// calm waits until the memory of a process does not change any more.
func calm(ctx context.Context, pid int) (memory, error) {
	reference, err := readMemory(pid)
	if err != nil {
		return memory{}, err
	}
	since := time.Now()
	for {
		if err := pause(ctx, calmPause); err != nil {
			return memory{}, err
		}
		now, err := readMemory(pid)
		if err != nil {
			return memory{}, err
		}
		moved := float64(now.resident-reference.resident) / float64(reference.resident)
		switch {
		case moved > calmWithin || moved < -calmWithin:
			reference, since = now, time.Now()
		case time.Since(since) >= calmFor:
			return now, nil
		}
	}
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
