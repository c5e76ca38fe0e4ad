package harness

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"

	"k8s.io/client-go/tools/clientcmd"
)

// Relay stands between a client and a server and can be cut like a cable.
type Relay struct {
	listener net.Listener
	backend  string

	mu    sync.Mutex
	state lineState
	// changed is closed and replaced when state changes.
	changed chan struct{}
	open    map[net.Conn]bool
}

type lineState int

const (
	lineUp lineState = iota
	// lineDown resets connections and accepts none.
	lineDown
	// lineSilent keeps connections and lets nothing through.
	lineSilent
)

// Relay starts a relay to the server of a kubeconfig, and writes to file a
// kubeconfig that goes through it.
func (w *World) Relay(kubeconfig, file string) (*Relay, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("failed to read %s: %w", kubeconfig, err)
	}
	server, err := url.Parse(config.Host)
	if err != nil {
		return nil, fmt.Errorf("failed to read the server in %s: %w", kubeconfig, err)
	}
	r, err := NewRelay(server.Host)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.relays = append(w.relays, r)
	w.mu.Unlock()
	return r, Redirect(kubeconfig, file, "https://"+r.Addr())
}

// NewRelay starts a relay to backend, a host and port.
func NewRelay(backend string) (*Relay, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("failed to start a relay: %w", err)
	}
	r := &Relay{listener: listener, backend: backend, changed: make(chan struct{}), open: map[net.Conn]bool{}}
	go r.accept()
	return r, nil
}

// Addr is where clients connect to.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Cut resets every connection and refuses new ones.
func (r *Relay) Cut() {
	r.set(lineDown)
	r.mu.Lock()
	defer r.mu.Unlock()
	for connection := range r.open {
		connection.Close()
	}
}

// Silence lets nothing through any more but tells nobody, as when packets are
// dropped.
func (r *Relay) Silence() { r.set(lineSilent) }

// Mend ends Cut and Silence.
func (r *Relay) Mend() { r.set(lineUp) }

// Close ends the relay and its connections.
func (r *Relay) Close() {
	r.listener.Close()
	r.Cut()
}

func (r *Relay) set(state lineState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = state
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *Relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		go r.serve(client)
	}
}

func (r *Relay) serve(client net.Conn) {
	defer client.Close()
	if !r.hold(client) {
		return
	}
	defer r.forget(client)
	if !r.passable() {
		return
	}
	server, err := net.Dial("tcp4", r.backend)
	if err != nil {
		return
	}
	defer server.Close()
	if !r.hold(server) {
		return
	}
	defer r.forget(server)
	var both sync.WaitGroup
	both.Go(func() { r.pass(server, client) })
	both.Go(func() { r.pass(client, server) })
	both.Wait()
}

// pass copies one direction until either side ends.
func (r *Relay) pass(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	_, _ = io.Copy(gate{r, to}, from)
}

// gate is a connection whose writes wait while the line is silent.
type gate struct {
	relay *Relay
	to    net.Conn
}

// Write implements io.Writer.
func (g gate) Write(data []byte) (int, error) {
	if !g.relay.passable() {
		return 0, net.ErrClosed
	}
	return g.to.Write(data)
}

// passable waits while the line is silent, and reports whether it is up.
func (r *Relay) passable() bool {
	for {
		r.mu.Lock()
		state, changed := r.state, r.changed
		r.mu.Unlock()
		if state != lineSilent {
			return state == lineUp
		}
		<-changed
	}
}

// hold remembers a connection, so that Cut can end it. It refuses while cut.
func (r *Relay) hold(connection net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == lineDown {
		connection.Close()
		return false
	}
	r.open[connection] = true
	return true
}

func (r *Relay) forget(connection net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, connection)
}
