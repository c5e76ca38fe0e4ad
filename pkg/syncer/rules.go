package syncer

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/syncer/copy"
	"github.com/atriumhub/atrium/pkg/syncer/transform"
)

// rules tell the copier of one resource what goes down and what comes up.
type rules struct {
	target   transform.Target
	key      string
	resource schema.GroupResource
	hints    func(hubObj *unstructured.Unstructured) transform.Hints
}

var _ copy.Rules = rules{}

// Intent reads the assignment of a hub object.
func (r rules) Intent(hubObj *copy.Object) copy.Intent {
	assignment := transform.AssignmentOf(hubObj, r.key)
	switch {
	case assignment == transform.Leaving:
		return copy.Remove
	case assignment == transform.Assigned && !transform.Settled(r.resource, hubObj):
		return copy.Keep
	default:
		return copy.Wait
	}
}

// Make returns the child object for a hub object.
func (r rules) Make(hubObj *copy.Object) (*copy.Object, error) {
	return r.target.Down(r.resource, hubObj, r.hints(hubObj))
}

// Mine reports whether this agent made a child object.
func (r rules) Mine(childObj *copy.Object) bool { return transform.Mine(childObj, r.key) }

// Compare relates a child object to the wanted one.
func (r rules) Compare(want, have *copy.Object) copy.Match {
	switch r.target.Compare(want, have) {
	case transform.Equal:
		return copy.Equal
	case transform.Differs:
		return copy.Differs
	case transform.Stale:
		return copy.Stale
	default:
		return copy.Foreign
	}
}

// Status returns the status for a hub object.
func (r rules) Status(hubObj, childObj *copy.Object) (map[string]any, bool) {
	return transform.Up(r.resource, hubObj, childObj)
}
