package views

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/utils/lru"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/pkg/target"
	cachev1alpha1 "github.com/atriumhub/atrium/sdk/apis/cache/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// ReplicationKind is the segment after /services/ of what providers publish.
const ReplicationKind = "replication"

// ReplicationConfig is what the view asks. Everything is answered from memory.
type ReplicationConfig struct {
	// RBAC judges by the roles of the workspace that target.From(ctx).Identity
	// names.
	RBAC authorizer.UnconditionalAuthorizer
	// Resolve finds workspaces.
	Resolve Resolve
	// Shown returns the API of what a slice shows, and its identity hash now; an
	// error when that is nothing.
	Shown func(slice logicalcluster.Key) (*schemas.API, string, error)
	// Lookup finds the API that serves a resource in a workspace.
	Lookup func(logicalcluster.Name, schema.GroupResource) (*schemas.API, bool)
}

// Replication is the view of what a provider publishes: the objects that a
// ClusterCachedResourceEndpointSlice shows, as those read them who bound them.
type Replication struct {
	ask ReplicationConfig
	// made are the Sets of slices, so that one is not made for each request.
	made *lru.Cache
}

var _ View = &Replication{}

// keptWindows is how many Sets are kept.
const keptWindows = 256

// NewReplication returns the view.
func NewReplication(config ReplicationConfig) *Replication {
	return &Replication{ask: config, made: lru.New(keptWindows)}
}

// Kind implements View.
func (r *Replication) Kind() string { return ReplicationKind }

// Resolve implements View for
//
//	/services/replication/<workspace of the slice>/<its name>/clusters/<workspace or *>/…
//
// A workspace is one that has bound what the slice shows: any other is nowhere.
func (r *Replication) Resolve(_ context.Context, path string) (target.Target, keyspace.Scope, string, error) {
	a, err := addressOf(path, ReplicationKind, "ClusterCachedResourceEndpointSlice", "the slice")
	if err != nil {
		return target.Target{}, keyspace.Scope{}, "", err
	}
	t := a.target(ReplicationKind)
	home, found := r.ask.Resolve(a.owner)
	if !found {
		return t, keyspace.Nowhere(), a.inner, nil
	}
	t.Identity = home
	return t, r.reach(sliceOf(t), a.consumer), a.inner, nil
}

func sliceOf(t target.Target) logicalcluster.Key {
	return logicalcluster.Key{Workspace: t.Identity, Name: t.View.Target}
}

func (r *Replication) reach(slice logicalcluster.Key, consumer logicalcluster.Path) keyspace.Scope {
	if consumer == logicalcluster.Wildcard.Path() {
		return keyspace.Everywhere()
	}
	name, found := r.ask.Resolve(consumer)
	if !found || !r.bound(slice, name) {
		return keyspace.Nowhere()
	}
	return keyspace.In(name)
}

// bound reports whether consumer reads what the slice shows.
func (r *Replication) bound(slice logicalcluster.Key, consumer logicalcluster.Name) bool {
	shown, _, err := r.ask.Shown(slice)
	if err != nil {
		return false
	}
	api, ok := r.ask.Lookup(consumer, shown.GroupResource())
	return ok && api.Virtual() && api.Provider.Workspace == slice.Workspace && api.Provider.Virtual.Slice == slice.Name
}

// Authorize implements View: it takes the verb of the request on the content of
// the slice.
func (r *Replication) Authorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	t, ok := target.From(ctx)
	if !ok || t.View == nil || t.View.Kind != ReplicationKind {
		return authorizer.DecisionNoOpinion, "", nil
	}
	if ok, err := r.mayUse(ctx, t, a); !ok {
		return authorizer.DecisionDeny, fmt.Sprintf("the view of ClusterCachedResourceEndpointSlice %q takes the verb %q on clustercachedresourceendpointslices/content with the name %q: it does not exist, or who administers its workspace has to grant you the verb there",
			t.View.Name, target.Shorten(a.GetVerb()), t.View.Target), err
	}
	if reason := replicationRefusal(a); reason != "" {
		return authorizer.DecisionDeny, reason, nil
	}
	if scope, _ := keyspace.ScopeFrom(ctx); scope.None() {
		return authorizer.DecisionDeny, fmt.Sprintf("workspace %q has not bound what slice %q shows: it does not exist, or has no such APIBinding", t.Path, t.View.Name), nil
	}
	return authorizer.DecisionAllow, "", nil
}

func (r *Replication) mayUse(ctx context.Context, t target.Target, a authorizer.Attributes) (bool, error) {
	if t.Identity.Empty() {
		return false, nil
	}
	decision, _, err := r.ask.RBAC.Authorize(target.With(ctx, target.Target{Path: t.Identity.Path(), Identity: t.Identity}), authorizer.AttributesRecord{
		User: a.GetUser(), Verb: a.GetVerb(),
		APIGroup: cachev1alpha1.SchemeGroupVersion.Group, APIVersion: cachev1alpha1.SchemeGroupVersion.Version,
		Resource: "clustercachedresourceendpointslices", Subresource: "content", Name: t.View.Target, ResourceRequest: true,
	})
	return decision == authorizer.DecisionAllow, err
}

func replicationRefusal(a authorizer.Attributes) string {
	switch {
	case a.IsResourceRequest() && slices.Contains(readVerbs, a.GetVerb()) && a.GetSubresource() == "":
		return ""
	case !a.IsResourceRequest() && a.GetVerb() == "get" && IsDescription(a.GetPath()):
		return ""
	case !a.IsResourceRequest():
		return fmt.Sprintf("the view of a slice does not serve %s %s", target.Shorten(a.GetVerb()), target.Shorten(a.GetPath()))
	default:
		return fmt.Sprintf("through a slice objects are only read, not %s: change them in the workspace they live in", verbOn(a))
	}
}

// Validate implements View.
func (r *Replication) Validate(target.Target, admission.Attributes) error {
	return errors.New("nothing is written through the view of a slice")
}

// Set returns what the view shows to the request with that context.
func (r *Replication) Set(ctx context.Context) *catalog.Set {
	t, ok := target.From(ctx)
	if !ok || t.View == nil || t.Identity.Empty() {
		return nothingShown
	}
	slice := sliceOf(t)
	shown, identity, err := r.ask.Shown(slice)
	if err != nil {
		return nothingShown
	}
	key := shownSet{slice, shown.Shape, identity}
	if set, ok := r.made.Get(key); ok {
		return set.(*catalog.Set)
	}
	provider := schemas.Provider{Workspace: slice.Workspace, Virtual: schemas.Virtual{Slice: slice.Name, Identity: identity}}
	set := catalog.NewViewSet([]*catalog.API{schemas.FromExport(shown.CRD, provider, t.View.Name)}, nil)
	r.made.Add(key, set)
	return set
}

type shownSet struct {
	slice           logicalcluster.Key
	shape, identity string
}

var nothingShown = catalog.NewViewSet(nil, nil)
