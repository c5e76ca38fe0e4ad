package bindings

import (
	"sync"

	"github.com/atriumhub/atrium/pkg/inflight"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// relabels remembers how far the labels of bindings are whose claims change. That
// of a binding is forgotten when all of it shows in its status; after a restart the
// status says what has to be looked at again.
type relabels struct {
	mu    sync.Mutex
	marks int
	at    map[logicalcluster.Key]relabeled
}

// relabeled is what is known of one binding.
type relabeled struct {
	// mark is the last time that claims or answers to them have changed, of all
	// bindings. What was found out before counts no more.
	mark int
	// dirty is set until what changed has been looked at.
	dirty bool
	// following is set when it was the export that changed.
	following bool
	// done is the signature of a plan with which nothing is left to do.
	done string
	// pass is how far a pass over all objects has come that takes several turns.
	pass relabelPass
	// trouble is why the last attempt failed.
	trouble string
}

// relabelPass is one look at all objects that a plan is about.
type relabelPass struct {
	// signature is that of the plan.
	signature string
	// since is when it began; at is where it goes on.
	since inflight.Mark
	at    place
	// undisturbed is set when no write was under way as it began that had begun
	// before. Otherwise a second pass follows when those have ended.
	undisturbed, second bool
	// failed is the first thing that did.
	failed error
}

func newPass(signature string, since inflight.Mark) relabelPass {
	return relabelPass{signature: signature, since: since}
}

// place is a page of one of the resources of a plan.
type place struct {
	resource int
	page     string
}

func (r *relabels) of(key logicalcluster.Key) relabeled {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at[key]
}

// mark notes that answers have changed or, when following, what is asked.
func (r *relabels) mark(key logicalcluster.Key, following bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marks++
	r.set(key, relabeled{mark: r.marks, dirty: true, following: following})
}

// note changes what is known, unless there was a mark since, and reports whether
// it did.
func (r *relabels) note(key logicalcluster.Key, since relabeled, change func(*relabeled)) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.at[key]
	if now.mark != since.mark {
		return false
	}
	change(&now)
	r.set(key, now)
	return true
}

// forget is for what shows in the status.
func (r *relabels) forget(key logicalcluster.Key, since relabeled) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at[key].mark == since.mark {
		delete(r.at, key)
	}
}

// drop is for what is gone.
func (r *relabels) drop(key logicalcluster.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.at, key)
}

func (r *relabels) set(key logicalcluster.Key, to relabeled) {
	if r.at == nil {
		r.at = map[logicalcluster.Key]relabeled{}
	}
	r.at[key] = to
}
