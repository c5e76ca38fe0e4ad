package bindings

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/replication"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	cachev1alpha1 "github.com/atriumhub/atrium/sdk/apis/cache/v1alpha1"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// recount is how often the objects of a ClusterCachedResource are counted; each
	// such resource, and each object of this one, adds recountPace, up to recountLast:
	// counting reads them all.
	recount     = 10 * time.Second
	recountPace = 10 * time.Millisecond
	recountLast = 5 * time.Minute
	// cachedIdentity starts the name of its identity secret, so that it is not
	// that of an APIExport.
	cachedIdentity = "clustercachedresource-"
)

var (
	cachedGVR       = cachev1alpha1.SchemeGroupVersion.WithResource("clustercachedresources")
	cachedSlicesGVR = cachev1alpha1.SchemeGroupVersion.WithResource("clustercachedresourceendpointslices")
)

func (k *keeper) listenToCached() {
	k.Cached.OnChange(func(_, after *cachev1alpha1.ClusterCachedResource, key logicalcluster.Key) {
		k.wakeCached(key.Workspace) // one more or less may be in the way of another
		k.wakeVirtual(key.Workspace)
		for _, slice := range k.CachedSlices.In(key.Workspace) {
			k.slices.Enqueue(client.KeyOf(slice))
		}
	})
	k.CachedSlices.OnChange(func(_, after *cachev1alpha1.ClusterCachedResourceEndpointSlice, key logicalcluster.Key) {
		k.wakeVirtual(key.Workspace)
		if after != nil {
			k.slices.Enqueue(key)
		}
	})
	// What is published comes from definitions and bindings, and is offered by exports.
	k.CustomResourceDefinitions.OnChange(func(_, _ *apiextensionsv1.CustomResourceDefinition, key logicalcluster.Key) {
		k.wakeCached(key.Workspace)
	})
	k.APIBindings.OnChange(func(_, _ *apisv1alpha2.APIBinding, key logicalcluster.Key) { k.wakeCached(key.Workspace) })
	k.APIExports.OnChange(func(_, _ *apisv1alpha2.APIExport, key logicalcluster.Key) {
		for _, slice := range k.CachedSlices.In(key.Workspace) {
			k.slices.Enqueue(client.KeyOf(slice))
		}
	})
}

func (k *keeper) wakeCached(workspace logicalcluster.Name) {
	for _, resource := range k.Cached.In(workspace) {
		k.cached.Enqueue(client.KeyOf(resource))
	}
}

// wakeVirtual enqueues the exports of a workspace that offer what others publish
// there.
func (k *keeper) wakeVirtual(workspace logicalcluster.Name) {
	for _, export := range k.APIExports.In(workspace) {
		if slices.ContainsFunc(export.Spec.Resources, func(r apisv1alpha2.ResourceSchema) bool { return r.Storage.Virtual != nil }) {
			k.exports.Enqueue(client.KeyOf(export))
		}
	}
}

// tellStorage says in the status of an export which of its resources nobody can read,
// in the words in which requests for them are refused.
func (k *keeper) tellStorage(workspace logicalcluster.Name, export *apisv1alpha2.APIExport, status *apisv1alpha2.APIExportStatus) {
	var trouble []string
	virtual := false
	for _, r := range export.Spec.Resources {
		at := r.Storage.Virtual
		if at == nil || unknownVirtual(at) {
			continue // bindings say that they cannot have such a resource
		}
		virtual = true
		if _, err := k.Publisher.Window(logicalcluster.Key{Workspace: workspace, Name: at.Reference.Name}, at.IdentityHash); err != nil {
			trouble = append(trouble, fmt.Sprintf("%s: %v", resourceText(r.Group, r.Name), err))
		}
	}
	valid := conditionsv1alpha1.True(publicationv1alpha1.ExportStorageValid)
	if len(trouble) > 0 {
		valid = conditionsv1alpha1.False(valid.Type, conditionsv1alpha1.ConditionSeverityError, publicationv1alpha1.StorageInvalidReason, "%s", few(trouble))
	}
	if !virtual {
		status.Conditions = conditionsv1alpha1.Remove(status.Conditions, valid.Type)
		return
	}
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, k.Clock.Now(), valid)
}

