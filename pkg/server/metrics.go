package server

import (
	"sync/atomic"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

// counted is the hub whose holdings the metrics tell: the one of this process.
var counted atomic.Pointer[Hub]

func init() {
	for _, g := range []struct {
		subsystem, name, help string
		of                    func(*Hub) int
	}{
		{"catalog", "shapes", "Distinct definitions that workspaces installed or bound.", func(h *Hub) int { return h.catalog.Stats().Shapes }},
		{"catalog", "sets", "Distinct sets of APIs that workspaces serve, besides that of a workspace without any of its own.", func(h *Hub) int { return h.catalog.Stats().Sets }},
		{"customresources", "handlers", "Shapes that have a handler; those that nobody asks for have none.", func(h *Hub) int { return h.customResources.Len() }},
		{"discovery", "documents", "Discovery and OpenAPI documents that are kept, of all workspaces.", func(h *Hub) int { return h.discovery.Load().Len() }},
	} {
		legacyregistry.RawMustRegister(metrics.NewGaugeFunc(&metrics.GaugeOpts{
			Namespace: "atrium", Subsystem: g.subsystem, Name: g.name, Help: g.help,
		}, func() float64 {
			if h := counted.Load(); h != nil {
				return float64(g.of(h))
			}
			return 0
		}))
	}
}
