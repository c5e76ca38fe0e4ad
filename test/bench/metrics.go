package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Metrics that the Go collector of every process has.
const (
	collections = "go_gc_cycles_total_gc_cycles_total"
	liveHeap    = "go_gc_heap_live_bytes"
)

// metrics are what a /metrics page says.
type metrics struct {
	// series is the number of lines with a value, families how many of them
	// there are of each metric; a histogram is one.
	series   int
	families map[string]int
	// values are those without labels.
	values map[string]float64
	// etcdWrites is the number of requests that changed something in etcd.
	etcdWrites float64
}

// etcdWrite matches what the storage counts of its requests to etcd.
var etcdWrite = regexp.MustCompile(`^etcd_requests_total\{.*operation="(create|update|delete)".*\} (\S+)$`)

// parseMetrics reads the Prometheus text format.
func parseMetrics(text string) metrics {
	m := metrics{families: map[string]int{}, values: map[string]float64{}}
	for _, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m.series++
		end := strings.IndexAny(line, "{ ")
		if end < 0 {
			continue
		}
		name := line[:end]
		m.families[family(name)]++
		if line[end] == ' ' {
			m.values[name] = number(line[end+1:])
		}
		if match := etcdWrite.FindStringSubmatch(line); match != nil {
			m.etcdWrites += number(match[2])
		}
	}
	return m
}

// number reads a value; one that is not a number counts for nothing.
func number(text string) float64 {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return value
}

func family(name string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, suffix); ok {
			return base
		}
	}
	return name
}

// growth names the metrics that have most new series, three at most.
func growth(before, after metrics) string {
	more := map[string]int{}
	for name, count := range after.families {
		if added := count - before.families[name]; added > 0 {
			more[name] = added
		}
	}
	names := slices.SortedFunc(maps.Keys(more), func(a, b string) int {
		return cmp.Or(cmp.Compare(more[b], more[a]), cmp.Compare(a, b))
	})
	var parts []string
	for _, name := range names[:min(3, len(names))] {
		parts = append(parts, fmt.Sprintf("%s +%d", name, more[name]))
	}
	return strings.Join(parts, ", ")
}

// scrape reads the metrics of a process.
type scrape func(context.Context) (metrics, error)
