package syncer

import (
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/atriumhub/atrium/pkg/syncer/copy"
	"github.com/atriumhub/atrium/pkg/syncer/remote"
)

var (
	steps = metrics.NewCounterVec(&metrics.CounterOpts{
		Namespace: "atrium",
		Subsystem: "syncer",
		Name:      "steps_total",
		Help:      "Steps taken by resource and kind of step: apply, delete, wait, release, report, refuse, nothing or error.",
	}, []string{"resource", "step"})

	mirrored = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Namespace: "atrium",
		Subsystem: "syncer",
		Name:      "objects",
		Help:      "Objects seen by resource and side, as of the last heartbeat.",
	}, []string{"resource", "side"})

	heartbeats = metrics.NewCounterVec(&metrics.CounterOpts{
		Namespace: "atrium",
		Subsystem: "syncer",
		Name:      "heartbeats_total",
		Help:      "Heartbeats by result: ok or error.",
	}, []string{"result"})
)

func init() {
	legacyregistry.MustRegister(steps, mirrored, heartbeats)
}

func count(resource remote.Resource, step copy.Step, err error) {
	word := string(step)
	if err != nil && step != copy.Refused {
		word = "error"
	}
	steps.WithLabelValues(resource.GroupResource().String(), word).Inc()
}
