package partition

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/storage"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Run with go test -run '^$' -bench . -benchtime 2000x ./pkg/partition

func workspaceName(i int) logicalcluster.Name {
	return logicalcluster.Name(fmt.Sprintf("ws-%d", i))
}

// inBackground is a context without deadline and without a test behind it.
func inBackground(name logicalcluster.Name) context.Context {
	return keyspace.WithScope(context.Background(), keyspace.In(name))
}

// percentiles reports the distribution of latencies.
func percentiles(b *testing.B, latencies []time.Duration) {
	slices.Sort(latencies)
	if n := len(latencies); n > 0 {
		b.ReportMetric(float64(latencies[n/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(latencies[n*99/100].Microseconds())/1000, "p99-ms")
	}
}

// BenchmarkWatchFanOut writes to one workspace and waits for its watch, while
// other workspaces have a watch each and nothing to hear. Without the index
// every event is offered to every watch.
func BenchmarkWatchFanOut(b *testing.B) {
	for _, indexed := range []bool{true, false} {
		for _, idle := range []int{0, 1000, 4000} {
			b.Run(fmt.Sprintf("indexed=%v/idle=%d", indexed, idle), func(b *testing.B) {
				h := newHub(b, hubOptions{ownEtcd: true, cached: true})
				h.warm(b)
				watching := *h.pods
				watching.indexed = indexed
				for i := range idle {
					w := mustWatch(b, inBackground(workspaceName(i)), &watching, "/pods", recursive())
					b.Cleanup(w.Stop)
				}
				busy := inBackground("busy")
				w := mustWatch(b, busy, &watching, "/pods", recursive())
				latencies := make([]time.Duration, 0, b.N)
				b.ResetTimer()
				for i := range b.N {
					began := time.Now()
					mustCreate(b, busy, h.pods, newPod("ns", fmt.Sprintf("pod-%d", i)))
					<-w.ResultChan()
					latencies = append(latencies, time.Since(began))
				}
				b.StopTimer()
				percentiles(b, latencies)
			})
		}
	}
}

// fill creates objects in many workspaces.
func fill(b *testing.B, h *hub, workspaces, each int) {
	b.Helper()
	var filling sync.WaitGroup
	slots := make(chan struct{}, 64)
	for i := range workspaces {
		for j := range each {
			slots <- struct{}{}
			filling.Go(func() {
				mustCreate(b, inBackground(workspaceName(i)), h.pods, newPod("ns", fmt.Sprintf("pod-%d", j)))
				<-slots
			})
		}
	}
	filling.Wait()
}

// BenchmarkList lists ten objects of one workspace, alone and beside 10 000
// others, the ways a client can ask.
func BenchmarkList(b *testing.B) {
	for _, others := range []int{0, 10_000} {
		for _, cached := range []bool{false, true} {
			h := newHub(b, hubOptions{ownEtcd: true, cached: cached})
			fill(b, h, others, 1)
			for j := range 10 {
				mustCreate(b, inBackground("mine"), h.pods, newPod("ns", fmt.Sprintf("pod-%d", j)))
			}
			h.warm(b)
			ways := map[string]storage.ListOptions{"newest": recursive(), "any": from(&example.PodList{ListMeta: listMeta("0")}, recursive())}
			for _, way := range []string{"newest", "any"} {
				b.Run(fmt.Sprintf("others=%d/cached=%v/%s", others, cached, way), func(b *testing.B) {
					listMany(b, h, ways[way])
				})
			}
			b.Run(fmt.Sprintf("others=%d/cached=%v/newest-while-others-write", others, cached), func(b *testing.B) {
				stop := writeElsewhere(h)
				defer stop()
				listMany(b, h, ways["newest"])
			})
		}
	}
}

func listMany(b *testing.B, h *hub, opts storage.ListOptions) {
	b.Helper()
	latencies := make([]time.Duration, 0, b.N)
	for range b.N {
		list := &example.PodList{}
		began := time.Now()
		if err := h.pods.GetList(inBackground("mine"), "/pods", opts, list); err != nil || len(list.Items) != 10 {
			b.Fatal(len(list.Items), err)
		}
		latencies = append(latencies, time.Since(began))
	}
	percentiles(b, latencies)
}

// writeElsewhere writes keys of another resource, 200 a second: they move the
// revision of etcd, and no cache of pods hears of them.
func writeElsewhere(h *hub) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				_, _ = h.client.KV.Put(ctx, "/elsewhere", time.Now().String())
			}
		}
	}()
	return func() { cancel(); <-done }
}

// BenchmarkThroughput compares a partitioned store with the plain one below
// it, with one client and with sixteen.
func BenchmarkThroughput(b *testing.B) {
	for _, clients := range []int{1, 16} {
		for _, kind := range []string{"plain", "partitioned", "partitioned-cached"} {
			b.Run(fmt.Sprintf("clients=%d/%s", clients, kind), func(b *testing.B) {
				h := newHub(b, hubOptions{ownEtcd: true, cached: kind == "partitioned-cached"})
				h.warm(b)
				var s storage.Interface = h.pods
				if kind == "plain" {
					s = h.pods.Interface
				}
				b.ResetTimer()
				writeAndRead(b, s, clients)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "objects/s")
			})
		}
	}
}

// writeAndRead creates, reads, updates and deletes b.N objects.
func writeAndRead(b *testing.B, s storage.Interface, clients int) {
	b.Helper()
	numbers := make(chan int)
	var working sync.WaitGroup
	for c := range clients {
		ctx := inBackground(workspaceName(c))
		working.Go(func() {
			for i := range numbers {
				key := fmt.Sprintf("/pods/ns/pod-%d", i)
				out := &example.Pod{}
				err := s.Create(ctx, key, newPod("ns", fmt.Sprintf("pod-%d", i)), out, 0)
				if err == nil {
					err = s.Get(ctx, key, storage.GetOptions{}, out)
				}
				if err == nil {
					err = s.GuaranteedUpdate(ctx, key, out, false, nil, touch, nil)
				}
				if err == nil {
					err = remove(ctx, s, key, nil)
				}
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range b.N {
		numbers <- i
	}
	close(numbers)
	working.Wait()
}

// BenchmarkPurge deletes a workspace of forty objects.
func BenchmarkPurge(b *testing.B) {
	h := newHub(b, hubOptions{ownEtcd: true})
	for range b.N {
		b.StopTimer()
		fill(b, h, 1, 40)
		b.StartTimer()
		if err := h.Purge(context.Background(), workspaceName(0), pods); err != nil {
			b.Fatal(err)
		}
	}
}

func listMeta(version string) metav1.ListMeta { return metav1.ListMeta{ResourceVersion: version} }