// reconcileCached gives a ClusterCachedResource its identity, and says what it
// shows. Nothing is copied, so there is nothing to wait for.
func (k *keeper) reconcileCached(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	resource, found := k.Cached.Get(key)
	if !found || resource.DeletionTimestamp != nil {
		return loop.Result{}, nil
	}
	if resource.Spec.Identity == nil || resource.Spec.Identity.SecretRef == nil {
		identity, err := k.newIdentity(ctx, key.Workspace, cachedIdentity+key.Name)
		if err != nil {
			return loop.Result{}, fmt.Errorf("failed to store the identity of ClusterCachedResource %s: %w", key, err)
		}
		return loop.Result{}, k.patch(ctx, cachedGVR, key, map[string]any{"spec": map[string]any{"identity": identity}})
	}
	hash, err := k.identityHash(ctx, key.Workspace, resource.Spec.Identity.SecretRef, resource.Status.IdentityHash)
	if err != nil && !errors.Is(err, errIdentity) {
		return loop.Result{}, err
	}
	f := cachedFacts{resource: resource, hash: hash, identityTrouble: err}
	if f.window, f.trouble = k.Publisher.Open(resource); f.trouble == nil {
		if f.shown, f.all, err = k.Count(ctx, f.window); err != nil {
			return loop.Result{}, fmt.Errorf("failed to count the objects of ClusterCachedResource %s: %w", key, err)
		}
	}
	status := judgeCached(f, k.Clock.Now())
	again := loop.Result{After: min(recount+recountPace*time.Duration(len(k.Cached.All())+f.all), recountLast)}
	if equality.Semantic.DeepEqual(status, resource.Status) {
		return again, nil
	}
	return again, k.patch(ctx, cachedGVR, key, map[string]any{"status": status}, "status")
}

// cachedFacts is what the status of a ClusterCachedResource follows from.
type cachedFacts struct {
	resource                 *cachev1alpha1.ClusterCachedResource
	hash                     string
	identityTrouble, trouble error
	window                   replication.Window
	shown, all               int
}

// judgeCached returns the status it ought to have.
func judgeCached(f cachedFacts, now time.Time) cachev1alpha1.ClusterCachedResourceStatus {
	status := *f.resource.Status.DeepCopy()
	severe := conditionsv1alpha1.ConditionSeverityError
	identity, valid := conditionsv1alpha1.True(cachev1alpha1.ClusterCachedResourceIdentityValid), conditionsv1alpha1.True(cachev1alpha1.ClusterCachedResourceValid)
	started := conditionsv1alpha1.True(cachev1alpha1.ReplicationStarted)
	if f.identityTrouble != nil {
		identity = conditionsv1alpha1.False(identity.Type, severe, cachev1alpha1.IdentityVerificationFailedReason, "%v", f.identityTrouble)
		started = because(identity, started.Type)
	} else {
		status.IdentityHash = f.hash
	}
	status.ResourceCounts = &cachev1alpha1.ResourceCount{Cache: f.shown, Local: f.all}
	if problem := (&replication.Problem{}); errors.As(f.trouble, &problem) {
		valid = conditionsv1alpha1.False(valid.Type, severe, problem.Reason, "%s", problem.Message)
		started = because(valid, started.Type)
		status.ResourceCounts = nil
	}
	status.Phase = cachev1alpha1.ClusterCachedResourcePhaseReady
	if started.Reason != "" {
		status.Phase = cachev1alpha1.ClusterCachedResourcePhaseInitializing
	}
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, now, identity, valid, started)
	return status
}

