package directory

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var seed = flag.Uint64("seed", 0, "seed of the random operations; 0 picks one")

// model is the directory as one would write it on a napkin: the events that
// still count, searched from the beginning for every question.
type model struct {
	workspaces map[place]modelWorkspace
	phases     map[logicalcluster.Name]corev1alpha1.LogicalClusterPhaseType
}

type modelWorkspace struct {
	cluster  logicalcluster.Name
	deleting bool
}

func (m model) resolve(path logicalcluster.Path) (Entry, bool) {
	segments := strings.Split(string(path), ":")
	here, ok := m.byName(logicalcluster.Name(segments[0]))
	for _, name := range segments[1:] {
		if !ok {
			return Entry{}, false
		}
		here, ok = m.entry(place{parent: here.Name, name: name})
	}
	return here, ok
}

func (m model) byName(name logicalcluster.Name) (Entry, bool) {
	if name == logicalcluster.Root {
		return Entry{Name: name, Path: "root", Phase: corev1alpha1.LogicalClusterPhaseReady, Type: "root:root"}, true
	}
	for at, workspace := range m.workspaces {
		if workspace.cluster == name {
			return m.entry(at)
		}
	}
	return Entry{}, false
}

func (m model) entry(at place) (Entry, bool) {
	workspace, ok := m.workspaces[at]
	if !ok {
		return Entry{}, false
	}
	parent, ok := m.byName(at.parent)
	if !ok {
		return Entry{}, false
	}
	phase, ok := m.phases[workspace.cluster]
	if !ok {
		phase = corev1alpha1.LogicalClusterPhaseScheduling
	}
	if workspace.deleting {
		phase = corev1alpha1.LogicalClusterPhaseDeleting
	}
	return Entry{Name: workspace.cluster, Path: parent.Path.Join(at.name), Phase: phase, Type: "root:universal"}, true
}

func (m model) owned(cluster logicalcluster.Name, by place) bool {
	for at, workspace := range m.workspaces {
		if workspace.cluster == cluster && at != by {
			return true
		}
	}
	return false
}

// step applies one random event to both sides. Parents are picked from IDs
// that come later, so that no circle can arise.
func (m model) step(r *rand.Rand, d *Directory, log *strings.Builder) {
	level := r.IntN(4)
	parent := logicalcluster.Root
	if level > 0 {
		parent = randomID(r, level-1)
	}
	at := place{parent: parent, name: string(rune('a' + r.IntN(3)))}
	cluster := randomID(r, level)
	switch r.IntN(6) {
	case 0, 1, 2:
		workspace := workspaceObject(at.name, string(cluster))
		isDeleting := r.IntN(5) == 0
		if isDeleting {
			workspace = deleting(workspace)
		}
		fmt.Fprintf(log, "set %v %s deleting=%v\n", at, cluster, isDeleting)
		d.SetWorkspace(at.parent, workspace)
		if before, ok := m.workspaces[at]; ok && before.cluster != cluster {
			delete(m.workspaces, at)
		}
		if !m.owned(cluster, at) {
			m.workspaces[at] = modelWorkspace{cluster: cluster, deleting: isDeleting}
		}
	case 3:
		fmt.Fprintf(log, "drop %v\n", at)
		d.DropWorkspace(at.parent, at.name)
		delete(m.workspaces, at)
	case 4:
		phase := []corev1alpha1.LogicalClusterPhaseType{corev1alpha1.LogicalClusterPhaseReady, corev1alpha1.LogicalClusterPhaseInitializing}[r.IntN(2)]
		fmt.Fprintf(log, "phase %s %s\n", cluster, phase)
		d.SetLogicalCluster(cluster, clusterObject(phase))
		m.phases[cluster] = phase
	case 5:
		fmt.Fprintf(log, "no phase %s\n", cluster)
		d.DropLogicalCluster(cluster)
		delete(m.phases, cluster)
	}
}

func randomID(r *rand.Rand, level int) logicalcluster.Name {
	return logicalcluster.Name(fmt.Sprintf("id%d%d", level, r.IntN(4)))
}

func randomPath(r *rand.Rand) logicalcluster.Path {
	path := logicalcluster.Root.Path()
	if r.IntN(3) == 0 {
		path = randomID(r, r.IntN(4)).Path()
	}
	for range r.IntN(5) {
		path = path.Join(string(rune('a' + r.IntN(3))))
	}
	return path
}

// TestAgainstModel throws random events at the directory and at the model and
// asks both the same questions.
func TestAgainstModel(t *testing.T) {
	start := *seed
	if start == 0 {
		start = rand.Uint64()
	}
	t.Logf("repeat with -seed=%d", start)
	for round := range 60 {
		r := rand.New(rand.NewPCG(start, uint64(round)))
		d, m := New(), model{workspaces: map[place]modelWorkspace{}, phases: map[logicalcluster.Name]corev1alpha1.LogicalClusterPhaseType{}}
		var log strings.Builder
		for range 60 {
			m.step(r, d, &log)
			for range 5 {
				path := randomPath(r)
				want, wantOK := m.resolve(path)
				got, gotOK := d.Resolve(path)
				if diff := cmp.Diff(want, got); diff != "" || gotOK != wantOK {
					t.Fatalf("round %d: Resolve(%q) found=%v, want %v (-want +got):\n%s\nafter:\n%s", round, path, gotOK, wantOK, diff, log.String())
				}
			}
		}
	}
}

// TestConcurrentReaders is for the race detector: readers see either nothing or
// an entry that was true at some moment.
func TestConcurrentReaders(t *testing.T) {
	d := New()
	var readers, feeders sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if e, ok := d.Resolve("root:a:b"); ok && (e.Path != "root:a:b" || !strings.HasPrefix(string(e.Name), "b")) {
					t.Errorf("entry that never was: %+v", e)
					return
				}
				d.ByName("b1")
			}
		})
	}
	for feeder := range 2 {
		feeders.Go(func() {
			for i := range 500 {
				d.SetWorkspace("root", workspaceObject("a", fmt.Sprintf("a%d", i%3)))
				d.SetWorkspace(logicalcluster.Name(fmt.Sprintf("a%d", i%3)), workspaceObject("b", fmt.Sprintf("b%d", i%3)))
				d.SetLogicalCluster("b1", clusterObject(corev1alpha1.LogicalClusterPhaseReady))
				if i%7 == feeder {
					d.DropWorkspace("root", "a")
				}
			}
		})
	}
	feeders.Wait()
	close(stop)
	readers.Wait()
}

func BenchmarkResolve(b *testing.B) {
	d := New()
	for i := range 10_000 {
		d.SetWorkspace("root", workspaceObject(fmt.Sprintf("org%d", i), fmt.Sprintf("o%d", i)))
		d.SetWorkspace(logicalcluster.Name(fmt.Sprintf("o%d", i)), workspaceObject("team", fmt.Sprintf("t%d", i)))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := d.Resolve("root:org77:team"); !ok {
			b.Fatal("not found")
		}
	}
}
