package directory

import (
	"strings"
	"sync"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// maxDepth bounds the walk from a workspace up to the root. Paths are at most
// 4 kB long, so a deeper chain can only be a circle.
const maxDepth = 4096

// rootType is the type of the root workspace, which no Workspace object names.
const rootType = logicalcluster.Path("root:root")

// Entry is what the directory knows of one workspace.
type Entry struct {
	// Name is the ID under which the workspace is stored.
	Name logicalcluster.Name
	// Path is the canonical path, which starts at the root.
	Path logicalcluster.Path
	// Phase is Terminating or Deleting once deletion was asked for, otherwise the
	// phase of the LogicalCluster. Without one it is Scheduling, or Unavailable if
	// there was one before.
	Phase corev1alpha1.LogicalClusterPhaseType
	// Waiting are the IDs of those who have to finish before the phase ends, while
	// it is Initializing or Terminating.
	Waiting []string
	// Type is the path of the WorkspaceType, such as "root:universal". It is
	// empty when the Workspace names none.
	Type logicalcluster.Path
}

// Ready reports whether ordinary requests may be served.
func (e Entry) Ready() bool { return e.Phase == corev1alpha1.LogicalClusterPhaseReady }

// Ending reports whether deletion was asked for.
func (e Entry) Ending() bool {
	return e.Phase == corev1alpha1.LogicalClusterPhaseTerminating || e.Phase == corev1alpha1.LogicalClusterPhaseDeleting
}

// Directory finds workspaces. The zero value is not usable; call New.
type Directory struct {
	// feeding serialises the events of the two informers. Readers never take it.
	feeding sync.Mutex
	// children: place -> *record
	children sync.Map
	// rooms: logicalcluster.Name -> *record, the Workspace that owns the ID
	rooms sync.Map
	// mounts: place -> struct{}, of the Workspaces that are mounts
	mounts sync.Map
	// phases: logicalcluster.Name -> corev1alpha1.LogicalClusterPhaseType
	phases sync.Map
	// helpers: logicalcluster.Name -> *helpers, for the few workspaces that have any
	helpers sync.Map
}

// place says where a Workspace object lies. It is not recycled with the ID: the
// same place gets a new record when a Workspace is created again.
type place struct {
	parent logicalcluster.Name
	name   string
}

// record is one Workspace object that has an ID. Records are immutable.
type record struct {
	place
	cluster  logicalcluster.Name
	kind     logicalcluster.Path
	deleting bool
	// used is whether the Workspace has said that it is ready.
	used bool
}

// helpers are those whom a workspace waits for at its beginning and at its end.
type helpers struct{ initializers, terminators []string }

// New returns a Directory that knows root and system:admin.
func New() *Directory { return &Directory{} }

// Resolve finds the workspace that path names. The path may start at "root" or
// at the ID of any workspace.
func (d *Directory) Resolve(path logicalcluster.Path) (Entry, bool) {
	if name, single := path.Name(); single {
		return d.ByName(name)
	}
	first, rest, _ := strings.Cut(path.String(), ":")
	base, ok := d.ByName(logicalcluster.Name(first))
	if !ok {
		return Entry{}, false
	}
	last, ok := d.descend(base.Name, rest)
	if !ok {
		return Entry{}, false
	}
	if base.Name == logicalcluster.Root {
		return d.entry(last, path), true
	}
	return d.entry(last, base.Path+":"+logicalcluster.Path(rest)), true
}

// descend walks the colon separated names in rest, which is not empty.
func (d *Directory) descend(from logicalcluster.Name, rest string) (*record, bool) {
	for {
		name, below, more := strings.Cut(rest, ":")
		child, ok := d.child(place{parent: from, name: name})
		if !ok || !more {
			return child, ok
		}
		from, rest = child.cluster, below
	}
}

// ByName finds the workspace stored under name. It is not found when one of
// the workspaces above it is gone.
func (d *Directory) ByName(name logicalcluster.Name) (Entry, bool) {
	if entry, ok := builtin(name); ok {
		return entry, true
	}
	room, ok := d.room(name)
	if !ok {
		return Entry{}, false
	}
	path, ok := d.climb(room)
	if !ok {
		return Entry{}, false
	}
	return d.entry(room, path), true
}

// climb returns the path of room, and false when it does not reach the root.
func (d *Directory) climb(room *record) (logicalcluster.Path, bool) {
	var names []string
	for range maxDepth {
		names = append(names, room.name)
		if room.parent == logicalcluster.Root {
			return rootedPath(names), true
		}
		above, ok := d.room(room.parent)
		if !ok {
			return "", false
		}
		room = above
	}
	return "", false
}

// rootedPath joins names, which are in order from the leaf upwards.
func rootedPath(names []string) logicalcluster.Path {
	var b strings.Builder
	b.WriteString(logicalcluster.Root.String())
	for i := len(names) - 1; i >= 0; i-- {
		b.WriteByte(':')
		b.WriteString(names[i])
	}
	return logicalcluster.Path(b.String())
}

func builtin(name logicalcluster.Name) (Entry, bool) {
	switch name {
	case logicalcluster.Root:
		return Entry{Name: name, Path: name.Path(), Phase: corev1alpha1.LogicalClusterPhaseReady, Type: rootType}, true
	case logicalcluster.SystemAdmin, logicalcluster.SystemBoundCRDs:
		return Entry{Name: name, Path: name.Path(), Phase: corev1alpha1.LogicalClusterPhaseReady}, true
	}
	return Entry{}, false
}

func (d *Directory) entry(r *record, path logicalcluster.Path) Entry {
	phase, waiting := d.phase(r)
	return Entry{Name: r.cluster, Path: path, Phase: phase, Waiting: waiting, Type: r.kind}
}

// phase prefers what the LogicalCluster says to what the Workspace says: the
// former is written first, so nobody sees a Workspace become ready and is then
// turned away from it. Deletion is asked for in the Workspace.
func (d *Directory) phase(r *record) (corev1alpha1.LogicalClusterPhaseType, []string) {
	phase, found := d.phases.Load(r.cluster)
	switch {
	case r.deleting:
		if terminators := d.helpersOf(r.cluster).terminators; len(terminators) > 0 {
			return corev1alpha1.LogicalClusterPhaseTerminating, terminators
		}
		return corev1alpha1.LogicalClusterPhaseDeleting, nil
	case phase == corev1alpha1.LogicalClusterPhaseInitializing:
		return corev1alpha1.LogicalClusterPhaseInitializing, d.helpersOf(r.cluster).initializers
	case found:
		return phase.(corev1alpha1.LogicalClusterPhaseType), nil
	case r.used:
		return corev1alpha1.LogicalClusterPhaseUnavailable, nil
	}
	return corev1alpha1.LogicalClusterPhaseScheduling, nil
}

func (d *Directory) helpersOf(name logicalcluster.Name) *helpers {
	if v, ok := d.helpers.Load(name); ok {
		return v.(*helpers)
	}
	return &helpers{}
}

func (d *Directory) child(at place) (*record, bool) {
	v, ok := d.children.Load(at)
	if !ok {
		return nil, false
	}
	return v.(*record), true
}

func (d *Directory) room(name logicalcluster.Name) (*record, bool) {
	v, ok := d.rooms.Load(name)
	if !ok {
		return nil, false
	}
	return v.(*record), true
}

// Owner returns the place of the Workspace object that has the ID name, even
// when what is above it is gone.
func (d *Directory) Owner(name logicalcluster.Name) (logicalcluster.Key, bool) {
	room, ok := d.room(name)
	if !ok {
		return logicalcluster.Key{}, false
	}
	return logicalcluster.Key{Workspace: room.parent, Name: room.name}, true
}
