package policies

import (
	"context"
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// params reads the params of a policy when they are needed, from its workspace. To
// upstream it looks like an informer; there is none, so that params of a kind cost
// nothing while nobody writes, and are never out of date.
type params struct {
	cache.SharedIndexInformer
	cache.GenericLister
	ctx    context.Context
	client dynamic.NamespaceableResourceInterface
}

var _ informers.GenericInformer = params{}

// paramsOf finds the params of a policy, and how they are scoped. No kind, no
// params.
func (j *judgement) paramsOf(ctx context.Context, kind *admissionregistrationv1.ParamKind) (informers.GenericInformer, meta.RESTScope, error) {
	if kind == nil {
		return nil, nil, nil
	}
	gv, err := schema.ParseGroupVersion(kind.APIVersion)
	if err != nil {
		return nil, nil, fmt.Errorf("paramKind: %w", err)
	}
	resource, namespaced, ok := j.policies.config.ResourceOf(j.by, gv.WithKind(kind.Kind))
	if !ok {
		return nil, nil, fmt.Errorf("paramKind: no kind %s of %s is served in workspace %s", kind.Kind, kind.APIVersion, j.by)
	}
	scope := meta.RESTScopeRoot
	if namespaced {
		scope = meta.RESTScopeNamespace
	}
	return params{ctx: ctx, client: j.policies.config.Hub.Dynamic(j.by.Path()).Resource(gv.WithResource(resource))}, scope, nil
}

// Informer implements informers.GenericInformer.
func (p params) Informer() cache.SharedIndexInformer { return p }

// HasSynced is always so.
func (params) HasSynced() bool { return true }

// Lister implements informers.GenericInformer.
func (p params) Lister() cache.GenericLister { return p }

// ByNamespace implements cache.GenericLister.
func (p params) ByNamespace(namespace string) cache.GenericNamespaceLister {
	return stored{p.ctx, p.client.Namespace(namespace)}
}

// Get implements cache.GenericLister for what has no namespace.
func (p params) Get(name string) (runtime.Object, error) { return stored{p.ctx, p.client}.Get(name) }

// List implements cache.GenericLister for what has no namespace.
func (p params) List(selector labels.Selector) ([]runtime.Object, error) {
	return stored{p.ctx, p.client}.List(selector)
}

// stored are the objects that a client reads.
type stored struct {
	ctx    context.Context
	client dynamic.ResourceInterface
}

// Get implements cache.GenericNamespaceLister.
func (s stored) Get(name string) (runtime.Object, error) {
	found, err := s.client.Get(s.ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// List implements cache.GenericNamespaceLister.
func (s stored) List(selector labels.Selector) ([]runtime.Object, error) {
	found, err := s.client.List(s.ctx, metav1.ListOptions{LabelSelector: selector.String(), ResourceVersion: "0"})
	if err != nil {
		return nil, err
	}
	objects := make([]runtime.Object, 0, len(found.Items))
	for i := range found.Items {
		objects = append(objects, &found.Items[i])
	}
	return objects, nil
}
