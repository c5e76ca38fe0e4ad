package loop

import (
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

var (
	reconciles = metrics.NewCounterVec(&metrics.CounterOpts{
		Namespace: "atrium",
		Subsystem: "loop",
		Name:      "reconciles_total",
		Help:      "Reconciled keys by loop and result: ok, again, error, terminal or panic.",
	}, []string{"loop", "result"})

	seconds = metrics.NewHistogramVec(&metrics.HistogramOpts{
		Namespace: "atrium",
		Subsystem: "loop",
		Name:      "reconcile_seconds",
		Help:      "Duration of one reconcile by loop.",
		Buckets:   []float64{0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60},
	}, []string{"loop"})

	depth = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Namespace: "atrium",
		Subsystem: "loop",
		Name:      "keys_waiting",
		Help:      "Keys ready to be reconciled by loop; keys waiting for a retry are not among them.",
	}, []string{"loop"})
)

func init() {
	legacyregistry.MustRegister(reconciles, seconds, depth)
}
