package crds

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// recheck is how long objects with finalizers of their own are given before
// they are counted again.
const recheck = time.Second

// pageSize is how many objects are listed at a time.
const pageSize = 500

// finish deletes the objects of a definition that is being deleted, and lets
// the definition go once there are none. Objects that a binding is taking over are
// not the definition's any more: a request to delete them might meet those of the
// binding.
func (c *Controller) finish(ctx context.Context, key logicalcluster.Key, crd *apiextensionsv1.CustomResourceDefinition) (loop.Result, error) {
	if !apihelpers.IsCRDConditionTrue(crd, apiextensionsv1.Established) && !apihelpers.IsCRDConditionTrue(crd, apiextensionsv1.NamesAccepted) {
		return loop.Result{}, c.letGo(ctx, key, crd, "NeverEstablished", "resource was never established")
	}
	gr := schema.GroupResource{Group: crd.Spec.Group, Resource: crd.Status.AcceptedNames.Plural}
	if schemas.Closed(crd) && !c.foreign(key.Workspace, gr) {
		return loop.Result{After: recheck}, c.terminating(ctx, key, crd, "InstanceDeletionInProgress", "an APIBinding is taking the objects over")
	}
	if version := c.reachable(key.Workspace, crd); version != "" {
		left, err := c.deleteObjects(ctx, key, crd, version)
		if err != nil {
			return loop.Result{}, c.complain(ctx, key, crd, err)
		}
		if left > 0 {
			message := fmt.Sprintf("waiting for %d or more objects whose finalizers are not done; see \"kubectl get %s -A -o yaml\"", left, crd.Name)
			return loop.Result{After: recheck}, c.terminating(ctx, key, crd, "InstanceDeletionInProgress", message)
		}
		return loop.Result{}, c.letGo(ctx, key, crd, "InstanceDeletionCompleted", "removed all instances")
	}
	if c.foreign(key.Workspace, gr) {
		return loop.Result{}, c.letGo(ctx, key, crd, "OverlappingBuiltInResource", fmt.Sprintf("objects of %s are left alone: another API of that name is served", gr))
	}
	if err := c.purge(ctx, key.Workspace, gr); err != nil {
		return loop.Result{}, c.complain(ctx, key, crd, err)
	}
	return loop.Result{}, c.letGo(ctx, key, crd, "InstanceDeletionCompleted", "removed all instances, which no request could reach any more")
}

// reachable returns a version under which requests reach the objects of crd, if
// possible without converting them, or "" when none does: no version is served, or requests for the resource go
// to an API that comes before the definition.
func (c *Controller) reachable(ws logicalcluster.Name, crd *apiextensionsv1.CustomResourceDefinition) string {
	api, ok := c.config.Catalog.Lookup(ws, schema.GroupResource{Group: crd.Spec.Group, Resource: crd.Status.AcceptedNames.Plural})
	if !ok || api.Origin != catalog.Local || api.CRD.Name != crd.Name || len(api.Versions) == 0 {
		return ""
	}
	return cmp.Or(schemas.StoredVersion(api.CRD), api.Versions[0])
}

// foreign reports whether the objects of gr are those of an API that comes
// before every definition of the workspace.
func (c *Controller) foreign(ws logicalcluster.Name, gr schema.GroupResource) bool {
	api, ok := c.config.Catalog.Lookup(ws, gr)
	return ok && api.Origin != catalog.Local || c.config.Catalog.Reserved(gr)
}

func (c *Controller) purge(ctx context.Context, ws logicalcluster.Name, gr schema.GroupResource) error {
	if c.config.Purge == nil {
		return nil
	}
	if err := c.config.Purge(ctx, ws, gr); err != nil {
		return fmt.Errorf("purge %s: %w", gr, err)
	}
	return nil
}

// deleteObjects asks for the deletion of all objects, and returns how many are
// left, at least. Those without finalizers go at once.
func (c *Controller) deleteObjects(ctx context.Context, key logicalcluster.Key, crd *apiextensionsv1.CustomResourceDefinition, version string) (int, error) {
	objects := c.config.Hub.Dynamic(key.Workspace.Path()).Resource(schema.GroupVersionResource{
		Group: crd.Spec.Group, Version: version, Resource: crd.Status.AcceptedNames.Plural,
	})
	namespaces, err := namespacesOf(ctx, objects)
	if err != nil || len(namespaces) == 0 {
		return 0, err
	}
	var failed []error
	for _, namespace := range namespaces {
		if err := objects.Namespace(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil && !apierrors.IsNotFound(err) {
			failed = append(failed, fmt.Errorf("delete objects in namespace %q: %w", namespace, err))
		}
	}
	if err := errors.Join(failed...); err != nil {
		return 0, err
	}
	rest, err := objects.List(ctx, metav1.ListOptions{Limit: pageSize})
	if err != nil {
		return 0, fmt.Errorf("list what is left: %w", err)
	}
	return len(rest.Items), nil
}

// namespacesOf returns the namespaces that have objects, sorted; "" stands for
// objects outside namespaces.
func namespacesOf(ctx context.Context, objects dynamic.NamespaceableResourceInterface) ([]string, error) {
	var namespaces []string
	options := metav1.ListOptions{Limit: pageSize}
	for {
		page, err := objects.List(ctx, options)
		if err != nil {
			return nil, fmt.Errorf("list objects: %w", err)
		}
		for i := range page.Items {
			if at, found := slices.BinarySearch(namespaces, page.Items[i].GetNamespace()); !found {
				namespaces = slices.Insert(namespaces, at, page.Items[i].GetNamespace())
			}
		}
		if page.GetContinue() == "" {
			return namespaces, nil
		}
		options.Continue = page.GetContinue()
	}
}

// complain puts err into the Terminating condition and returns it.
func (c *Controller) complain(ctx context.Context, key logicalcluster.Key, crd *apiextensionsv1.CustomResourceDefinition, err error) error {
	message := fmt.Sprintf("could not delete all objects of %s: %v", crd.Name, err)
	return errors.Join(err, c.terminating(ctx, key, crd, "InstanceDeletionFailed", message))
}

// terminating writes why the definition is still there.
func (c *Controller) terminating(ctx context.Context, key logicalcluster.Key, crd *apiextensionsv1.CustomResourceDefinition, reason, message string) error {
	status := schemas.TerminatingStatus(crd, apiextensionsv1.ConditionTrue, reason, message, c.now())
	if schemas.SameStatus(&crd.Status, &status) {
		return nil
	}
	_, err := c.write(ctx, key, crd, status, nil)
	return err
}

// letGo removes the finalizer, with a last word in the Terminating condition
// for whoever else holds the definition.
func (c *Controller) letGo(ctx context.Context, key logicalcluster.Key, crd *apiextensionsv1.CustomResourceDefinition, reason, message string) error {
	status := schemas.TerminatingStatus(crd, apiextensionsv1.ConditionFalse, reason, message, c.now())
	others := slices.DeleteFunc(slices.Clone(crd.Finalizers), func(f string) bool { return f == apiextensionsv1.CustomResourceCleanupFinalizer })
	_, err := c.write(ctx, key, crd, status, others)
	return err
}
