package bindings

import (
	"sync"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// index knows which bindings refer to an export. References are by path, so it
// holds what they meant when the bindings were looked at; those that meant nothing
// are looked at again by themselves.
type index struct {
	mu      sync.Mutex
	exports map[logicalcluster.Key]logicalcluster.Key // by binding
	users   map[logicalcluster.Key]map[logicalcluster.Key]bool
}

// put notes which export the binding with the facts f refers to.
func (x *index) put(binding logicalcluster.Key, f facts) {
	if !f.found {
		x.drop(binding)
		return
	}
	export := logicalcluster.Key{Workspace: f.where.Name, Name: f.binding.Spec.Reference.Export.Name}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.exports[binding] == export {
		return
	}
	x.remove(binding)
	if x.exports == nil {
		x.exports, x.users = map[logicalcluster.Key]logicalcluster.Key{}, map[logicalcluster.Key]map[logicalcluster.Key]bool{}
	}
	x.exports[binding] = export
	if x.users[export] == nil {
		x.users[export] = map[logicalcluster.Key]bool{}
	}
	x.users[export][binding] = true
}

// drop forgets a binding.
func (x *index) drop(binding logicalcluster.Key) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.remove(binding)
}

func (x *index) remove(binding logicalcluster.Key) {
	export, known := x.exports[binding]
	if !known {
		return
	}
	delete(x.exports, binding)
	delete(x.users[export], binding)
	if len(x.users[export]) == 0 {
		delete(x.users, export)
	}
}

// of returns the bindings to an export, in no order.
func (x *index) of(export logicalcluster.Key) []logicalcluster.Key {
	x.mu.Lock()
	defer x.mu.Unlock()
	keys := make([]logicalcluster.Key, 0, len(x.users[export]))
	for key := range x.users[export] {
		keys = append(keys, key)
	}
	return keys
}
