package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// durations are samples.
type durations []time.Duration

// percentile is the sample that p percent of the samples do not exceed.
func (d durations) percentile(p float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(d))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

func (d durations) p50() time.Duration { return d.percentile(50) }
func (d durations) p99() time.Duration { return d.percentile(99) }

// String is "p50 / p99".
func (d durations) String() string { return milliseconds(d.p50()) + " / " + milliseconds(d.p99()) }

func milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if math.Abs(ms) < 10 {
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// megabytes and kilobytes are the decimal ones.
func megabytes(bytes int64) string { return fmt.Sprintf("%.0f MB", float64(bytes)/1e6) }

func kilobytes(bytes int64) string { return fmt.Sprintf("%.1f KB", float64(bytes)/1e3) }

// perSecond is how many things a second were done.
func perSecond(count int, took time.Duration) float64 { return float64(count) / took.Seconds() }

// finalRate is how many a second were done during the last tenth, from when each
// of them was done.
func finalRate(done []time.Time) float64 {
	sorted := slices.SortedFunc(slices.Values(done), time.Time.Compare)
	last := len(sorted) / 10
	if last == 0 {
		return 0
	}
	return perSecond(last, sorted[len(sorted)-1].Sub(sorted[len(sorted)-1-last]))
}

// spread compares the medians of each fifth of the samples, in the order in which
// they were taken, and returns the least and the largest ratio.
func spread(among, alone durations) (least, most float64) {
	const parts = 5
	part := func(d durations, i int) durations { return d[i*len(d)/parts : (i+1)*len(d)/parts] }
	least = math.Inf(1)
	for i := range parts {
		if own := part(alone, i).p50(); own > 0 {
			ratio := float64(part(among, i).p50()) / float64(own)
			least, most = min(least, ratio), max(most, ratio)
		}
	}
	return least, most
}
