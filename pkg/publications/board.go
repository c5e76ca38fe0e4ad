package publications

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/atriumhub/atrium/pkg/publications/decide"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// board is what is known of publications and how far they are. Its methods lock it,
// but for those that say that it is locked already.
type board struct {
	mu sync.Mutex
	// all are the publications, also by ID, by the root of their subtrees if they
	// are active, the oldest first, and by export.
	all     map[logicalcluster.Key]*record
	ids     map[string]*record
	roots   map[logicalcluster.Name][]*record
	exports map[logicalcluster.Key][]*record
	// homes is how many there are in each workspace.
	homes map[logicalcluster.Name]int
	// rootless are those whose subtree is not what it was.
	rootless map[logicalcluster.Key]*record
	// rooms says which publications count a workspace, and how.
	rooms map[logicalcluster.Name][]seat
	// marks is how many bindings have a mark, by ID.
	marks map[string]int
	// making are bindings that were sent to storage and are not seen yet (P4), by ID
	// and workspace.
	making map[string]map[logicalcluster.Name]struct{}
	// troubles say why a binding could not be made last time.
	troubles map[logicalcluster.Name]map[string]string
}

// record is one publication.
type record struct {
	*decide.Publication
	facts
	// counts is how many workspaces there are in each state.
	counts map[publicationv1alpha1.PublicationState]int64
	// open are the workspaces that are not bound.
	open map[logicalcluster.Name]note
	// due is whether workspaces have not been told of what it is now.
	due bool
	// told is when the status was last written.
	told time.Time
}

// facts are what is known of a publication beyond what workspaces need.
type facts struct {
	generation int64
	selector   labels.Selector
	// exportTrouble and subtreeTrouble say what is wrong, by reason and message.
	exportTrouble, subtreeTrouble trouble
}

// trouble is the reason and the message of a condition. Without a reason there is
// none.
type trouble struct{ reason, message string }

// note is how far a workspace is that is not bound.
type note struct {
	state   publicationv1alpha1.PublicationState
	message string
}

// seat is the place of a workspace in the counts of a publication.
type seat struct {
	of *record
	// bound is whether it is counted as bound; otherwise it is among of.open.
	bound bool
}

func newBoard() *board {
	return &board{
		all: map[logicalcluster.Key]*record{}, ids: map[string]*record{},
		roots: map[logicalcluster.Name][]*record{}, exports: map[logicalcluster.Key][]*record{},
		homes: map[logicalcluster.Name]int{}, rootless: map[logicalcluster.Key]*record{}, rooms: map[logicalcluster.Name][]seat{},
		marks: map[string]int{}, making: map[string]map[logicalcluster.Name]struct{}{},
		troubles: map[logicalcluster.Name]map[string]string{},
	}
}

// set takes in a publication.
func (b *board) set(p *decide.Publication, f facts) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, known := b.all[p.Key]
	if !known {
		r = &record{counts: map[publicationv1alpha1.PublicationState]int64{}, open: map[logicalcluster.Name]note{}}
		b.all[p.Key] = r
		b.homes[p.Key.Workspace]++
	}
	r.facts = f
	if known && r.Same(p) {
		return
	}
	if known {
		b.unlist(r)
	}
	r.Publication, r.due = p, true
	b.list(r)
}

// spreads reports whether workspaces are to be told of a publication, once for each
// change.
func (b *board) spreads(key logicalcluster.Key) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, known := b.all[key]
	if !known || !r.due {
		return false
	}
	r.due = false
	return true
}

// list files a publication, and unlist undoes that. The lock is held.
func (b *board) list(r *record) {
	b.ids[r.ID] = r
	b.exports[r.Export()] = append(b.exports[r.Export()], r)
	if r.Active() {
		b.roots[r.Root] = append(b.roots[r.Root], r)
	}
	if r.Root == "" {
		b.rootless[r.Key] = r
	}
}

func (b *board) unlist(r *record) {
	delete(b.ids, r.ID)
	delete(b.rootless, r.Key)
	unfile(b.exports, r.Export(), r)
	unfile(b.roots, r.Root, r)
}

func unfile[K comparable](from map[K][]*record, key K, r *record) {
	if from[key] = slices.DeleteFunc(from[key], func(other *record) bool { return other == r }); len(from[key]) == 0 {
		delete(from, key)
	}
}

// drop forgets a publication that is gone, and returns its ID and where it counted.
func (b *board) drop(key logicalcluster.Key) (id string, rooms []logicalcluster.Name) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, known := b.all[key]
	if !known {
		return "", nil
	}
	rooms = b.counting(r)
	for _, id := range rooms {
		b.seat(id, slices.DeleteFunc(slices.Clone(b.rooms[id]), func(s seat) bool { return s.of == r }))
	}
	b.unlist(r)
	delete(b.all, key)
	if b.homes[key.Workspace]--; b.homes[key.Workspace] == 0 {
		delete(b.homes, key.Workspace)
	}
	delete(b.making, r.ID)
	return r.ID, rooms
}

