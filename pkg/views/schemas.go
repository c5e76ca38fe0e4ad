package views

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// SchemasKind is the segment after /services/ of those who read the schemas of what
// a workspace has bound.
const SchemasKind = "apiresourceschema"

// SchemasConfig is what the view of schemas asks. Everything is answered from
// memory.
type SchemasConfig struct {
	// Inside judges a request to one workspace, as if it had come there directly.
	Inside authorizer.UnconditionalAuthorizer
	// Resolve finds workspaces.
	Resolve Resolve
	// Schemas and Bindings are those of all workspaces.
	Schemas  Source[*apisv1alpha1.APIResourceSchema]
	Bindings Source[*apisv1alpha2.APIBinding]
	// System are the hub's own APIs.
	System []*catalog.API
	// Start is a number greater than any resource version that an earlier process
	// gave away.
	Start uint64
	// MinRequestTimeout is the least time a watch is given.
	MinRequestTimeout time.Duration
}

// Schemas is the view of the schemas that a workspace has bound: who may read its
// bindings may read these, although they live where he has no access.
type Schemas struct {
	ask   SchemasConfig
	shelf *shelf
	set   *catalog.Set
	rest  *schemasREST
}

var _ View = &Schemas{}

// NewSchemas returns the view.
func NewSchemas(config SchemasConfig) *Schemas {
	s := &Schemas{ask: config, shelf: newShelf(config)}
	var shown []*catalog.API
	for _, api := range config.System {
		if api.GroupResource() == apisv1alpha1.Resource("apiresourceschemas") {
			shown = append(shown, api)
		}
	}
	s.set = catalog.NewViewSet(shown, nil).Limited(map[schema.GroupResource][]string{apisv1alpha1.Resource("apiresourceschemas"): readVerbs})
	s.rest = newSchemasREST(s.shelf, config.MinRequestTimeout)
	return s
}

// Kind implements View.
func (s *Schemas) Kind() string { return SchemasKind }

// Set is what the view serves.
func (s *Schemas) Set(context.Context) *catalog.Set { return s.set }

// Validate implements View.
func (s *Schemas) Validate(target.Target, admission.Attributes) error {
	return fmt.Errorf("schemas of what is bound can only be read")
}

// Resolve implements View for
//
//	/services/apiresourceschema/<workspace with the bindings>/clusters/<* or workspace>/…
//
// A workspace in the place of * shows the schemas of that one, which is a
// provider's.
func (s *Schemas) Resolve(_ context.Context, path string) (target.Target, keyspace.Scope, string, error) {
	refuse := func(what, got string) (target.Target, keyspace.Scope, string, error) {
		return target.Target{}, keyspace.Scope{}, "", fmt.Errorf("%w: %s %q; expected /services/%s/<workspace>/clusters/*/...", ErrMalformed, what, target.Shorten(got), SchemasKind)
	}
	segments, of, inner, ok := split(path, SchemasKind, 1)
	if !ok {
		return refuse("path", path)
	}
	consumer, provider := logicalcluster.Path(segments[0]), logicalcluster.Path(of)
	switch {
	case !isWorkspace(consumer):
		return refuse("workspace", segments[0])
	case provider != logicalcluster.Wildcard.Path() && !isWorkspace(provider):
		return refuse("workspace of a provider", of)
	case isNested(inner):
		return refuse("nested path", inner)
	}
	t := target.Target{Path: consumer, View: &target.View{Kind: SchemasKind, Name: consumer.String(), Key: s.provider(provider)}}
	home, found := s.ask.Resolve(consumer)
	if !found {
		return t, keyspace.Nowhere(), inner, nil
	}
	t.Identity = home
	if t.View.Key == home.String() {
		t.View.Key = ""
	}
	return t, keyspace.In(home), inner, nil
}

// provider returns the ID of the workspace whose schemas are asked for; "" is all.
// One that is not there has no schemas.
func (s *Schemas) provider(path logicalcluster.Path) string {
	if path == logicalcluster.Wildcard.Path() {
		return ""
	}
	name, found := s.ask.Resolve(path)
	if !found {
		return path.String()
	}
	return name.String()
}

// Authorize decides on a request that came through the view: it takes the verb
// "get" on apibindings in the workspace that has them.
func (s *Schemas) Authorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	t, ok := target.From(ctx)
	if !ok || t.View == nil || t.View.Kind != SchemasKind {
		return authorizer.DecisionNoOpinion, "", nil
	}
	decision, reason, err := s.ask.Inside.Authorize(target.With(ctx, target.Target{Path: t.Path, Identity: t.Identity}), authorizer.AttributesRecord{
		User: a.GetUser(), Verb: "get", ResourceRequest: true,
		APIGroup: apisv1alpha2.SchemeGroupVersion.Group, APIVersion: apisv1alpha2.SchemeGroupVersion.Version, Resource: "apibindings",
	})
	if decision != authorizer.DecisionAllow {
		return authorizer.DecisionDeny, strings.TrimSuffix(fmt.Sprintf("the view of bound schemas takes the verb \"get\" on apibindings in workspace %q: %s", t.Path, reason), ": "), err
	}
	described := !a.IsResourceRequest() && a.GetVerb() == "get" && IsDescription(a.GetPath())
	read := a.IsResourceRequest() && a.IsReadOnly() && a.GetSubresource() == "" && resourceAsked(a) == apisv1alpha1.Resource("apiresourceschemas")
	if !described && !read {
		return authorizer.DecisionDeny, "the view of bound schemas shows apiresourceschemas.apis.kcp.io and nothing else, to be read", nil
	}
	return authorizer.DecisionAllow, "", nil
}

// Enter serves what is read through the view. It stands behind authorization.
func (s *Schemas) Enter(next http.Handler, serializer runtime.NegotiatedSerializer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		t, ok := target.From(req.Context())
		info, known := request.RequestInfoFrom(req.Context())
		if !ok || t.View == nil || t.View.Kind != SchemasKind || known && !info.IsResourceRequest {
			next.ServeHTTP(w, req)
			return
		}
		if info.APIVersion != apisv1alpha1.SchemeGroupVersion.Version {
			err := notFoundVersion(info)
			responsewriters.ErrorNegotiated(err, serializer, schema.GroupVersion{}, w, req)
			return
		}
		s.rest.serve(w, req, info.Verb)
	})
}

// FollowSchema is called for every change of an APIResourceSchema.
func (s *Schemas) FollowSchema(_, found *apisv1alpha1.APIResourceSchema, key logicalcluster.Key) {
	if found != nil && key.Workspace == logicalcluster.SystemBoundCRDs {
		s.shelf.changed("") // whoever waits for the copy
	}
}

// FollowBinding is called for every change of an APIBinding.
func (s *Schemas) FollowBinding(_, _ *apisv1alpha2.APIBinding, key logicalcluster.Key) {
	s.shelf.changed(key.Workspace)
}