// reconcileCachedSlice says where the objects of a ClusterCachedResource are read.
func (k *keeper) reconcileCachedSlice(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	slice, found := k.CachedSlices.Get(key)
	if !found || slice.DeletionTimestamp != nil {
		return loop.Result{}, nil
	}
	_, trouble := k.Publisher.Referred(slice)
	status := judgeCachedSlice(slice, k.offeredBy(slice), trouble, k.HubURL, k.Clock.Now())
	if equality.Semantic.DeepEqual(status, slice.Status) {
		return loop.Result{}, nil
	}
	return loop.Result{}, k.patch(ctx, cachedSlicesGVR, key, map[string]any{"status": status}, "status")
}

// offeredBy says why the export of a slice does not offer what it shows, or
// nothing.
func (k *keeper) offeredBy(slice *cachev1alpha1.ClusterCachedResourceEndpointSlice) string {
	workspace, reference := logicalcluster.From(slice), slice.Spec.APIExport
	if reference.Path != "" {
		if where, ok := k.Resolve(logicalcluster.Path(reference.Path)); !ok || where.Name != workspace {
			return fmt.Sprintf("spec.export.path: an APIExport of another workspace cannot offer what is published here; leave the path out, or write %q", workspace)
		}
	}
	export, ok := k.APIExports.Get(logicalcluster.Key{Workspace: workspace, Name: reference.Name})
	if !ok {
		return fmt.Sprintf("there is no APIExport %q in this workspace", reference.Name)
	}
	at := slices.IndexFunc(export.Spec.Resources, func(r apisv1alpha2.ResourceSchema) bool {
		return !unknownVirtual(r.Storage.Virtual) && r.Storage.Virtual != nil && r.Storage.Virtual.Reference.Name == slice.Name
	})
	if at < 0 {
		return fmt.Sprintf("APIExport %q has no resource whose storage.virtual.reference is this slice", reference.Name)
	}
	resource, err := k.Publisher.Referred(slice)
	if offered := export.Spec.Resources[at]; err == nil && resource.Status.IdentityHash != "" && resource.Status.IdentityHash != offered.Storage.Virtual.IdentityHash {
		return fmt.Sprintf("APIExport %q has another storage.virtual.identityHash for %s than ClusterCachedResource %q: write %s there",
			reference.Name, resourceText(offered.Group, offered.Name), resource.Name, resource.Status.IdentityHash)
	}
	return ""
}

func judgeCachedSlice(slice *cachev1alpha1.ClusterCachedResourceEndpointSlice, notOffered string, trouble error, hubURL string, now time.Time) cachev1alpha1.ClusterCachedResourceEndpointSliceStatus {
	status := *slice.Status.DeepCopy()
	severe := conditionsv1alpha1.ConditionSeverityError
	export, partition := conditionsv1alpha1.True(cachev1alpha1.APIExportValid), conditionsv1alpha1.True(cachev1alpha1.PartitionValid)
	ready := conditionsv1alpha1.True(cachev1alpha1.EndpointURLsReady)
	if notOffered != "" {
		export = conditionsv1alpha1.False(export.Type, severe, cachev1alpha1.APIExportInvalidReferenceReason, "%s", notOffered)
	}
	if slice.Spec.Partition != "" {
		partition = conditionsv1alpha1.False(partition.Type, severe, cachev1alpha1.PartitionInvalidReferenceReason,
			"spec.partition: this hub has one shard and no Partitions; leave it out")
	}
	status.ClusterCachedResourceEndpoints = []corev1alpha1.Endpoint{{URL: hubURL + "/services/replication/" + logicalcluster.From(slice).String() + "/" + slice.Name}}
	if problem := (&replication.Problem{}); errors.As(trouble, &problem) {
		ready = conditionsv1alpha1.False(ready.Type, severe, problem.Reason, "%s", problem.Message)
		status.ClusterCachedResourceEndpoints = nil
	}
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, now, export, partition, ready)
	return status
}
