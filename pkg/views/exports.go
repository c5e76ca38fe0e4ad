package views

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/claims"
	"github.com/atriumhub/atrium/pkg/roster"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// ExportsKind is the segment after /services/ of providers of APIs.
const ExportsKind = "apiexport"

// Source is what is asked of an informer over all workspaces. Objects that come
// out of it are shared and must not be changed.
type Source[T any] interface {
	// Get returns the object with the given key.
	Get(key logicalcluster.Key) (T, bool)
	// In returns the objects of one workspace, in no order.
	In(workspace logicalcluster.Name) []T
}

// Resolve finds a workspace by its path or its ID. It answers from memory.
type Resolve func(logicalcluster.Path) (logicalcluster.Name, bool)

// ExportsConfig is what the view of providers asks. Everything is answered from
// memory.
type ExportsConfig struct {
	// RBAC judges by the roles of the workspace that target.From(ctx).Identity
	// names.
	RBAC authorizer.UnconditionalAuthorizer
	// Resolve finds workspaces.
	Resolve Resolve
	// Exports, Schemas and Bindings are those of all workspaces.
	Exports  Source[*apisv1alpha2.APIExport]
	Schemas  Source[*apisv1alpha1.APIResourceSchema]
	Bindings Source[*apisv1alpha2.APIBinding]
	// FullName is how messages and policies call an export:
	// "root:acme:widgets".
	FullName func(workspace logicalcluster.Name, export string) string
	// System are the hub's own APIs, which every workspace serves.
	System []*catalog.API
	// Native reports whether objects of a resource are served by a compiled-in
	// registry, and stored.
	Native func(schema.GroupResource) bool
	// Grant returns the claim by which an export has something to do with a
	// resource in a workspace, and false when there is none in force.
	Grant func(logicalcluster.Name, claims.Export, schema.GroupResource) (claims.Grant, bool)
	// Open says why a workspace takes no requests, or nothing.
	Open func(logicalcluster.Name) error
	// WithinPolicy reports whether the maximal permission policy of an export in
	// the workspace owner, if it has one, lets the caller, who is known in home,
	// do what a says.
	WithinPolicy func(ctx context.Context, owner *apisv1alpha2.APIExport, home logicalcluster.Name, a authorizer.Attributes) bool
	// Evolution is about exports whose schemas change.
	Evolution Evolution
}

// Exports is the view of providers: what an APIExport offers and claims, in all
// workspaces that have bound it.
type Exports struct {
	ask ExportsConfig
	// offers are what exports show, as far as somebody has looked of late.
	offers *offers
	// lasting are the requests that last, by the workspaces they depend on.
	lasting roster.Roster[logicalcluster.Name, *lasting]
	// shapes are the same requests, by how the resource is served.
	shapes roster.Roster[string, *lasting]
	// due are the workspaces whose lasting requests have to be looked at.
	due due
}

var _ View = &Exports{}

// NewExports returns the view.
func NewExports(config ExportsConfig) *Exports {
	if config.Evolution.RolledOut == nil {
		config.Evolution = unchanging()
	}
	return &Exports{ask: config, offers: newOffers(config)}
}

// Kind implements View.
func (e *Exports) Kind() string { return ExportsKind }

// keyOf identifies an export in a target.Visitor.
func keyOf(export logicalcluster.Key) string {
	return export.Workspace.String() + ":" + export.Name
}

// claiming names an export as claims do.
func claiming(export logicalcluster.Key) claims.Export {
	return claims.Export{Workspace: export.Workspace, Name: export.Name}
}

// fromKey is the inverse of keyOf. The name of an export has no colon.
func fromKey(key string) logicalcluster.Key {
	i := strings.LastIndexByte(key, ':')
	if i < 0 {
		return logicalcluster.Key{}
	}
	return logicalcluster.Key{Workspace: logicalcluster.Name(key[:i]), Name: key[i+1:]}
}
