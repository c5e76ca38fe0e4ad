package syncer

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// DefaultHeartbeatInterval is how often the agent tells the hub that it lives.
const DefaultHeartbeatInterval = 20 * time.Second

// DefaultWorkers is how many objects of one resource are worked on at a time.
const DefaultWorkers = 8

// Config is what an agent needs.
type Config struct {
	// Hub is the connection to the hub. Its Host is the workspace of the
	// SyncTarget: https://hub:6443/clusters/<path>.
	Hub *rest.Config
	// Child is the connection to the child cluster.
	Child *rest.Config
	// SyncTarget and UID name the SyncTarget the agent works for.
	SyncTarget string
	UID        string
	// Resources are what to copy, as "deployments.apps" or "services". Empty
	// means DefaultResources.
	Resources []string
	// HeartbeatInterval defaults to DefaultHeartbeatInterval.
	HeartbeatInterval time.Duration
	// Workers is the number of objects of one resource that are worked on at a
	// time. It defaults to DefaultWorkers.
	Workers int
	// Clock is the real one when nil.
	Clock clock.WithTicker
}

func (c Config) withDefaults() Config {
	c.HeartbeatInterval = cmp.Or(c.HeartbeatInterval, DefaultHeartbeatInterval)
	c.Workers = cmp.Or(c.Workers, DefaultWorkers)
	if c.Clock == nil {
		c.Clock = clock.RealClock{}
	}
	if len(c.Resources) == 0 {
		c.Resources = DefaultResources()
	}
	return c
}

// validate names what is missing and how to get it.
func (c Config) validate() error {
	switch {
	case c.SyncTarget == "":
		return errors.New("no sync target: say which SyncTarget this agent works for")
	case c.UID == "":
		return fmt.Errorf("no UID for sync target %q: it protects against working for a SyncTarget that was deleted and created again; see metadata.uid of the SyncTarget", c.SyncTarget)
	case c.HeartbeatInterval < 0:
		return fmt.Errorf("heartbeat interval %s is negative", c.HeartbeatInterval)
	default:
		return nil
	}
}

// splitHub divides the address of the hub connection into the hub and the
// workspace of the SyncTarget.
func (c Config) splitHub() (*rest.Config, logicalcluster.Path, error) {
	base, workspace, ok := client.SplitURL(c.Hub.Host)
	if !ok || workspace == client.Everywhere {
		return nil, "", fmt.Errorf("hub address %q does not name the workspace of the SyncTarget: it has to end in /clusters/<workspace>, as in https://hub:6443/clusters/root:compute", c.Hub.Host)
	}
	hub := rest.CopyConfig(c.Hub)
	hub.Host = base
	return hub, workspace, nil
}
