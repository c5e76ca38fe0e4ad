package decide

import (
	"slices"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Admits reports whether workloads of the consumer may run on the target, which
// must be one of the snapshot's.
//
// A sync target stands for somebody's cluster, and the path of a workspace is
// easy to guess, so naming a location workspace in a Placement is not enough.
// A target admits
//
//   - its own workspace, always;
//   - if its owner listed workspaces: those and the ones below them, nobody else;
//   - otherwise the workspaces below its own, and those that have bound a compute
//     export of its workspace, which takes a permission given there.
func (s Snapshot) Admits(c Consumer, t *Target) bool {
	if c.Workspace == s.Workspace {
		return true
	}
	if !t.AllowedSet {
		return s.trusts(c)
	}
	return slices.ContainsFunc(t.Allowed, func(p logicalcluster.Path) bool {
		return p == AnyWorkspace || !p.Empty() && c.Path.HasPrefix(p)
	})
}

// trusts reports whether the consumer is one that the owner of the location
// workspace has dealings with.
func (s Snapshot) trusts(c Consumer) bool {
	if c.Workspace == s.Workspace || slices.Contains(c.Computes, s.Workspace) {
		return true
	}
	return !s.Path.Empty() && c.Path.HasPrefix(s.Path)
}

// mayKnow reports whether the consumer may learn what is in the location
// workspace (D6).
func (s Snapshot) mayKnow(c Consumer) bool {
	if s.trusts(c) {
		return true
	}
	for i := range s.Targets {
		if s.Admits(c, &s.Targets[i]) {
			return true
		}
	}
	return false
}