// where returns the workspaces that a publication counts.
func (b *board) where(key logicalcluster.Key) []logicalcluster.Name {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r, known := b.all[key]; known {
		return b.counting(r)
	}
	return nil
}

// counting is where. The lock is held.
func (b *board) counting(r *record) []logicalcluster.Name {
	var ids []logicalcluster.Name
	for id, seats := range b.rooms {
		if slices.ContainsFunc(seats, func(s seat) bool { return s.of == r }) {
			ids = append(ids, id)
		}
	}
	return ids
}

// seat stores who counts a workspace. The lock is held.
func (b *board) seat(id logicalcluster.Name, seats []seat) {
	if len(seats) == 0 {
		delete(b.rooms, id)
		return
	}
	b.rooms[id] = seats
}

// matching returns the active publications that are for a workspace, the oldest
// first. lineage is the workspace and what is above it. The lock is held.
func (b *board) matching(lineage []logicalcluster.Name, set labels.Set) []*decide.Publication {
	var found []*decide.Publication
	for _, id := range lineage {
		for _, r := range b.roots[id] {
			if r.selector.Matches(set) {
				found = append(found, r.Publication)
			}
		}
	}
	slices.SortFunc(found, decide.Older)
	return found
}

// known finds a publication by the mark of its bindings. The lock is held.
func (b *board) known(id string) (*decide.Publication, bool) {
	if r, ok := b.ids[id]; ok {
		return r.Publication, true
	}
	return nil, false
}

// uids are those of all publications. The lock is held.
func (b *board) uids() map[types.UID]bool {
	all := make(map[types.UID]bool, len(b.all))
	for _, r := range b.all {
		all[r.UID] = true
	}
	return all
}

// concerns reports whether anything may have to be done in a workspace.
func (b *board) concerns(lineage func() []logicalcluster.Name, id logicalcluster.Name) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.rooms[id]) > 0 {
		return true
	}
	return len(b.roots) > 0 && slices.ContainsFunc(lineage(), func(above logicalcluster.Name) bool { return len(b.roots[above]) > 0 })
}

// record counts a workspace as outcomes say, and returns whose counts that changes.
// The lock is held.
func (b *board) record(id logicalcluster.Name, outcomes []decide.Outcome) []logicalcluster.Key {
	var changed []logicalcluster.Key
	before := b.rooms[id]
	left := make(map[*record]seat, len(before))
	for _, s := range before {
		left[s.of] = s
	}
	after := make([]seat, 0, len(outcomes))
	for _, o := range outcomes {
		r := b.all[o.Publication.Key]
		s, seated := left[r]
		delete(left, r)
		if r.count(id, s, seated, o) {
			changed = append(changed, r.Key)
		}
		after = append(after, seat{r, o.State == publicationv1alpha1.PublicationBound})
	}
	for _, s := range before {
		if _, gone := left[s.of]; gone {
			s.of.uncount(id, s)
			changed = append(changed, s.of.Key)
		}
	}
	b.seat(id, after)
	return changed
}

// count takes note of an outcome, and reports whether it is another one than before,
// when the workspace was seated or not.
func (r *record) count(id logicalcluster.Name, before seat, seated bool, o decide.Outcome) bool {
	if seated {
		was := r.open[id]
		if before.bound && o.State == publicationv1alpha1.PublicationBound || was == (note{o.State, o.Message}) {
			return false
		}
		r.uncount(id, before)
	}
	r.counts[o.State]++
	if o.State != publicationv1alpha1.PublicationBound {
		r.open[id] = note{o.State, o.Message}
	}
	return true
}

func (r *record) uncount(id logicalcluster.Name, s seat) {
	if s.bound {
		r.counts[publicationv1alpha1.PublicationBound]--
		return
	}
	r.counts[r.open[id].state]--
	delete(r.open, id)
	if len(r.open) == 0 {
		r.open = map[logicalcluster.Name]note{} // a map does not shrink
	}
}

// leave forgets a workspace that is gone, and returns whose counts that changes.
func (b *board) leave(id logicalcluster.Name) []logicalcluster.Key {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.troubles, id)
	return b.record(id, nil)
}

// sawBinding takes note of the marks of a binding before and after a change, and
// returns publications for which it may have been the last.
func (b *board) sawBinding(in logicalcluster.Name, before, after string) []logicalcluster.Key {
	b.mu.Lock()
	defer b.mu.Unlock()
	if after != "" {
		b.doneMaking(in, after)
	}
	if before == after {
		return nil
	}
	if after != "" {
		b.marks[after]++
	}
	if before == "" {
		return nil
	}
	if b.marks[before]--; b.marks[before] > 0 {
		return nil
	}
	delete(b.marks, before)
	return b.endingKey(before)
}

