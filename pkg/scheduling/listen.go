package scheduling

import (
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/pkg/inventory"
	"github.com/atriumhub/atrium/pkg/scheduling/decide"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// emptyNamespaceDelay lets many objects leave a namespace before it is looked at
// whether the last one has.
const emptyNamespaceDelay = time.Second

// listen turns what happens to objects into keys for the loops: who may have to
// decide anew because of it. All queues must be set.
func (s *scheduler) listen() {
	s.SyncTargets.OnChange(s.syncTargetChanged)
	s.Locations.OnChange(s.locationChanged)
	s.Placements.OnChange(s.placementChanged)
	s.Namespaces.OnChange(s.namespaceChanged)
	s.APIBindings.OnChange(func(_, _ *apisv1alpha2.APIBinding, key logicalcluster.Key) { s.wakePlacementsOf(key.Workspace) })
	s.APIExports.OnChange(s.exportChanged)
	for _, objects := range s.objects {
		objects.source.OnChange(objects.changed)
	}
}

func (s *scheduler) syncTargetChanged(before, after *workloadv1alpha1.SyncTarget, key logicalcluster.Key) {
	s.syncTargets.Enqueue(key)
	if inventory.SameFacts(before, after) {
		return
	}
	s.wakeLocationsOf(key.Workspace)
	s.wakePlacementsOn(key.Workspace)
	if after != nil {
		return
	}
	target := workloadv1alpha1.ToSyncTargetKey(key.Workspace, key.Name)
	for _, objects := range s.objects {
		objects.wakeMentioning(target)
	}
	for _, namespace := range s.Namespaces.All() {
		if decide.Mentioned(namespace)[target] {
			s.namespaces.Enqueue(client.KeyOf(namespace))
		}
	}
}

func (s *scheduler) locationChanged(before, after *schedulingv1alpha1.Location, key logicalcluster.Key) {
	s.locations.Enqueue(key)
	if before != nil && after != nil && reflect.DeepEqual(before.Labels, after.Labels) && reflect.DeepEqual(before.Spec, after.Spec) {
		return
	}
	s.wakePlacementsOn(key.Workspace)
	if after == nil && key.Name == schedulingv1alpha1.DefaultLocationName {
		s.wakeSyncTargetsOf(key.Workspace)
	}
}

func (s *scheduler) placementChanged(before, after *schedulingv1alpha1.Placement, key logicalcluster.Key) {
	if after != nil {
		s.placements.Enqueue(key)
	}
	if before != nil && after != nil && inventory.ChosenKey(before) == inventory.ChosenKey(after) &&
		reflect.DeepEqual(before.Spec.NamespaceSelector, after.Spec.NamespaceSelector) {
		return
	}
	for _, namespace := range s.Namespaces.In(key.Workspace) {
		s.namespaces.Enqueue(client.KeyOf(namespace))
	}
}

func (s *scheduler) namespaceChanged(before, after *corev1.Namespace, key logicalcluster.Key) {
	if len(s.Placements.In(key.Workspace)) == 0 && (after == nil || len(decide.Mentioned(after)) == 0) {
		return
	}
	if after != nil {
		s.namespaces.Enqueue(key)
	}
	if before == nil || after == nil || !reflect.DeepEqual(before.Labels, after.Labels) {
		s.wakePlacementsOf(key.Workspace)
	}
}

// exportChanged wakes everybody when a compute export comes, goes or changes:
// that is rare, and any binding of any workspace may refer to it.
func (s *scheduler) exportChanged(before, after *apisv1alpha2.APIExport, _ logicalcluster.Key) {
	if isCompute(before) == isCompute(after) {
		return
	}
	for _, placement := range s.Placements.All() {
		s.placements.Enqueue(client.KeyOf(placement))
	}
}

func isCompute(export *apisv1alpha2.APIExport) bool {
	if export == nil {
		return false
	}
	_, ok := export.Annotations[workloadv1alpha1.ComputeAPIExportAnnotationKey]
	return ok
}

// changed wakes the loop of an object, and later its namespace if the object has
// just let go of a sync target. Most objects of a hub have nothing to do with
// placement and are passed over here.
func (l *objectLoop) changed(before, after *metav1.PartialObjectMetadata, key logicalcluster.Key) {
	var mentions decide.Keys
	if after != nil {
		mentions = decide.Mentioned(after)
		if len(mentions) > 0 || len(l.Placements.In(key.Workspace)) > 0 {
			l.queue.Enqueue(key)
		}
	}
	if before == nil {
		return
	}
	for target := range decide.Mentioned(before) {
		if !mentions[target] {
			l.namespaces.EnqueueAfter(logicalcluster.Key{Workspace: key.Workspace, Name: key.Namespace}, emptyNamespaceDelay)
			return
		}
	}
}

// wakePlacementsOf enqueues the Placements in a workspace.
func (s *scheduler) wakePlacementsOf(workspace logicalcluster.Name) {
	for _, placement := range s.Placements.In(workspace) {
		s.placements.Enqueue(client.KeyOf(placement))
	}
}

// wakePlacementsOn enqueues the Placements that select from the locations of a
// workspace.
func (s *scheduler) wakePlacementsOn(workspace logicalcluster.Name) {
	resolved := map[string]bool{}
	for _, placement := range s.Placements.All() {
		path := placement.Spec.LocationWorkspace
		if path == "" {
			path = logicalcluster.From(placement).String()
		}
		here, known := resolved[path]
		if !known {
			name, found := s.Resolve(logicalcluster.Path(path))
			here = found && name == workspace
			resolved[path] = here
		}
		if here {
			s.placements.Enqueue(client.KeyOf(placement))
		}
	}
}

func (s *scheduler) wakeLocationsOf(workspace logicalcluster.Name) {
	for _, location := range s.Locations.In(workspace) {
		s.locations.Enqueue(client.KeyOf(location))
	}
}

func (s *scheduler) wakeSyncTargetsOf(workspace logicalcluster.Name) {
	for _, target := range s.SyncTargets.In(workspace) {
		s.syncTargets.Enqueue(client.KeyOf(target))
	}
}
