package server

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/request"

	hubadmission "github.com/atriumhub/atrium/pkg/admission"
	"github.com/atriumhub/atrium/pkg/bindings"
	"github.com/atriumhub/atrium/pkg/claims"
	"github.com/atriumhub/atrium/pkg/inflight"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/nativeapis"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/pkg/views"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// claimAdmission returns the plugins about permission claims: that which comes
// before all of the hub's that judge labels, and that which comes after all that
// change them.
func (h *Hub) claimAdmission() (first, last hubadmission.Named) {
	config := hubadmission.ClaimsConfig{Book: h.claimBook(), Provider: providerOf, Resolve: h.resolve}
	return hubadmission.Named{Name: "AtriumProviders", Plugin: hubadmission.NewProviders(config)},
		hubadmission.Named{Name: "AtriumClaims", Plugin: hubadmission.NewClaims(config)}
}

// providerOf returns the export as whose provider a request came into a workspace.
func providerOf(ctx context.Context) (claims.Export, bool) {
	t, _ := target.From(ctx)
	if t.Visitor == nil || t.Visitor.Kind != views.ExportsKind {
		return claims.Export{}, false
	}
	workspace, name, ok := strings.Cut(t.Visitor.Key, ":")
	return claims.Export{Workspace: logicalcluster.Name(workspace), Name: name}, ok
}

// permissions is what the loops of bindings need for permission claims.
func (h *Hub) permissions() bindings.Permissions {
	return bindings.Permissions{
		Served: h.servedForClaims, Writes: &h.writes,
		Relabel: bindings.HubRelabel(h.hubClient, h.claimBook(), h.servedVersion()),
	}
}

// servedVersion returns a version in which a workspace serves a resource.
func (h *Hub) servedVersion() func(logicalcluster.Name, schema.GroupResource) (string, bool) {
	always := map[schema.GroupResource]string{}
	for _, gvr := range nativeapis.Always() {
		always[gvr.GroupResource()] = gvr.Version
	}
	return func(workspace logicalcluster.Name, resource schema.GroupResource) (string, bool) {
		if api, found := h.catalog.Lookup(workspace, resource); found {
			return api.Versions[0], true
		}
		version, found := always[resource]
		return version, found
	}
}

// writeVerbs are those that change what is stored. What has finalizers is written
// when it is deleted.
var writeVerbs = []string{"create", "update", "patch", "delete", "deletecollection"}

// countWrites keeps account of the writes that are under way, by what is stored. It
// comes after all who change what a request is about.
func (h *Hub) countWrites(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		info, ok := request.RequestInfoFrom(req.Context())
		scope, _ := keyspace.ScopeFrom(req.Context())
		workspace, single := scope.Workspace()
		if ok && single && slices.Contains(writeVerbs, info.Verb) {
			stored := claims.Stored(apisv1alpha2.GroupResource{Group: info.APIGroup, Resource: info.Resource})
			defer h.writes.Begin(inflight.Place{Workspace: workspace, Resource: stored})()
		}
		next.ServeHTTP(w, req)
	})
}
