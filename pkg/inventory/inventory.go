package inventory

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/atriumhub/atrium/pkg/scheduling/decide"
	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Config is what New needs.
type Config struct {
	SyncTargets Source[*workloadv1alpha1.SyncTarget]
	Locations   Source[*schedulingv1alpha1.Location]
	Placements  Source[*schedulingv1alpha1.Placement]
	// Path returns the path of a workspace, for messages and for telling which
	// workspaces are below which. It answers from memory.
	Path func(logicalcluster.Name) logicalcluster.Path
}

// Inventory is the read model. It is safe for concurrent use.
type Inventory struct {
	config Config

	mu sync.Mutex
	// keys has the workspace and name of every SyncTarget by its key.
	keys map[string]logicalcluster.Key
	// assigned counts the Placements that have chosen a key.
	assigned map[string]int
	// snapshots are built on demand; version counts what made any of them stale,
	// so that one that was being built meanwhile is not kept.
	snapshots map[logicalcluster.Name]*decide.Snapshot
	version   uint64
}

// New returns an Inventory that listens to the sources.
func New(config Config) *Inventory {
	inv := &Inventory{
		config:    config,
		keys:      map[string]logicalcluster.Key{},
		assigned:  map[string]int{},
		snapshots: map[logicalcluster.Name]*decide.Snapshot{},
	}
	config.SyncTargets.OnChange(inv.targetChanged)
	config.Locations.OnChange(func(_, _ *schedulingv1alpha1.Location, key logicalcluster.Key) { inv.spoil(key.Workspace) })
	config.Placements.OnChange(inv.placementChanged)
	return inv
}

// Exists reports whether there is a SyncTarget with the given key.
func (inv *Inventory) Exists(key string) bool {
	_, ok := inv.Find(key)
	return ok
}

// Find returns the workspace and name of the SyncTarget with the given key.
func (inv *Inventory) Find(key string) (logicalcluster.Key, bool) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	found, ok := inv.keys[key]
	return found, ok
}

// Snapshot returns what the workspace offers. It is shared: do not change it.
func (inv *Inventory) Snapshot(workspace logicalcluster.Name) decide.Snapshot {
	inv.mu.Lock()
	known, version := inv.snapshots[workspace], inv.version
	inv.mu.Unlock()
	if known != nil {
		return *known
	}
	built := inv.build(workspace)
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if inv.version == version && len(built.Targets)+len(built.Locations) > 0 {
		inv.snapshots[workspace] = &built
	}
	return built
}

func (inv *Inventory) build(workspace logicalcluster.Name) decide.Snapshot {
	s := decide.Snapshot{Workspace: workspace, Path: inv.config.Path(workspace)}
	for _, o := range inv.config.Locations.In(workspace) {
		// A selector that makes no sense selects nothing; the Location says so.
		l, _ := LocationFacts(o)
		s.Locations = append(s.Locations, l)
	}
	for _, o := range inv.config.SyncTargets.In(workspace) {
		s.Targets = append(s.Targets, TargetFacts(o))
	}
	slices.SortFunc(s.Locations, func(a, b decide.Location) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Targets, func(a, b decide.Target) int { return cmp.Compare(a.Name, b.Name) })
	inv.mu.Lock()
	defer inv.mu.Unlock()
	for i := range s.Targets {
		s.Targets[i].Assigned = inv.assigned[s.Targets[i].Key]
	}
	return s
}

func (inv *Inventory) targetChanged(before, after *workloadv1alpha1.SyncTarget, key logicalcluster.Key) {
	name := workloadv1alpha1.ToSyncTargetKey(key.Workspace, key.Name)
	inv.mu.Lock()
	if after == nil {
		delete(inv.keys, name)
	} else {
		inv.keys[name] = key
	}
	inv.mu.Unlock()
	if SameFacts(before, after) {
		return
	}
	inv.spoil(key.Workspace)
}

// SameFacts reports whether two versions of a SyncTarget are the same for every
// decision. It is false when one of them is nil.
func SameFacts(before, after *workloadv1alpha1.SyncTarget) bool {
	return before != nil && after != nil && reflect.DeepEqual(TargetFacts(before), TargetFacts(after))
}

func (inv *Inventory) placementChanged(before, after *schedulingv1alpha1.Placement, _ logicalcluster.Key) {
	was, is := ChosenKey(before), ChosenKey(after)
	if was == is {
		return
	}
	for _, workspace := range inv.recount(was, is) {
		inv.spoil(workspace)
	}
}

// recount moves one Placement from one key to another and returns the workspaces
// of the two targets.
func (inv *Inventory) recount(was, is string) []logicalcluster.Name {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	workspaces := map[logicalcluster.Name]bool{}
	for key, step := range map[string]int{was: -1, is: 1} {
		if key == "" {
			continue
		}
		if inv.assigned[key] += step; inv.assigned[key] <= 0 {
			delete(inv.assigned, key)
		}
		workspaces[inv.keys[key].Workspace] = true
	}
	return slices.Collect(maps.Keys(workspaces))
}

// ChosenKey returns the key of the sync target that a Placement has chosen, or
// "". The Placement may be nil.
func ChosenKey(o *schedulingv1alpha1.Placement) string {
	if o == nil {
		return ""
	}
	return o.Annotations[workloadv1alpha1.SyncTargetAnnotationKey]
}

// spoil makes the next Snapshot of the workspace be built anew.
func (inv *Inventory) spoil(workspace logicalcluster.Name) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	delete(inv.snapshots, workspace)
	inv.version++
}
