package server

import (
	"fmt"

	"github.com/atriumhub/atrium/pkg/publications"
)

// buildPublisher makes what binds published exports.
func (h *Hub) buildPublisher() (*publications.Publisher, error) {
	m := h.models
	publisher, err := publications.New(publications.Config{
		Publications: m.publications, Exports: m.exports, Bindings: m.bindings,
		Workspaces: m.workspaces, LogicalClusters: m.logicalClusters,
		Directory: h.directory, CustomResources: h.stores.customResources,
	})
	if err != nil {
		return nil, fmt.Errorf("failed to make the publisher: %w", err)
	}
	return publisher, nil
}
