package workspaces

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	storeerr "k8s.io/apiserver/pkg/storage/errors"
	nativescheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/atriumhub/atrium/pkg/ledger"
	"github.com/atriumhub/atrium/pkg/partition"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	sdkscheme "github.com/atriumhub/atrium/sdk/apis/scheme"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// storageClerk is the clerk of a hub.
type storageClerk struct {
	// created is storage of what is only ever created here, by its type.
	created map[schema.GroupVersionResource]storage.Interface
	// workspaces and clusters are read as they lie there: metadata that this
	// package does not change, such as who manages which field, must survive.
	workspaces, clusters storage.Interface
}

var _ clerk = (*storageClerk)(nil)

// newStorageClerk opens the resources a workspace begins with.
func newStorageClerk(natives, customResources *partition.Getter) (*storageClerk, error) {
	c := &storageClerk{created: map[schema.GroupVersionResource]storage.Interface{}}
	o := opener{}
	for gvr, empty := range map[schema.GroupVersionResource]runtime.Object{
		namespacesGVR:      &corev1.Namespace{},
		serviceAccountsGVR: &corev1.ServiceAccount{},
		configMapsGVR:      &corev1.ConfigMap{},
		bindingsGVR:        &rbacv1.ClusterRoleBinding{},
	} {
		c.created[gvr] = o.open(natives, gvr, partition.CodecOf(nativescheme.Codecs, runtime.ContentTypeProtobuf, gvr.GroupVersion()), empty)
	}
	c.created[logicalClustersGVR] = o.open(customResources, logicalClustersGVR, partition.CodecOf(sdkscheme.Codecs, runtime.ContentTypeJSON, logicalClustersGVR.GroupVersion()), &corev1alpha1.LogicalCluster{})
	c.clusters = o.open(customResources, logicalClustersGVR, unstructured.UnstructuredJSONScheme, &unstructured.Unstructured{})
	c.workspaces = o.open(customResources, workspacesGVR, unstructured.UnstructuredJSONScheme, &unstructured.Unstructured{})
	return c, o.err
}

// opener remembers the first error.
type opener struct{ err error }

func (o *opener) open(getter *partition.Getter, gvr schema.GroupVersionResource, codec runtime.Codec, empty runtime.Object) storage.Interface {
	if o.err != nil {
		return nil
	}
	var opened storage.Interface
	opened, o.err = ledger.OpenAs(getter, gvr.GroupResource(), codec, empty)
	return opened
}

func (c *storageClerk) CreateMissing(ctx context.Context, in logicalcluster.Name, items ...item) ([]item, error) {
	creations := make([]partition.Creation, len(items))
	for i, it := range items {
		store, ok := c.created[it.gvr]
		if !ok {
			return nil, fmt.Errorf("no storage is open for %s", it.gvr)
		}
		rest.FillObjectMetaSystemFields(it.object)
		creations[i] = partition.Creation{Store: store, Key: partition.ObjectKey(store, it.GetNamespace(), it.GetName()), Object: it.object}
	}
	existed, err := partition.CreateMissing(ledger.Within(ctx, in), creations...)
	if err != nil {
		return nil, storeerr.InterpretCreateError(err, schema.GroupResource{}, in.String())
	}
	var existing []item
	for i, it := range items {
		if existed[i] {
			existing = append(existing, it)
		}
	}
	return existing, nil
}

func (c *storageClerk) GetWorkspace(ctx context.Context, in logicalcluster.Name, name string) (*tenancyv1alpha1.Workspace, error) {
	raw := &unstructured.Unstructured{}
	if err := c.workspaces.Get(ledger.Within(ctx, in), partition.ObjectKey(c.workspaces, "", name), storage.GetOptions{}, raw); err != nil {
		return nil, storeerr.InterpretGetError(err, workspacesGVR.GroupResource(), name)
	}
	return ledger.Typed[tenancyv1alpha1.Workspace](raw)
}

func (c *storageClerk) AmendWorkspace(ctx context.Context, in logicalcluster.Name, name string, uid types.UID, change func(*tenancyv1alpha1.Workspace) error) error {
	return ledger.Amend(ctx, c.workspaces, workspacesGVR.GroupResource(), logicalcluster.Key{Workspace: in, Name: name}, &storage.Preconditions{UID: &uid}, func(raw *unstructured.Unstructured) error {
		before, err := ledger.Typed[tenancyv1alpha1.Workspace](raw)
		if err != nil {
			return err
		}
		workspace := before.DeepCopy()
		if err := change(workspace); err != nil {
			return err
		}
		raw.SetFinalizers(workspace.Finalizers)
		raw.SetLabels(workspace.Labels)
		raw.SetAnnotations(workspace.Annotations)
		return errors.Join(
			ledger.SetIfChanged(raw, "spec", &before.Spec, &workspace.Spec),
			ledger.SetIfChanged(raw, "status", &before.Status, &workspace.Status),
		)
	})
}

func (c *storageClerk) AmendCluster(ctx context.Context, in logicalcluster.Name, change func(*corev1alpha1.LogicalCluster) error) error {
	return ledger.Amend(ctx, c.clusters, logicalClustersGVR.GroupResource(), logicalcluster.Key{Workspace: in, Name: corev1alpha1.LogicalClusterName}, nil, func(raw *unstructured.Unstructured) error {
		before, err := ledger.Typed[corev1alpha1.LogicalCluster](raw)
		if err != nil {
			return err
		}
		cluster := before.DeepCopy()
		if err := change(cluster); err != nil {
			return err
		}
		raw.SetLabels(cluster.Labels)
		return ledger.SetIfChanged(raw, "status", &before.Status, &cluster.Status)
	})
}

// errStillHeld ends the deletion of a Workspace that others hold too.
var errStillHeld = errors.New("held by others")

func (c *storageClerk) ReleaseWorkspace(ctx context.Context, in logicalcluster.Name, name string, uid types.UID, held func(*tenancyv1alpha1.Workspace)) error {
	ours := func(_ context.Context, obj runtime.Object) error {
		raw := obj.(*unstructured.Unstructured)
		if raw.GetDeletionTimestamp() == nil || slices.ContainsFunc(raw.GetFinalizers(), notOurs) {
			return errStillHeld
		}
		return nil
	}
	err := c.workspaces.Delete(ledger.Within(ctx, in), partition.ObjectKey(c.workspaces, "", name), &unstructured.Unstructured{}, &storage.Preconditions{UID: &uid}, ours, nil, storage.DeleteOptions{})
	if !errors.Is(err, errStillHeld) {
		return storeerr.InterpretDeleteError(err, workspacesGVR.GroupResource(), name)
	}
	return c.AmendWorkspace(ctx, in, name, uid, func(workspace *tenancyv1alpha1.Workspace) error {
		workspace.Finalizers = slices.DeleteFunc(workspace.Finalizers, func(f string) bool { return !notOurs(f) })
		held(workspace)
		return nil
	})
}

// notOurs reports whether somebody else has to take finalizer off. Those that
// stand for dependents are ours, too: what depends on a workspace is its content.
func notOurs(finalizer string) bool {
	return finalizer != corev1alpha1.LogicalClusterFinalizer && finalizer != metav1.FinalizerDeleteDependents && finalizer != metav1.FinalizerOrphanDependents
}
