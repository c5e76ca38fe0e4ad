package workspaces

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Content counts and removes what is stored in a workspace, below the API.
type Content interface {
	// Counts returns how many objects of each resource there are.
	Counts(ctx context.Context, workspace logicalcluster.Name) (map[schema.GroupResource]int64, error)
	// Purge removes all objects of some resources, whatever holds them.
	Purge(ctx context.Context, workspace logicalcluster.Name, resources ...schema.GroupResource) error
}

// Resources returns what is served in a workspace, in the form of discovery.
type Resources func(ctx context.Context, workspace logicalcluster.Name) ([]*metav1.APIResourceList, error)

// atOnce bounds the requests one sweep has under way.
const atOnce = 8

// errRefilled says that something was written while the sweep went on.
var errRefilled = errors.New("content appeared while it was being removed")

// sweeper empties workspaces.
type sweeper struct {
	door      door
	content   Content
	resources Resources
	// watched reports whether anybody watches in a workspace; nil is nobody.
	watched func(logicalcluster.Name) bool
}

// sweep removes all content of the workspace id. As long as somebody holds an
// object, nothing but the held objects is deleted: who finishes them may need
// the rest. It returns what is held.
func (s sweeper) sweep(ctx context.Context, id logicalcluster.Name, cluster *corev1alpha1.LogicalCluster) (remainder, error) {
	counts, err := s.counts(ctx, id)
	if err != nil || len(counts) == 0 {
		return remainder{}, err
	}
	left, err := s.deleteHeld(ctx, id, counts)
	if err != nil || !left.empty() {
		return left, err
	}
	if wait, err := s.purgeContent(ctx, id, counts); err != nil || wait {
		return remainder{draining: wait}, err
	}
	if cluster != nil && slices.ContainsFunc(cluster.Finalizers, notOurs) {
		return s.deleteHeldCluster(ctx, id, cluster)
	}
	if err := s.content.Purge(ctx, id, logicalClustersGVR.GroupResource()); err != nil {
		return remainder{}, fmt.Errorf("failed to remove the LogicalCluster: %w", err)
	}
	return remainder{}, s.verifyEmpty(ctx, id)
}

func (s sweeper) counts(ctx context.Context, id logicalcluster.Name) (map[schema.GroupResource]int64, error) {
	counts, err := s.content.Counts(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("failed to count the content: %w", err)
	}
	filled := make(map[schema.GroupResource]int64, len(counts))
	for resource, n := range counts {
		if n > 0 {
			filled[resource] = n
		}
	}
	return filled, nil
}

func (s sweeper) verifyEmpty(ctx context.Context, id logicalcluster.Name) error {
	counts, err := s.counts(ctx, id)
	if err != nil {
		return err
	}
	for resource := range counts {
		return fmt.Errorf("%w: %s", errRefilled, resource)
	}
	return nil
}

// purgeContent removes everything but the LogicalCluster, by which a hub that
// dies now finds the rest. Definitions go after their objects, and when somebody
// is watching, only the next time: without them those who watch the objects would
// be cut off before they see them go.
func (s sweeper) purgeContent(ctx context.Context, id logicalcluster.Name, counts map[schema.GroupResource]int64) (wait bool, err error) {
	var objects []schema.GroupResource
	for resource := range counts {
		if resource != logicalClustersGVR.GroupResource() && resource != definitions {
			objects = append(objects, resource)
		}
	}
	if len(objects) > 0 {
		if err := s.content.Purge(ctx, id, objects...); err != nil {
			return false, fmt.Errorf("failed to remove content: %w", err)
		}
	}
	switch {
	case counts[definitions] == 0:
		return false, nil
	case len(objects) > 0 && s.watched != nil && s.watched(id):
		return true, nil
	}
	if err := s.content.Purge(ctx, id, definitions); err != nil {
		return false, fmt.Errorf("failed to remove definitions: %w", err)
	}
	return false, nil
}

var definitions = apiextensionsv1.Resource("customresourcedefinitions")

// deleteHeldCluster deletes a LogicalCluster that somebody put a finalizer on.
func (s sweeper) deleteHeldCluster(ctx context.Context, id logicalcluster.Name, cluster *corev1alpha1.LogicalCluster) (remainder, error) {
	if cluster.DeletionTimestamp == nil {
		if err := gone(s.door.Delete(ctx, id, logicalClustersGVR, "", cluster.Name, cluster.UID)); err != nil {
			return remainder{}, fmt.Errorf("failed to delete the LogicalCluster: %w", err)
		}
	}
	var left remainder
	meta := *cluster.ObjectMeta.DeepCopy()
	meta.Finalizers = slices.DeleteFunc(meta.Finalizers, func(f string) bool { return !notOurs(f) })
	left.add(logicalClustersGVR.GroupResource(), metav1.PartialObjectMetadata{ObjectMeta: meta})
	return left, nil
}

// deleteHeld asks for the deletion of all objects with finalizers and returns
// them.
func (s sweeper) deleteHeld(ctx context.Context, id logicalcluster.Name, counts map[schema.GroupResource]int64) (remainder, error) {
	served, err := s.served(ctx, id)
	if err != nil {
		return remainder{}, err
	}
	var resources []schema.GroupVersionResource
	for resource := range counts {
		// What is not served can not be asked for, nor can anybody finish it.
		if gvr, ok := served[resource]; ok && resource != logicalClustersGVR.GroupResource() {
			resources = append(resources, gvr)
		}
	}
	found := make([]remainder, len(resources))
	tasks := make([]func() error, len(resources))
	for i, gvr := range resources {
		tasks[i] = func() (err error) {
			found[i], err = s.deleteHeldOf(ctx, id, gvr)
			return err
		}
	}
	err = bounded(tasks)
	var left remainder
	for _, one := range found {
		left.merge(one)
	}
	return left, err
}

