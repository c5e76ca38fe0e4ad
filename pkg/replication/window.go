package replication

import (
	"fmt"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/pkg/schemas"
	cachev1alpha1 "github.com/atriumhub/atrium/sdk/apis/cache/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Source finds the objects that a Publisher is made of.
type Source[T any] interface {
	Get(key logicalcluster.Key) (T, bool)
	In(workspace logicalcluster.Name) []T
}

// Publisher finds windows. It answers from memory.
type Publisher struct {
	// Resources are the ClusterCachedResources of all workspaces.
	Resources Source[*cachev1alpha1.ClusterCachedResource]
	// Slices are their endpoint slices.
	Slices Source[*cachev1alpha1.ClusterCachedResourceEndpointSlice]
	// Lookup finds the API that serves a resource in a workspace.
	Lookup func(logicalcluster.Name, schema.GroupResource) (*schemas.API, bool)
}

// Window is a look at some objects of one workspace.
type Window struct {
	// Resource is the ClusterCachedResource that opens it.
	Resource logicalcluster.Key
	// Selector chooses the objects.
	Selector labels.Selector
	// API serves them.
	API *schemas.API
}

// Problem is why there is no window, in words for the provider.
type Problem struct {
	// Reason is that of a condition.
	Reason  string
	Message string
}

// Error implements error.
func (p *Problem) Error() string { return p.Message }

func problem(reason, format string, args ...any) *Problem {
	return &Problem{reason, fmt.Sprintf(format, args...)}
}

// Window returns what the slice of that key shows, under the identity hash by which
// it was bound. An error is a *Problem.
func (p *Publisher) Window(slice logicalcluster.Key, identity string) (Window, error) {
	found, ok := p.Slices.Get(slice)
	if !ok {
		return Window{}, problem(cachev1alpha1.ClusterCachedResourceNotFoundReason, "ClusterCachedResourceEndpointSlice %q is not there any more", slice.Name)
	}
	resource, err := p.Referred(found)
	if err != nil {
		return Window{}, err
	}
	switch {
	case resource.DeletionTimestamp != nil:
		return Window{}, problem(cachev1alpha1.DeletingReason, "ClusterCachedResource %q is being deleted", resource.Name)
	case resource.Status.IdentityHash == "" || resource.Status.IdentityHash != identity:
		return Window{}, problem(cachev1alpha1.IdentityVerificationFailedReason,
			"ClusterCachedResource %q has another identity than the APIExport says: write its status.identityHash to storage.virtual.identityHash there", resource.Name)
	}
	return p.Open(resource)
}

// Shown returns the API of what a slice shows, and its identity hash now.
func (p *Publisher) Shown(slice logicalcluster.Key) (*schemas.API, string, error) {
	found, ok := p.Slices.Get(slice)
	if !ok {
		return nil, "", problem(cachev1alpha1.ClusterCachedResourceNotFoundReason, "ClusterCachedResourceEndpointSlice %q is not there", slice.Name)
	}
	resource, err := p.Referred(found)
	if err != nil {
		return nil, "", err
	}
	window, err := p.Window(slice, resource.Status.IdentityHash)
	return window.API, resource.Status.IdentityHash, err
}

// Referred returns the ClusterCachedResource of a slice. It lives in the same
// workspace (N2).
func (p *Publisher) Referred(slice *cachev1alpha1.ClusterCachedResourceEndpointSlice) (*cachev1alpha1.ClusterCachedResource, error) {
	reference, workspace := slice.Spec.ClusterCachedResource, logicalcluster.From(slice)
	if reference.Path != "" && logicalcluster.Path(reference.Path) != workspace.Path() {
		return nil, problem(cachev1alpha1.ClusterCachedResourceInvalidReferenceReason,
			"spec.clusterCachedResource.path: what other workspaces publish is theirs to offer; leave the path out, or write %q", workspace)
	}
	resource, ok := p.Resources.Get(logicalcluster.Key{Workspace: workspace, Name: reference.Name})
	if !ok {
		return nil, problem(cachev1alpha1.ClusterCachedResourceNotFoundReason, "there is no ClusterCachedResource %q in this workspace", reference.Name)
	}
	return resource, nil
}

// Open returns what resource shows, whatever its identity.
func (p *Publisher) Open(resource *cachev1alpha1.ClusterCachedResource) (Window, error) {
	key := logicalcluster.Key{Workspace: logicalcluster.From(resource), Name: resource.Name}
	gr := schema.GroupResource{Group: resource.Spec.Group, Resource: resource.Spec.Resource}
	api, ok := p.Lookup(key.Workspace, gr)
	if !ok || !serves(api, resource.Spec.Version) {
		return Window{}, problem(cachev1alpha1.NoResourcesReason,
			"this workspace has no custom resource %s in version %q: install its definition, or bind it", gr, resource.Spec.Version)
	}
	if reason := unfit(api); reason != "" {
		return Window{}, problem(cachev1alpha1.ResourceNotClusterScopedReason, "%s %s", gr, reason)
	}
	if first := p.first(key, gr); first != key.Name {
		return Window{}, problem(cachev1alpha1.NoResourcesReason, "ClusterCachedResource %q publishes %s already: delete one of them", first, gr)
	}
	selector, err := selectorOf(resource)
	if err != nil {
		return Window{}, problem(cachev1alpha1.NoResourcesReason, "spec.labelSelector: %v", err)
	}
	return Window{Resource: key, Selector: selector, API: api}, nil
}

func serves(api *schemas.API, version string) bool {
	return version == "" || slices.Contains(api.Versions, version)
}

// unfit says why api is not for others to read, or nothing (N1).
func unfit(api *schemas.API) string {
	switch {
	case api.Origin != schemas.Local && api.Origin != schemas.Bound:
		return "is not a custom resource: the hub's own and Kubernetes' kinds are not published"
	case api.Virtual():
		return "is itself read from another workspace, whose owner publishes it"
	case api.CRD.Spec.Scope != apiextensionsv1.ClusterScoped:
		return "lives in namespaces: only resources of cluster scope are published"
	}
	return ""
}

// first is the ClusterCachedResource that publishes gr: the oldest.
func (p *Publisher) first(key logicalcluster.Key, gr schema.GroupResource) string {
	var first *cachev1alpha1.ClusterCachedResource
	for _, other := range p.Resources.In(key.Workspace) {
		same := other.Spec.Group == gr.Group && other.Spec.Resource == gr.Resource && other.DeletionTimestamp == nil
		if same && (first == nil || informers.ByAge(other, first) < 0) {
			first = other
		}
	}
	if first == nil {
		return key.Name
	}
	return first.Name
}

// selectorOf returns the selector, of which none at all is everything.
func selectorOf(resource *cachev1alpha1.ClusterCachedResource) (labels.Selector, error) {
	if resource.Spec.LabelSelector == nil {
		return labels.Everything(), nil
	}
	return metav1.LabelSelectorAsSelector(resource.Spec.LabelSelector)
}
