package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/test/harness"
)

// Contexts of the administrators' kubeconfig.
const (
	asAdmin      = "base"       // what an administrator of workspaces is
	asShardAdmin = "shard-base" // may read the metrics
)

// hub is a hub under measurement.
type hub struct {
	*harness.Hub
	// ready is how long it took from exec until ready, cpu what the hub needed
	// for that.
	ready, cpu time.Duration
	// admin is the connection that requests are measured over.
	admin *client.Hub
	// metrics reads the hub's metrics, always over the same connection: one more for
	// each look at the memory would be seen in it.
	metrics scrape
}

// startHub starts a hub on an empty directory.
func (l *lab) startHub(ctx context.Context, name string, args ...string) (*hub, error) {
	process, err := l.world.NewHub(harness.HubOptions{Name: l.unique(name), Args: append(args, "--etcd-compaction-interval", historyKept.String())})
	if err != nil {
		return nil, err
	}
	h := &hub{Hub: process}
	return h, h.start(ctx)
}

// start starts the hub and takes the time.
func (h *hub) start(ctx context.Context) error {
	began := time.Now()
	if err := h.Hub.Start(ctx); err != nil {
		return err
	}
	h.ready, h.cpu = time.Since(began), processTime(h.Pid())
	var err error
	if h.admin, err = h.connect(asAdmin); err != nil {
		return err
	}
	h.metrics, err = h.scrape()
	return err
}

// connect opens a connection of its own, without a limit of requests.
func (h *hub) connect(kubeContext string) (*client.Hub, error) {
	return h.connectAs(kubeContext, "")
}

// connectAs is the same for somebody else, in whose name the context may speak.
func (h *hub) connectAs(kubeContext, user string) (*client.Hub, error) {
	config, err := h.config(kubeContext)
	if err != nil {
		return nil, err
	}
	config.Impersonate.UserName = user
	return client.New(config)
}

// config is that of a connection of its own.
func (h *hub) config(kubeContext string) (*rest.Config, error) {
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: h.Kubeconfig},
		&clientcmd.ConfigOverrides{CurrentContext: kubeContext},
	).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("failed to read %s: %w", h.Kubeconfig, err)
	}
	return ownConnection(config), nil
}

// ownConnection keeps client-go from sharing the connection with other clients
// of the same credentials: it does not for those that dial by themselves.
func ownConnection(config *rest.Config) *rest.Config {
	config = client.Unthrottled(config)
	config.Dial = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	return config
}

// scrape connects to read the hub's metrics.
func (h *hub) scrape() (scrape, error) {
	shardAdmin, err := h.connect(asShardAdmin)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (metrics, error) {
		text, err := shardAdmin.REST().Get().AbsPath("/metrics").DoRaw(ctx)
		if err != nil {
			return metrics{}, fmt.Errorf("failed to read the hub's metrics: %w", err)
		}
		return parseMetrics(string(text)), nil
	}, nil
}

// historyKept is how long the hubs here keep what was deleted. It is thrown away
// within twice that, and the database is rewritten soon after.
const historyKept = 20 * time.Second

// forgotten waits until what was deleted is no longer kept as history, and
// returns what memory the hub holds then: as soon as that is within limit.
func (h *hub) forgotten(ctx context.Context, say *progress, limit float64) (memory, error) {
	say.printf("waiting until etcd has forgotten what was deleted")
	for began := time.Now(); ; {
		held, _, err := h.state(ctx, say)
		if err != nil || float64(held.resident) <= limit || time.Since(began) > 4*historyKept {
			return held, err
		}
	}
}

// state returns what memory the hub holds once the garbage has gone, and its
// metrics.
func (h *hub) state(ctx context.Context, say *progress) (memory, metrics, error) {
	say.printf("waiting for the hub's memory to settle")
	held, err := settle(ctx, h.Pid(), h.metrics)
	if err != nil {
		return memory{}, metrics{}, err
	}
	m, err := h.metrics(ctx)
	return held, m, err
}

// scrapeURL reads metrics that are not protected.
func scrapeURL(url string) scrape {
	return func(ctx context.Context) (metrics, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return metrics{}, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return metrics{}, fmt.Errorf("failed to read metrics: %w", err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK {
			return metrics{}, fmt.Errorf("failed to read metrics from %s: %s, %w", url, response.Status, err)
		}
		return parseMetrics(string(text)), nil
	}
}
