package views

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// ErrShownDifferently is why a request ended: the export, or the binding in the
// workspace, does not show the resource any more as it did.
var ErrShownDifferently = errors.New("the view does not show this resource any more as it did when the request began")

// readToEnd is how long a watch in a workspace that has unbound the export reads
// on: its objects are deleted by then, but that may not have been delivered.
const readToEnd = time.Second

// lasting is a request that ends when what it was let through by is not so any
// more.
type lasting struct {
	key      logicalcluster.Key
	uid      types.UID
	resource schema.GroupResource
	shown    *exhibit
	// consumer is empty for all workspaces.
	consumer logicalcluster.Name
	cancel   context.CancelCauseFunc
}

// hold returns a context that ends when a request that lasts has to. Other requests
// are over soon enough.
func (e *Exports) hold(ctx context.Context, one lasting, lasts bool) (context.Context, func()) {
	if !lasts {
		return ctx, func() {}
	}
	held, cancel := context.WithCancelCause(ctx)
	one.cancel = cancel
	var leave []func()
	for place := range one.places() {
		leave = append(leave, e.lasting.Enter(place, &one))
	}
	if shape := one.shown.shape(); shape != "" {
		leave = append(leave, e.shapes.Enter(shape, &one))
	}
	e.recheck(&one) // it may have changed in between
	return held, func() {
		for _, l := range leave {
			l()
		}
		cancel(context.Canceled)
	}
}

// Watches reports whether somebody watches a resource that is served by a shape. He
// goes on when no workspace has it any more: he is to hear of its last objects.
func (e *Exports) Watches(shape string) bool { return e.shapes.Any(shape) }

// places are the workspaces whose changes matter to a request.
func (l *lasting) places() map[logicalcluster.Name]bool {
	places := map[logicalcluster.Name]bool{l.key.Workspace: true}
	if !l.consumer.Empty() {
		places[l.consumer] = true
	}
	for _, owner := range l.shown.owners {
		places[logicalcluster.From(owner)] = true
	}
	return places
}

// recheck ends a request that would not be let through now as it was.
func (e *Exports) recheck(one *lasting) {
	made, found := e.offers.of(one.key)
	switch {
	case !found || made.export.UID != one.uid || !one.shown.same(made.shown[one.resource]) || !made.shown[one.resource].has("watch"):
		one.cancel(ErrShownDifferently)
	case one.consumer.Empty():
	case e.ask.Open(one.consumer) != nil:
		one.cancel(ErrShownDifferently)
	case !e.stillShown(made, one):
		time.AfterFunc(readToEnd, func() { one.cancel(ErrShownDifferently) })
	}
}

// stillShown reports whether the workspace of a request lets the provider watch
// the resource.
func (e *Exports) stillShown(made *offer, one *lasting) bool {
	s := made.shown[one.resource]
	for _, binding := range e.bindingsOf(made, one.consumer) {
		switch {
		case one.resource == apiBindings,
			s.own() && hasBound(binding, one.resource, made.export):
			return true
		}
	}
	grant, ok := e.grant(made, one.consumer, one.resource, s)
	return ok && grant.Allows("watch")
}

// FollowExport is called for every change of an APIExport; nil means that there was
// or is none.
func (e *Exports) FollowExport(old, export *apisv1alpha2.APIExport, key logicalcluster.Key) {
	e.offers.follow(old, export, key)
	e.Changed(key.Workspace)
}

// FollowSchema is called for every change of an APIResourceSchema.
func (e *Exports) FollowSchema(_, _ *apisv1alpha1.APIResourceSchema, key logicalcluster.Key) {
	e.Changed(key.Workspace)
}

// FollowBinding is called for every change of an APIBinding.
func (e *Exports) FollowBinding(_, _ *apisv1alpha2.APIBinding, key logicalcluster.Key) {
	e.Changed(key.Workspace)
}

// Changed looks again at the requests that depend on a workspace. It returns at
// once: those who tell of changes have others to tell as well, and what an export
// shows may take a while to find out.
func (e *Exports) Changed(workspace logicalcluster.Name) {
	if e.lasting.Any(workspace) && e.due.add(workspace) {
		go e.recheckDue()
	}
}

// recheckDue looks at all that is due, until nothing is.
func (e *Exports) recheckDue() {
	for {
		workspace, ok := e.due.next()
		if !ok {
			return
		}
		var all []*lasting
		e.lasting.Each(workspace, func(one *lasting) { all = append(all, one) })
		for _, one := range all {
			e.recheck(one)
		}
	}
}

// due is a set of workspaces that somebody works off.
type due struct {
	mu         sync.Mutex
	workspaces map[logicalcluster.Name]bool
	working    bool
}

// add reports whether nobody works yet: then the caller has to.
func (d *due) add(workspace logicalcluster.Name) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.workspaces == nil {
		d.workspaces = map[logicalcluster.Name]bool{}
	}
	d.workspaces[workspace] = true
	start := !d.working
	d.working = true
	return start
}

// next takes one out, and false when there is none and the work is done.
func (d *due) next() (logicalcluster.Name, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for workspace := range d.workspaces {
		delete(d.workspaces, workspace)
		return workspace, true
	}
	d.working = false
	return "", false
}
