package publications

import (
	"context"
	"errors"
	"fmt"
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

	"github.com/atriumhub/atrium/pkg/keyspace"
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
	codec := partition.CodecOf(sdkscheme.Codecs, runtime.ContentTypeJSON, bindingsGVR.GroupVersion())
	for _, open := range []struct {
		store *storage.Interface
		gvr   schema.GroupVersionResource
		codec runtime.Codec
		empty runtime.Object
	}{
		{&c.created, bindingsGVR, codec, &apisv1alpha2.APIBinding{}},
		{&c.bindings, bindingsGVR, unstructured.UnstructuredJSONScheme, &unstructured.Unstructured{}},
		{&c.clusters, clustersGVR, unstructured.UnstructuredJSONScheme, &unstructured.Unstructured{}},
		{&c.publications, publicationsGVR, unstructured.UnstructuredJSONScheme, &unstructured.Unstructured{}},
	} {
		// The connection lives as long as the process, like that of the API.
		opened, _, err := customResources.Open(partition.OpenConfig{
			GroupResource: open.gvr.GroupResource(), Codec: open.codec,
			NewFunc:     func() runtime.Object { return open.empty.DeepCopyObject() },
			NewListFunc: func() runtime.Object { return &unstructured.UnstructuredList{} },
		})
		if err != nil {
			return nil, fmt.Errorf("failed to open %s: %w", open.gvr.GroupResource(), err)
		}
		*open.store = opened
	}
	return c, nil
}

func (c *storageClerk) CreateBinding(ctx context.Context, in logicalcluster.Name, binding *apisv1alpha2.APIBinding) (bool, error) {
	rest.FillObjectMetaSystemFields(binding)
	existed, err := partition.CreateMissing(within(ctx, in), partition.Creation{
		Store: c.created, Key: partition.ObjectKey(c.created, "", binding.Name), Object: binding,
	})
	if err != nil {
		return false, storeerr.InterpretCreateError(err, bindingsGVR.GroupResource(), binding.Name)
	}
	return !existed[0], nil
}

func within(ctx context.Context, in logicalcluster.Name) context.Context {
	return keyspace.WithScope(ctx, keyspace.In(in))
}

func (c *storageClerk) AmendBinding(ctx context.Context, in logicalcluster.Name, binding *apisv1alpha2.APIBinding) error {
	return amend(ctx, c.bindings, bindingsGVR, logicalcluster.Key{Workspace: in, Name: binding.Name}, &binding.UID, func(raw *unstructured.Unstructured) error {
		stored, err := typed[apisv1alpha2.APIBinding](raw)
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
		return setIfChanged(raw, "spec", &stored.Spec, after)
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
	return amend(ctx, c.bindings, bindingsGVR, key, &binding.UID, func(raw *unstructured.Unstructured) error {
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
	return amend(ctx, c.clusters, clustersGVR, keyOf(in), nil, func(raw *unstructured.Unstructured) error {
		before, err := typed[corev1alpha1.LogicalCluster](raw)
		if err != nil {
			return err
		}
		cluster := before.DeepCopy()
		change(cluster)
		raw.SetAnnotations(cluster.Annotations)
		return setIfChanged(raw, "status", &before.Status, &cluster.Status)
	})
}

func (c *storageClerk) AmendPublication(ctx context.Context, key logicalcluster.Key, uid types.UID, change func(*publicationv1alpha1.APIPublication)) error {
	return amend(ctx, c.publications, publicationsGVR, key, &uid, func(raw *unstructured.Unstructured) error {
		before, err := typed[publicationv1alpha1.APIPublication](raw)
		if err != nil {
			return err
		}
		publication := before.DeepCopy()
		change(publication)
		raw.SetFinalizers(publication.Finalizers)
		return setIfChanged(raw, "status", &before.Status, &publication.Status)
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
	err := store.Delete(within(ctx, key.Workspace), partition.ObjectKey(store, "", key.Name), &unstructured.Unstructured{}, &storage.Preconditions{UID: uid}, unheld, nil, storage.DeleteOptions{})
	if errors.Is(err, errHeld) {
		return err
	}
	return storeerr.InterpretDeleteError(err, gvr.GroupResource(), key.Name)
}

func amend(ctx context.Context, store storage.Interface, gvr schema.GroupVersionResource, key logicalcluster.Key, uid *types.UID, change func(*unstructured.Unstructured) error) error {
	update := storage.SimpleUpdate(func(stored runtime.Object) (runtime.Object, error) {
		raw := stored.(*unstructured.Unstructured).DeepCopy()
		return raw, change(raw)
	})
	err := store.GuaranteedUpdate(within(ctx, key.Workspace), partition.ObjectKey(store, "", key.Name), &unstructured.Unstructured{}, false, &storage.Preconditions{UID: uid}, update, nil)
	return storeerr.InterpretUpdateError(err, gvr.GroupResource(), key.Name)
}

// typed returns what raw says as a T.
func typed[T any](raw *unstructured.Unstructured) (*T, error) {
	out := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw.Object, out); err != nil {
		return nil, fmt.Errorf("failed to read %s %s: %w", raw.GetKind(), raw.GetName(), err)
	}
	return out, nil
}

// setIfChanged makes after the content of a field, unless it was so before.
func setIfChanged[T any](raw *unstructured.Unstructured, field string, before, after *T) error {
	if equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	value, err := runtime.DefaultUnstructuredConverter.ToUnstructured(after)
	if err != nil {
		return fmt.Errorf("failed to write %s: %w", field, err)
	}
	raw.Object[field] = value
	return nil
}
