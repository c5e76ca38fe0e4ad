package bindings

import (
	"sync"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// index knows which bindings, or endpoint slices, refer to an export. References are
// by path, so it holds what they meant when they were looked at; those that meant
// nothing are looked at again by themselves.
type index struct {
	mu      sync.Mutex
	exports map[logicalcluster.Key]logicalcluster.Key // by user
	users   map[logicalcluster.Key]map[logicalcluster.Key]bool
}

// put notes which export user refers to.
func (x *index) put(user, export logicalcluster.Key) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.exports[user] == export {
		return
	}
	x.remove(user)
	if x.exports == nil {
		x.exports, x.users = map[logicalcluster.Key]logicalcluster.Key{}, map[logicalcluster.Key]map[logicalcluster.Key]bool{}
	}
	x.exports[user] = export
	if x.users[export] == nil {
		x.users[export] = map[logicalcluster.Key]bool{}
	}
	x.users[export][user] = true
}

// drop forgets a user.
func (x *index) drop(user logicalcluster.Key) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.remove(user)
}

func (x *index) remove(user logicalcluster.Key) {
	export, known := x.exports[user]
	if !known {
		return
	}
	delete(x.exports, user)
	delete(x.users[export], user)
	if len(x.users[export]) == 0 {
		delete(x.users, export)
	}
}

// to returns the export that user refers to.
func (x *index) to(user logicalcluster.Key) (logicalcluster.Key, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	export, known := x.exports[user]
	return export, known
}

// count returns how many users an export has.
func (x *index) count(export logicalcluster.Key) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.users[export])
}

// of returns the users of an export, in no order.
func (x *index) of(export logicalcluster.Key) []logicalcluster.Key {
	x.mu.Lock()
	defer x.mu.Unlock()
	keys := make([]logicalcluster.Key, 0, len(x.users[export]))
	for key := range x.users[export] {
		keys = append(keys, key)
	}
	return keys
}
