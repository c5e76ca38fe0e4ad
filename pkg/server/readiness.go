package server

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/atriumhub/atrium/pkg/directory"
	"github.com/atriumhub/atrium/pkg/routing"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/pkg/views"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// readiness says which workspaces are open, and to what. Those that are being
// deleted are: their users have to take off the finalizers they put on.
// Admission keeps new objects out of these.
func readiness(dir *directory.Directory) routing.Readiness {
	return func(t target.Target, info *request.RequestInfo) error {
		entry, ok := dir.ByName(t.Identity)
		if !ok {
			return fmt.Errorf("workspace %q is not known to this hub yet: try again in a moment", t.Path)
		}
		switch entry.Phase {
		case corev1alpha1.LogicalClusterPhaseReady, corev1alpha1.LogicalClusterPhaseTerminating, corev1alpha1.LogicalClusterPhaseDeleting:
			return nil
		case corev1alpha1.LogicalClusterPhaseInactive:
			if wakes(info) {
				return nil
			}
		}
		return closed(t.Path, entry)
	}
}

// readAway is how long watches may read on when their workspace is gone: the last
// deletions are stored by then, but not delivered.
const readAway = time.Second

// endWatches makes watches end when their workspace closes. It comes after the
// directory, which says whether it has.
func (h *Hub) endWatches() {
	h.lasting = routing.NewLasting(readiness(h.directory))
	h.models.logicalClusters.OnChange(func(_, _ *corev1alpha1.LogicalCluster, key logicalcluster.Key) {
		if _, known := h.directory.ByName(key.Workspace); known {
			h.lasting.Recheck(key.Workspace)
		}
	})
}

func (h *Hub) endGone(workspace logicalcluster.Name) { h.lasting.End(workspace, readAway) }

// wakes reports whether a request is needed to wake an inactive workspace with
// kubectl: to find out what is served, and to read and change the annotation.
func wakes(info *request.RequestInfo) bool {
	if info == nil {
		return false
	}
	if info.IsResourceRequest {
		return info.APIGroup == corev1alpha1.GroupName && info.Resource == "logicalclusters"
	}
	return views.IsDescription(info.Path)
}

// closed says why a workspace takes no requests, and what to do.
func closed(path logicalcluster.Path, entry directory.Entry) error {
	switch {
	case entry.Phase == corev1alpha1.LogicalClusterPhaseInactive:
		return fmt.Errorf("workspace %q is inactive: wake it with `kubectl annotate logicalcluster %s %s-` in the workspace",
			path, corev1alpha1.LogicalClusterName, corev1alpha1.InactiveAnnotationKey)
	case len(entry.Waiting) > 0:
		return fmt.Errorf("workspace %q is not ready: it is in phase %s and waits for %s", path, entry.Phase, strings.Join(entry.Waiting, ", "))
	}
	return fmt.Errorf("workspace %q is not ready: it is in phase %s", path, entry.Phase)
}
