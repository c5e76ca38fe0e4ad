package policies

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/rest"

	"github.com/atriumhub/atrium/pkg/egress"
	"github.com/atriumhub/atrium/pkg/roster"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// callTimeout is for configurations that were stored without one, and as long
	// as any may name.
	callTimeout = 30 * time.Second
	// maxAnswer is what is read of an answer: as much as the hub takes from anybody
	// in one request.
	maxAnswer = 3 << 20
)

// calls are those of webhooks, of all workspaces (P5).
type calls struct {
	door    *egress.Door
	waiting *roster.Limits[logicalcluster.Name]
}

func newCalls(door *egress.Door) *calls {
	return &calls{door, roster.NewLimits[logicalcluster.Name](waitingPerWorkspace, waitingTogether)}
}

type callerKey struct{}

// calling returns ctx for calls of webhooks of a workspace.
func calling(ctx context.Context, workspace logicalcluster.Name) context.Context {
	return context.WithValue(ctx, callerKey{}, workspace)
}

// clients make the connections of one plugin.
type clients struct {
	calls *calls

	mu         sync.Mutex
	transports []*http.Transport
}

var _ webhook.AuthenticationInfoResolver = &clients{}

func (c *calls) clients() *clients { return &clients{calls: c} }

func (c *clients) wrap(webhook.AuthenticationInfoResolver) webhook.AuthenticationInfoResolver {
	return c
}

// ClientConfigFor shows no credentials of the hub, and connects by the door.
func (c *clients) ClientConfigFor(string) (*rest.Config, error) {
	config := c.calls.door.RESTConfig("atrium-admission", callTimeout)
	config.Wrap(c.limit)
	return config, nil
}

// ClientConfigForService refuses.
func (*clients) ClientConfigForService(name, namespace string, _ int) (*rest.Config, error) {
	return nil, errors.New(noService(namespace, name))
}

func noService(namespace, name string) string {
	return fmt.Sprintf("the webhook is the Service %s/%s, and in a hub there are no pods behind services: give it a url", namespace, name)
}

// close ends idle connections. Those in use end with their calls.
func (c *clients) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, transport := range c.transports {
		transport.CloseIdleConnections()
	}
	c.transports = nil
}

func (c *clients) limit(base http.RoundTripper) http.RoundTripper {
	if transport, ok := base.(*http.Transport); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.transports = append(c.transports, transport)
	}
	return limited{base, c.calls.waiting}
}

// limited calls webhooks, not too many at a time, and neither follows them
// elsewhere, nor asks again when they say so, nor reads without end.
type limited struct {
	next    http.RoundTripper
	waiting *roster.Limits[logicalcluster.Name]
}

// WrappedRoundTripper lets client-go find the connections below.
func (l limited) WrappedRoundTripper() http.RoundTripper { return l.next }

// RoundTrip implements http.RoundTripper.
func (l limited) RoundTrip(req *http.Request) (*http.Response, error) {
	of, _ := req.Context().Value(callerKey{}).(logicalcluster.Name)
	if !l.waiting.Enter(of) {
		return nil, errors.New("too many calls of webhooks are under way, those of this workspace or all: try again")
	}
	response, err := l.next.RoundTrip(req)
	if err != nil {
		l.waiting.Leave(of)
		return nil, err
	}
	response.Body = &answer{response.Body, maxAnswer, sync.OnceFunc(func() { l.waiting.Leave(of) })}
	if response.StatusCode/100 == 3 {
		response.Body.Close()
		return nil, fmt.Errorf("it answered %q, and redirects are not followed: give the url that it leads to", response.Status)
	}
	response.Header.Del("Retry-After")
	return response, nil
}

// answer is the body of a response that must not be too large. The call is under
// way until it is closed.
type answer struct {
	io.ReadCloser
	left int64
	done func()
}

// Read implements io.Reader. It reads one byte more than is allowed to tell.
func (a *answer) Read(p []byte) (int, error) {
	if int64(len(p)) > a.left+1 {
		p = p[:a.left+1]
	}
	n, err := a.ReadCloser.Read(p)
	if a.left -= int64(n); a.left < 0 {
		return 0, egress.ErrTooLarge
	}
	return n, err
}

// Close implements io.Closer.
func (a *answer) Close() error {
	defer a.done()
	return a.ReadCloser.Close()
}
