package partition

import (
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend"

	"github.com/atriumhub/atrium/pkg/keyspace"
)

// shared is what all Getters of a family have in common: one connection per
// etcd, however many resources there are, and the ledger of those.
type shared struct {
	mu          sync.Mutex
	connections map[string]*connection
	known       ledger
}

// place is where a resource lies: in which etcd and under which prefix.
type place struct {
	resource  schema.GroupResource
	layout    keyspace.Layout
	root      string // prefix of all keys of the hub, such as "/registry"
	transport storagebackend.TransportConfig
}

func newShared() *shared {
	return &shared{
		connections: map[string]*connection{},
		known:       newLedger(),
	}
}

// opened is the unpartitioned store of one resource, and what writing to it
// takes besides.
type opened struct {
	storage.Interface
	direct *destination
}

// open returns the unpartitioned store of one resource on the connection for
// its etcd. The returned function closes the store, and the connection with
// its last store; it may be called more than once.
func (s *shared) open(
	config *storagebackend.ConfigForResource,
	layout keyspace.Layout,
	resource schema.GroupResource,
	forgettable bool,
	newFunc, newListFunc func() runtime.Object,
) (opened, func(), error) {
	conn, release, err := s.connect(config.Transport)
	if err != nil {
		return opened{}, nil, err
	}
	store, stopStore, err := conn.store(config, layout, newFunc, newListFunc)
	if err != nil {
		release()
		return opened{}, nil, fmt.Errorf("making the store: %w", err)
	}
	forget := s.use(&place{resource: resource, layout: layout, root: config.Prefix, transport: config.Transport}, forgettable)
	var once sync.Once
	return opened{store, newDestination(conn, config, resource)}, func() { once.Do(func() { stopStore(); forget(); release() }) }, nil
}

// connect returns the connection to the etcd that transport describes and a
// function to call when it is no longer needed.
func (s *shared) connect(transport storagebackend.TransportConfig) (*connection, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := connectionKey(transport)
	conn, ok := s.connections[key]
	if !ok {
		dialed, err := dial(transport)
		if err != nil {
			return nil, nil, err
		}
		conn = dialed
		s.connections[key] = conn
	}
	conn.users++
	var once sync.Once
	return conn, func() { once.Do(func() { s.release(key, conn) }) }, nil
}

func (s *shared) release(key string, conn *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn.users--
	if conn.users == 0 {
		delete(s.connections, key)
		conn.close()
	}
}

// use makes a place known before its store is handed out. Unless the place is
// forgettable that is for good: when the store is closed, its objects are still
// there. The returned function says that it was.
func (s *shared) use(p *place, forgettable bool) (closed func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !forgettable {
		s.known.pin(p)
		return func() {}
	}
	s.known.open(p)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.known.closed(p)
	}
}