// endingKey is the key of a publication that is being deleted. The lock is held.
func (b *board) endingKey(id string) []logicalcluster.Key {
	if r, known := b.ids[id]; known && r.Ending {
		return []logicalcluster.Key{r.Key}
	}
	return nil
}

// startMaking notes that a binding is being made. The lock is held.
func (b *board) startMaking(in logicalcluster.Name, id string) {
	if b.making[id] == nil {
		b.making[id] = map[logicalcluster.Name]struct{}{}
	}
	b.making[id][in] = struct{}{}
}

// doneMaking is the end of that. The lock is held.
func (b *board) doneMaking(in logicalcluster.Name, id string) {
	if delete(b.making[id], in); len(b.making[id]) == 0 {
		delete(b.making, id)
	}
}

// tried notes how the attempt to make a binding ended that none was made in, and
// returns the publication if it waits for that.
func (b *board) tried(in logicalcluster.Name, id string, err error) []logicalcluster.Key {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.doneMaking(in, id)
	if err != nil {
		if b.troubles[in] == nil {
			b.troubles[in] = map[string]string{}
		}
		b.troubles[in][id] = err.Error()
	}
	return b.endingKey(id)
}

// succeeded forgets troubles.
func (b *board) succeeded(in logicalcluster.Name) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.troubles, in)
}

// left reports whether there are bindings of a publication, or will be (P4).
func (b *board) left(id string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.marks[id] + len(b.making[id])
}

// of returns the keys of the publications of an export, rooted of those of a
// subtree, and unrooted of those that wait for theirs.
func (b *board) of(export logicalcluster.Key) []logicalcluster.Key {
	b.mu.Lock()
	defer b.mu.Unlock()
	return keysOf(b.exports[export])
}

func (b *board) rooted(id logicalcluster.Name) []logicalcluster.Key {
	b.mu.Lock()
	defer b.mu.Unlock()
	return keysOf(b.roots[id])
}

func (b *board) unrooted() []logicalcluster.Key {
	b.mu.Lock()
	defer b.mu.Unlock()
	keys := make([]logicalcluster.Key, 0, len(b.rootless))
	for key := range b.rootless {
		keys = append(keys, key)
	}
	return keys
}

func keysOf(records []*record) []logicalcluster.Key {
	keys := make([]logicalcluster.Key, len(records))
	for i, r := range records {
		keys[i] = r.Key
	}
	return keys
}

// due returns how long to wait with the status of a publication. Who has many of them
// waits longer, so that those of others do not wait behind all his.
func (b *board) due(key logicalcluster.Key, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dueLocked(key, now)
}

func (b *board) dueLocked(key logicalcluster.Key, now time.Time) time.Duration {
	if r, known := b.all[key]; known {
		each := pause * time.Duration(1+b.homes[key.Workspace]/toldTogether)
		return max(soon, each-now.Sub(r.told))
	}
	return soon
}

// tally is what there is to say about a publication.
type tally struct {
	*decide.Publication
	facts
	counts   map[publicationv1alpha1.PublicationState]int64
	examples []example
	left     int
}

type example struct {
	id logicalcluster.Name
	note
}

// say returns what there is to say about a publication at this moment.
func (b *board) say(key logicalcluster.Key, now time.Time) (tally, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, known := b.all[key]
	if !known {
		return tally{}, false
	}
	r.told = now
	t := tally{Publication: r.Publication, facts: r.facts, counts: map[publicationv1alpha1.PublicationState]int64{}, examples: r.examples(), left: b.marks[r.ID] + len(b.making[r.ID])}
	for state, n := range r.counts {
		t.counts[state] = n
	}
	return t, true
}

// severity orders examples: what somebody has to mend comes first.
var severity = map[publicationv1alpha1.PublicationState]int{
	publicationv1alpha1.PublicationFailed: 0, publicationv1alpha1.PublicationConflicting: 1, publicationv1alpha1.PublicationPending: 2,
}

// examples are always the same of the same workspaces.
func (r *record) examples() []example {
	worst := make([]example, 0, publicationv1alpha1.MaxPublicationExamples+1)
	for id, n := range r.open {
		e := example{id, n}
		at, _ := slices.BinarySearchFunc(worst, e, byUrgency)
		if worst = slices.Insert(worst, at, e); len(worst) > publicationv1alpha1.MaxPublicationExamples {
			worst = worst[:publicationv1alpha1.MaxPublicationExamples]
		}
	}
	return worst
}

func byUrgency(a, b example) int {
	return cmp.Or(cmp.Compare(severity[a.state], severity[b.state]), cmp.Compare(a.id, b.id))
}
