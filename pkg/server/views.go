package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/storage"

	hubadmission "github.com/atriumhub/atrium/pkg/admission"
	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/discovery"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/partition"
	"github.com/atriumhub/atrium/pkg/routing"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/pkg/views"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	"github.com/atriumhub/atrium/sdk/apis/scheme"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// viewParts are the virtual workspaces: how their URLs are read, who may use them
// and what may be written through them.
type viewParts struct {
	routes      map[string]routing.View
	authorizers map[string]authorizer.UnconditionalAuthorizer
	admission   []hubadmission.Named
	lifecycles  []*views.Lifecycle
	exports     *views.Exports
	schemas     *views.Schemas
	// sets say what those show that do not show what the workspace serves.
	sets map[string]viewSet
}

// viewSet returns what can be asked for through the view that a request came
// through. It is shared and changes with what the view belongs to.
type viewSet func(context.Context) *catalog.Set

// views lists the virtual workspaces.
func (h *Hub) views() (viewParts, error) {
	ask, err := h.lifecycleConfig()
	if err != nil {
		return viewParts{}, err
	}
	lifecycles := []*views.Lifecycle{views.NewInitializing(ask), views.NewTerminating(ask)}
	exports, bound, published := h.exportsView(), h.schemasView(), h.publishedView()
	all := []views.View{views.NewSyncer(h.rbac, h.syncTargetUID), exports, bound, published}
	for _, lifecycle := range lifecycles {
		all = append(all, lifecycle)
		h.models.logicalClusters.OnChange(func(_, cluster *corev1alpha1.LogicalCluster, key logicalcluster.Key) {
			lifecycle.Follow(key.Workspace, cluster)
		})
	}
	parts := viewParts{
		routes: map[string]routing.View{}, authorizers: map[string]authorizer.UnconditionalAuthorizer{},
		admission:  []hubadmission.Named{{Name: "AtriumViews", Plugin: views.NewAdmission(all...)}},
		lifecycles: lifecycles, exports: exports, schemas: bound,
		sets: map[string]viewSet{exports.Kind(): views.SetFrom, bound.Kind(): bound.Set, published.Kind(): published.Set},
	}
	for _, view := range all {
		parts.routes[view.Kind()], parts.authorizers[view.Kind()] = view.Resolve, view
	}
	return parts, nil
}

func (h *Hub) syncTargetUID(workspace logicalcluster.Name, name string) (types.UID, bool) {
	found, ok := h.models.syncTargets.Get(logicalcluster.Key{Workspace: workspace, Name: name})
	if !ok {
		return "", false
	}
	return found.UID, true
}

// lifecycleConfig says where the views of initializers and terminators find what
// they ask.
func (h *Hub) lifecycleConfig() (views.LifecycleConfig, error) {
	stored, err := storedClusters(h.stores.customResources)
	if err != nil {
		return views.LifecycleConfig{}, err
	}
	return views.LifecycleConfig{
		RBAC: h.rbac, Inside: authorizer.AuthorizerFunc(h.judgeDirect), Resolve: h.resolve, Stored: stored,
		Type: func(workspace logicalcluster.Name, name string) (*tenancyv1alpha1.WorkspaceType, bool) {
			return h.models.workspaceTypes.Get(logicalcluster.Key{Workspace: workspace, Name: name})
		},
		Cluster: func(workspace logicalcluster.Name) (*corev1alpha1.LogicalCluster, bool) {
			return h.models.logicalClusters.Get(logicalcluster.Key{Workspace: workspace, Name: corev1alpha1.LogicalClusterName})
		},
	}, nil
}

// judgeDirect judges a request as if it had come to its workspace directly: its
// context is that of no view.
func (h *Hub) judgeDirect(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	return h.authorizer.Authorize(ctx, a)
}

// storedClusters reads LogicalClusters from storage: who is told of one by a
// watch may come before the read models know it.
func storedClusters(getter *partition.Getter) (func(context.Context, logicalcluster.Name) (*corev1alpha1.LogicalCluster, error), error) {
	resource := corev1alpha1.SchemeGroupVersion.WithResource("logicalclusters")
	// The connection lives as long as the process, like that of the API.
	opened, _, err := getter.Open(partition.OpenConfig{
		GroupResource: resource.GroupResource(),
		Codec:         partition.CodecOf(scheme.Codecs, runtime.ContentTypeJSON, resource.GroupVersion()),
		NewFunc:       func() runtime.Object { return &corev1alpha1.LogicalCluster{} },
		NewListFunc:   func() runtime.Object { return &corev1alpha1.LogicalClusterList{} },
	})
	if err != nil {
		return nil, fmt.Errorf("failed to open %s: %w", resource.GroupResource(), err)
	}
	key := partition.ObjectKey(opened, "", corev1alpha1.LogicalClusterName)
	return func(ctx context.Context, workspace logicalcluster.Name) (*corev1alpha1.LogicalCluster, error) {
		cluster := &corev1alpha1.LogicalCluster{}
		err := opened.Get(keyspace.WithScope(ctx, keyspace.In(workspace)), key, storage.GetOptions{}, cluster)
		return cluster, err
	}, nil
}

// enterViews lets initializers and terminators into the workspaces that wait for
// them, and providers into those that have bound their APIs. It comes after
// readiness: these need not be ready.
func (h *Hub) enterViews(serializer runtime.NegotiatedSerializer) link {
	return func(next http.Handler) http.Handler {
		for _, lifecycle := range h.lifecycles {
			next = lifecycle.Enter(next, serializer)
		}
		return h.exports.Enter(h.schemas.Enter(next, serializer), serializer)
	}
}

// describeWaiting makes discovery of LogicalClusters and nothing else.
func (h *Hub) describeWaiting() (*discovery.Handler, error) {
	shown := slices.DeleteFunc(slices.Clone(h.systemCRDs), func(crd *apiextensionsv1.CustomResourceDefinition) bool {
		return crd.Name != corev1alpha1.Resource("logicalclusters").String()
	})
	described, err := discovery.New(discovery.Config{Catalog: catalog.New(shown, nil)})
	if err != nil {
		return nil, fmt.Errorf("failed to make the discovery of views: %w", err)
	}
	return described, nil
}

// describing returns who describes what req is about: ordinarily is for all but
// the views that show one kind of many workspaces.
func (h *Hub) describing(req *http.Request, ordinarily *discovery.Handler) *discovery.Handler {
	t, _ := target.From(req.Context())
	if t.View != nil && slices.ContainsFunc(h.lifecycles, func(l *views.Lifecycle) bool { return l.Kind() == t.View.Kind }) {
		return h.waiting
	}
	return ordinarily
}

// viewSet returns what the view shows that a request came through, and false when
// it shows what the workspace serves.
func (h *Hub) viewSet(ctx context.Context) (*catalog.Set, bool) {
	t, _ := target.From(ctx)
	kind := ""
	switch {
	case t.View != nil:
		kind = t.View.Kind
	case t.Visitor != nil:
		kind = t.Visitor.Kind
	}
	set, ok := h.viewSets[kind]
	if !ok {
		return nil, false
	}
	return set(ctx), true
}
