package publications

import (
	"errors"
	"fmt"
	"math/rand"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/atriumhub/atrium/pkg/publications/decide"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var epoch = time.Unix(1e9, 0)

func publication(name string, root logicalcluster.Name) *decide.Publication {
	return &decide.Publication{
		Key: logicalcluster.Key{Workspace: "p1", Name: name}, ID: "id-" + name, Created: metav1.NewTime(epoch), Root: root,
		Spec: publicationv1alpha1.APIPublicationSpec{Export: publicationv1alpha1.LocalExportReference{Name: "widgets"}},
	}
}

var anything = facts{selector: labels.Everything()}

// TestBoardCounts compares what is kept by difference with what is counted anew.
func TestBoardCounts(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewSource(seed))
	b := newBoard()
	all := []*decide.Publication{publication("a", "root"), publication("b", "root"), publication("c", "o1")}
	for _, p := range all {
		b.set(p, anything)
	}
	states := []publicationv1alpha1.PublicationState{
		publicationv1alpha1.PublicationBound, publicationv1alpha1.PublicationPending,
		publicationv1alpha1.PublicationConflicting, publicationv1alpha1.PublicationFailed,
	}
	want := map[logicalcluster.Name][]decide.Outcome{}
	for range 2000 {
		id := logicalcluster.Name(fmt.Sprintf("w%d", random.Intn(20)))
		var outcomes []decide.Outcome
		for _, p := range all {
			if random.Intn(3) > 0 {
				outcomes = append(outcomes, decide.Outcome{Publication: p, State: states[random.Intn(len(states))]})
			}
		}
		want[id] = outcomes
		b.mu.Lock()
		b.record(id, outcomes)
		b.mu.Unlock()
	}
	b.leave("w3")
	delete(want, "w3")
	for _, p := range all {
		counts, open := map[publicationv1alpha1.PublicationState]int64{}, 0
		for _, outcomes := range want {
			for _, o := range outcomes {
				if o.Publication == p {
					counts[o.State]++
					if o.State != publicationv1alpha1.PublicationBound {
						open++
					}
				}
			}
		}
		got, _ := b.say(p.Key, epoch)
		for _, state := range states {
			if got.counts[state] != counts[state] {
				t.Errorf("%s: %d %s, want %d", p.Key.Name, got.counts[state], state, counts[state])
			}
		}
		if len(b.all[p.Key].open) != open || len(got.examples) != min(open, publicationv1alpha1.MaxPublicationExamples) {
			t.Errorf("%s: %d are open and %d examples, want %d", p.Key.Name, len(b.all[p.Key].open), len(got.examples), open)
		}
	}
	if id, rooms := b.drop(all[0].Key); id != all[0].ID || len(rooms) == 0 || len(b.where(all[0].Key)) != 0 {
		t.Errorf("dropped %q of %d", id, len(rooms))
	}
	for id := range want {
		b.leave(id)
	}
	if len(b.rooms) != 0 {
		t.Errorf("%d workspaces are remembered that are gone", len(b.rooms))
	}
}

// TestBoardForgetsNothingThatIsUnderWay (P4).
func TestBoardForgetsNothingThatIsUnderWay(t *testing.T) {
	b := newBoard()
	p := publication("a", "root")
	p.Ending = true
	b.set(p, anything)
	b.mu.Lock()
	b.startMaking("w1", p.ID)
	b.startMaking("w2", p.ID)
	b.mu.Unlock()
	expect := func(left int, what string) {
		t.Helper()
		if got := b.left(p.ID); got != left {
			t.Errorf("%s: %d left, want %d", what, got, left)
		}
	}
	expect(2, "two are being made")
	if keys := b.tried("w2", p.ID, errors.New("no")); len(keys) != 1 {
		t.Errorf("woken %v", keys)
	}
	expect(1, "one failed")
	b.sawBinding("w1", "", p.ID)
	expect(1, "one was made")
	b.sawBinding("w1", p.ID, p.ID)
	expect(1, "and changed")
	if keys := b.sawBinding("w1", p.ID, ""); len(keys) != 1 || keys[0] != p.Key {
		t.Errorf("woken %v", keys)
	}
	expect(0, "and gone")
}

func TestBoardTellsOnce(t *testing.T) {
	b := newBoard()
	p := publication("a", "root")
	b.set(p, anything)
	b.set(publication("a", "root"), facts{selector: labels.Everything(), generation: 2})
	if !b.spreads(p.Key) || b.spreads(p.Key) {
		t.Error("a new publication is spread once")
	}
	b.set(publication("a", "root"), anything)
	if b.spreads(p.Key) {
		t.Error("nothing has changed")
	}
	b.set(publication("a", "o1"), anything)
	if !b.spreads(p.Key) {
		t.Error("the root has changed")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for root, want := range map[logicalcluster.Name]int{"root": 0, "o1": 1} {
		if got := len(b.matching([]logicalcluster.Name{root}, nil)); got != want {
			t.Errorf("%s has %d", root, got)
		}
	}
}

func TestExamplesAreTheWorstAndTheSame(t *testing.T) {
	r := &record{open: map[logicalcluster.Name]note{}}
	for i := range 30 {
		r.open[logicalcluster.Name(fmt.Sprintf("w%02d", i))] = note{state: publicationv1alpha1.PublicationPending}
	}
	r.open["w20"] = note{state: publicationv1alpha1.PublicationConflicting}
	r.open["w25"] = note{state: publicationv1alpha1.PublicationFailed}
	var got []string
	for _, e := range r.examples() {
		got = append(got, string(e.id))
	}
	want := []string{"w25", "w20", "w00", "w01", "w02", "w03", "w04", "w05", "w06", "w07"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStatusIsPaced(t *testing.T) {
	b := newBoard()
	p := publication("a", "root")
	b.set(p, anything)
	if due := b.due(p.Key, epoch); due != soon {
		t.Errorf("the first is due in %v", due)
	}
	b.say(p.Key, epoch)
	if due := b.due(p.Key, epoch.Add(300*time.Millisecond)); due != pause-300*time.Millisecond {
		t.Errorf("the next is due in %v", due)
	}
	if due := b.due(p.Key, epoch.Add(time.Minute)); due != soon {
		t.Errorf("a late one is due in %v", due)
	}
	for i := range 3 * toldTogether {
		b.set(publication(fmt.Sprint("more", i), "root"), anything)
	}
	if due := b.due(p.Key, epoch); due != 4*pause {
		t.Errorf("%s for one of many of a workspace", due)
	}
	for i := range 3 * toldTogether {
		b.drop(publication(fmt.Sprint("more", i), "root").Key)
	}
	if due := b.due(p.Key, epoch); due != pause || len(b.homes) != 1 {
		t.Errorf("%s when they are gone", due)
	}
}