func (s sweeper) served(ctx context.Context, id logicalcluster.Name) (map[schema.GroupResource]schema.GroupVersionResource, error) {
	lists, err := s.resources(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("failed to learn what is served: %w", err)
	}
	served := map[schema.GroupResource]schema.GroupVersionResource{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, fmt.Errorf("failed to read what is served: %w", err)
		}
		for _, resource := range list.APIResources {
			gvr := gv.WithResource(resource.Name)
			if _, known := served[gvr.GroupResource()]; known || !deletable(resource) {
				continue
			}
			served[gvr.GroupResource()] = gvr
		}
	}
	return served, nil
}

func deletable(resource metav1.APIResource) bool {
	return !strings.Contains(resource.Name, "/") &&
		slices.Contains(resource.Verbs, "list") && slices.Contains(resource.Verbs, "delete")
}

// pageSize bounds what one list holds in memory.
const pageSize = 500

func (s sweeper) deleteHeldOf(ctx context.Context, id logicalcluster.Name, gvr schema.GroupVersionResource) (remainder, error) {
	var left remainder
	options := metav1.ListOptions{Limit: pageSize}
	for {
		page, err := s.door.List(ctx, id, gvr, options)
		if gone(err) != nil {
			return left, fmt.Errorf("failed to list %s: %w", gvr.GroupResource(), err)
		}
		if err != nil {
			return left, nil
		}
		if err := s.deletePage(ctx, id, gvr, page.Items, &left); err != nil {
			return left, err
		}
		if page.Continue == "" {
			return left, nil
		}
		options.Continue = page.Continue
	}
}

func (s sweeper) deletePage(ctx context.Context, id logicalcluster.Name, gvr schema.GroupVersionResource, items []metav1.PartialObjectMetadata, left *remainder) error {
	var tasks []func() error
	for _, item := range items {
		if !held(gvr.GroupResource(), item) {
			continue
		}
		left.add(gvr.GroupResource(), item)
		if item.DeletionTimestamp == nil {
			tasks = append(tasks, func() error {
				return gone(s.door.Delete(ctx, id, gvr, item.Namespace, item.Name, item.UID))
			})
		}
	}
	if err := bounded(tasks); err != nil {
		return fmt.Errorf("failed to delete %s: %w", gvr.GroupResource(), err)
	}
	return nil
}

// held reports whether somebody has to agree before item goes. The finalizer of
// a CustomResourceDefinition stands for its objects, and those of a cascading
// deletion for dependents: all of these go anyway.
func held(resource schema.GroupResource, item metav1.PartialObjectMetadata) bool {
	return slices.ContainsFunc(item.Finalizers, func(finalizer string) bool {
		return notOurs(finalizer) && (resource != definitions || finalizer != apiextensionsv1.CustomResourceCleanupFinalizer)
	})
}

// bounded runs all tasks, some at a time, and returns the first error.
func bounded(tasks []func() error) error {
	var running errgroup.Group
	running.SetLimit(atOnce)
	for _, task := range tasks {
		running.Go(task)
	}
	return running.Wait()
}

// remainder is what a sweep had to leave to others.
type remainder struct {
	counts     map[schema.GroupResource]int
	names      map[schema.GroupResource][]string
	finalizers map[schema.GroupResource]map[string]bool
	// draining is whether only those who watch are waited for.
	draining bool
}

func (r *remainder) empty() bool { return len(r.counts) == 0 }

func (r *remainder) add(resource schema.GroupResource, item metav1.PartialObjectMetadata) {
	if r.counts == nil {
		r.counts = map[schema.GroupResource]int{}
		r.names = map[schema.GroupResource][]string{}
		r.finalizers = map[schema.GroupResource]map[string]bool{}
	}
	if r.finalizers[resource] == nil {
		r.finalizers[resource] = map[string]bool{}
	}
	name := item.Name
	if item.Namespace != "" {
		name = item.Namespace + "/" + item.Name
	}
	r.counts[resource]++
	r.names[resource] = append(r.names[resource], name)
	for _, finalizer := range item.Finalizers {
		r.finalizers[resource][finalizer] = true
	}
}

// merge takes in other, which holds other resources.
func (r *remainder) merge(other remainder) {
	if r.empty() {
		*r = other
		return
	}
	for resource, n := range other.counts {
		r.counts[resource] = n
		r.names[resource] = other.names[resource]
		r.finalizers[resource] = other.finalizers[resource]
	}
}

// String lists what is held and by which finalizers, in a stable order.
func (r remainder) String() string {
	parts := make([]string, 0, len(r.counts))
	for resource, n := range r.counts {
		var finalizers []string
		for finalizer := range r.finalizers[resource] {
			finalizers = append(finalizers, finalizer)
		}
		parts = append(parts, fmt.Sprintf("%d %s (%s; finalizers: %s)", n, resource, some(r.names[resource]), some(finalizers)))
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}
