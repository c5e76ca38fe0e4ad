package publications

import (
	"context"
	"errors"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	storeerr "k8s.io/apiserver/pkg/storage/errors"

	"github.com/atriumhub/atrium/pkg/ledger"
	"github.com/atriumhub/atrium/pkg/partition"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	sdkscheme "github.com/atriumhub/atrium/sdk/apis/scheme"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// clerk writes to storage (P5). Errors are API errors: not found, conflict (also for
// another UID).
type clerk interface {
	// CreateBinding stores a binding as it is, and reports false if there is one of
	// that name.
	CreateBinding(ctx context.Context, in logicalcluster.Name, binding *apisv1alpha2.APIBinding) (made bool, err error)
	// AmendBinding writes the mark and the claims of a binding.
	AmendBinding(ctx context.Context, in logicalcluster.Name, binding *apisv1alpha2.APIBinding) error
	// DeleteBinding asks for the end of a binding, as deleting it does.
	DeleteBinding(ctx context.Context, in logicalcluster.Name, binding *apisv1alpha2.APIBinding) error
	// AmendCluster changes annotations and status of the LogicalCluster of a
	// workspace. change may be called several times, with what is stored by then.
	AmendCluster(ctx context.Context, in logicalcluster.Name, change func(*corev1alpha1.LogicalCluster)) error
	// AmendPublication changes finalizers and status of a publication.
	AmendPublication(ctx context.Context, key logicalcluster.Key, uid types.UID, change func(*publicationv1alpha1.APIPublication)) error
	// ReleasePublication takes the finalizer off a publication that is being deleted.
	ReleasePublication(ctx context.Context, key logicalcluster.Key, uid types.UID) error
}

var (
	bindingsGVR     = apisv1alpha2.SchemeGroupVersion.WithResource("apibindings")
	clustersGVR     = corev1alpha1.SchemeGroupVersion.WithResource("logicalclusters")
	publicationsGVR = publicationv1alpha1.SchemeGroupVersion.WithResource("apipublications")
)

// storageClerk is the clerk of a hub. What is changed is read as it lies there: what
// this package does not know must survive.
type storageClerk struct {
	created                          storage.Interface
	bindings, clusters, publications storage.Interface
}

var _ clerk = (*storageClerk)(nil)

func newClerk(customResources *partition.Getter) (*storageClerk, error) {
	c := &storageClerk{}
	for _, open := range []struct {
		store *storage.Interface
		gvr   schema.GroupVersionResource
	}{{&c.bindings, bindingsGVR}, {&c.clusters, clustersGVR}, {&c.publications, publicationsGVR}} {
		opened, err := ledger.Open(customResources, open.gvr.GroupResource())
		if err != nil {
			return nil, err
		}
		*open.store = opened
	}
	codec := partition.CodecOf(sdkscheme.Codecs, runtime.ContentTypeJSON, bindingsGVR.GroupVersion())
	var err error
	c.created, err = ledger.OpenAs(customResources, bindingsGVR.GroupResource(), codec, &apisv1alpha2.APIBinding{})
	return c, err
}

func (c *storageClerk) CreateBinding(ctx context.Context, in logicalcluster.Name, binding *apisv1alpha2.APIBinding) (bool, error) {
	rest.FillObjectMetaSystemFields(binding)
	existed, err := partition.CreateMissing(ledger.Within(ctx, in), partition.Creation{
		Store: c.created, Key: partition.ObjectKey(c.created, "", binding.Name), Object: binding,
	})
	if err != nil {
		return false, storeerr.InterpretCreateError(err, bindingsGVR.GroupResource(), binding.Name)
	}
	return !existed[0], nil
}

func (c *storageClerk) AmendBinding(ctx context.Context, in logicalcluster.Name, binding *apisv1alpha2.APIBinding) error {
	return ledger.Amend(ctx, c.bindings, bindingsGVR.GroupResource(), logicalcluster.Key{Workspace: in, Name: binding.Name}, &storage.Preconditions{UID: &binding.UID}, func(raw *unstructured.Unstructured) error {
		stored, err := ledger.Typed[apisv1alpha2.APIBinding](raw)
		if err != nil {
			return err
		}
		raw.SetLabels(withKey(raw.GetLabels(), binding.Labels, publicationv1alpha1.PublicationIDLabel))
		raw.SetAnnotations(withKey(raw.GetAnnotations(), binding.Annotations, publicationv1alpha1.PublicationAnnotationKey))
		if equality.Semantic.DeepEqual(stored.Spec.PermissionClaims, binding.Spec.PermissionClaims) {
			return nil
		}
		after := stored.Spec.DeepCopy()
		after.PermissionClaims = binding.Spec.PermissionClaims
		raw.SetGeneration(raw.GetGeneration() + 1)
		return ledger.SetIfChanged(raw, "spec", &stored.Spec, after)
	})
}

// withKey is what m is with the value that wanted has for a key, or without it.
func withKey(m, wanted map[string]string, key string) map[string]string {
	value, ok := wanted[key]
	if !ok {
		delete(m, key)
		return m
	}
	if m == nil {
		m = map[string]string{}
	}
	m[key] = value
	return m
}

func (c *storageClerk) DeleteBinding(ctx context.Context, in logicalcluster.Name, binding *apisv1alpha2.APIBinding) error {
	key := logicalcluster.Key{Workspace: in, Name: binding.Name}
	err := remove(ctx, c.bindings, bindingsGVR, key, &binding.UID, func(raw *unstructured.Unstructured) bool { return len(raw.GetFinalizers()) == 0 })
	if !errors.Is(err, errHeld) {
		return err
	}
	return ledger.Amend(ctx, c.bindings, bindingsGVR.GroupResource(), key, &storage.Preconditions{UID: &binding.UID}, func(raw *unstructured.Unstructured) error {
		if raw.GetDeletionTimestamp() != nil {
			return nil
		}
		now, atOnce := metav1.NewTime(time.Now()), int64(0)
		raw.SetDeletionTimestamp(&now)
		raw.SetDeletionGracePeriodSeconds(&atOnce)
		raw.SetGeneration(raw.GetGeneration() + 1)
		return nil
	})
}

func (c *storageClerk) AmendCluster(ctx context.Context, in logicalcluster.Name, change func(*corev1alpha1.LogicalCluster)) error {
	return ledger.Amend(ctx, c.clusters, clustersGVR.GroupResource(), keyOf(in), nil, func(raw *unstructured.Unstructured) error {
		before, err := ledger.Typed[corev1alpha1.LogicalCluster](raw)
		if err != nil {
			return err
		}
		cluster := before.DeepCopy()
		change(cluster)
		raw.SetAnnotations(cluster.Annotations)
		return ledger.SetIfChanged(raw, "status", &before.Status, &cluster.Status)
	})
}

func (c *storageClerk) AmendPublication(ctx context.Context, key logicalcluster.Key, uid types.UID, change func(*publicationv1alpha1.APIPublication)) error {
	return ledger.Amend(ctx, c.publications, publicationsGVR.GroupResource(), key, &storage.Preconditions{UID: &uid}, func(raw *unstructured.Unstructured) error {
		before, err := ledger.Typed[publicationv1alpha1.APIPublication](raw)
		if err != nil {
			return err
		}
		publication := before.DeepCopy()
		change(publication)
		raw.SetFinalizers(publication.Finalizers)
		return ledger.SetIfChanged(raw, "status", &before.Status, &publication.Status)
	})
}

func (c *storageClerk) ReleasePublication(ctx context.Context, key logicalcluster.Key, uid types.UID) error {
	err := remove(ctx, c.publications, publicationsGVR, key, &uid, func(raw *unstructured.Unstructured) bool {
		return raw.GetDeletionTimestamp() != nil && !slices.ContainsFunc(raw.GetFinalizers(), notOurs)
	})
	if !errors.Is(err, errHeld) {
		return err
	}
	return c.AmendPublication(ctx, key, uid, func(stored *publicationv1alpha1.APIPublication) {
		stored.Finalizers = slices.DeleteFunc(stored.Finalizers, func(f string) bool { return !notOurs(f) })
	})
}

func notOurs(finalizer string) bool { return finalizer != publicationv1alpha1.PublicationFinalizer }

// errHeld says that somebody has to agree before an object is removed.
var errHeld = errors.New("held by finalizers")

// remove deletes an object if nothing holds it.
func remove(ctx context.Context, store storage.Interface, gvr schema.GroupVersionResource, key logicalcluster.Key, uid *types.UID, free func(*unstructured.Unstructured) bool) error {
	unheld := func(_ context.Context, obj runtime.Object) error {
		if !free(obj.(*unstructured.Unstructured)) {
			return errHeld
		}
		return nil
	}
	err := store.Delete(ledger.Within(ctx, key.Workspace), partition.ObjectKey(store, "", key.Name), &unstructured.Unstructured{}, &storage.Preconditions{UID: uid}, unheld, nil, storage.DeleteOptions{})
	if errors.Is(err, errHeld) {
		return err
	}
	return storeerr.InterpretDeleteError(err, gvr.GroupResource(), key.Name)
}
