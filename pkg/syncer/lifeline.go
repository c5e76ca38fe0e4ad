package syncer

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

// repeatAfter is how often a trouble that lasts is logged.
const repeatAfter = 30 * time.Second

// lifeline watches every request to one side. It logs a trouble when it starts,
// when it turns into another and from time to time while it lasts, and it logs
// the end. The parts of the agent that send the requests just try again.
type lifeline struct {
	side  side
	clock clock.PassiveClock
	log   klog.Logger

	mu     sync.Mutex
	kind   string // "" while all is well
	since  time.Time
	logged time.Time
}

// wrap puts the lifeline around a transport.
func (l *lifeline) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		switch {
		case err != nil && errors.Is(req.Context().Err(), context.Canceled):
			// Nobody wants the answer any more; it says nothing about the server.
		case err != nil:
			l.down(l.side.diagnose(err))
		case resp.StatusCode == http.StatusUnauthorized:
			l.down(l.side.diagnose(unauthorized()))
		default:
			l.up()
		}
		return resp, err
	})
}

func (l *lifeline) down(t trouble) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	if l.kind == "" {
		l.since = now
	}
	if l.kind == t.kind && now.Sub(l.logged) < repeatAfter {
		return
	}
	l.kind, l.logged = t.kind, now
	l.log.Info("Trouble with the "+l.side.name+": "+t.message+"; trying again", "reason", t.kind, "for", now.Sub(l.since).Round(time.Second))
}

func (l *lifeline) up() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kind == "" {
		return
	}
	l.log.Info("Connection to the "+l.side.name+" is back", "host", l.side.host, "after", l.clock.Now().Sub(l.since).Round(time.Millisecond))
	l.kind = ""
}

// trouble is the word for what is wrong now, or "".
func (l *lifeline) trouble() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kind
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
