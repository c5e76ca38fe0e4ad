package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/schemas"
)

// API is one resource as a workspace serves it. See schemas.API.
type API = schemas.API

// The origins of an API, in the order in which they win over each other.
const (
	System = schemas.System
	Native = schemas.Native
	Bound  = schemas.Bound
	Local  = schemas.Local
)

// NativeAPIName names a group of gated registries, as in
// "root:compute:kubernetes": the path of an export and its name.
type NativeAPIName string

// NativeAPI is a group of compiled-in registries that only workspaces which
// bound it can see.
type NativeAPI struct {
	Name      NativeAPIName
	Resources []schema.GroupVersionResource
}

// Set is what a workspace serves besides the compiled-in registries that
// everybody has. It is immutable and shared between equal workspaces.
type Set struct {
	// Hash is equal for equal sets, in this process and in others.
	Hash string

	served []*API
	byName map[schema.GroupResource]*API
	gated  map[schema.GroupResource]bool
	// only, when not nil, are the compiled-in registries that answer.
	only map[schema.GroupResource]bool
	// limits are the verbs of resources that are not shown with all they have.
	limits map[schema.GroupResource][]string
}

// Lookup returns the API that serves gr.
func (s *Set) Lookup(gr schema.GroupResource) (*API, bool) {
	api, ok := s.byName[gr]
	return api, ok
}

// All returns every API of the set, sorted by group and resource. The caller
// must not change the slice.
func (s *Set) All() []*API { return s.served }

// ShowsNative reports whether the compiled-in registry of gr answers for this
// set: it is one that everybody has, or a bound one.
func (s *Set) ShowsNative(gr schema.GroupResource) bool {
	if api, ok := s.byName[gr]; ok {
		return api.Origin == Native
	}
	if s.only != nil {
		return s.only[gr]
	}
	return !s.gated[gr]
}

// Limit returns the verbs with which gr is shown, and false when it is shown with
// all it has.
func (s *Set) Limit(gr schema.GroupResource) (verbs []string, limited bool) {
	verbs, limited = s.limits[gr]
	return verbs, limited
}

// Limited returns the set in which the given resources are shown with no more than
// these verbs, of which "*" is all. Of a limited resource no subresources are shown
// but status and scale.
func (s *Set) Limited(limits map[schema.GroupResource][]string) *Set {
	limited := *s
	limited.limits = limits
	parts := []string{s.Hash}
	for gr, verbs := range limits {
		parts = append(parts, gr.String()+" "+strings.Join(slices.Sorted(slices.Values(verbs)), ","))
	}
	slices.Sort(parts[1:])
	limited.Hash = setHash("limited", nil, parts)
	return &limited
}

// newSet resolves the offers into a Set with the given hash.
func newSet(hash string, gated map[schema.GroupResource]bool, offers ...[]*API) *Set {
	served := schemas.Resolve(offers...)
	byName := make(map[schema.GroupResource]*API, len(served))
	for _, api := range served {
		byName[api.GroupResource()] = api
	}
	return &Set{Hash: hash, served: served, byName: byName, gated: gated}
}

// NewViewSet returns the Set of a view (pkg/views): it shows apis, and of the
// compiled-in registries only natives.
func NewViewSet(apis []*API, natives []schema.GroupResource) *Set {
	only := map[schema.GroupResource]bool{}
	names := make([]NativeAPIName, 0, len(natives))
	for _, gr := range natives {
		only[gr] = true
		names = append(names, NativeAPIName(gr.String()))
	}
	slices.Sort(names)
	set := newSet(setHash("view", names, shapesOf(apis)), nil, apis)
	set.only = only
	return set
}

// setHash identifies the set made of a hub's system shapes, bound native APIs
// and local shapes, each sorted.
func setHash(systemHash string, bound []NativeAPIName, shapes []string) string {
	h := sha256.New()
	write := func(s string) {
		_, _ = io.WriteString(h, s)
		_, _ = h.Write([]byte{0})
	}
	write(systemHash)
	for _, name := range bound {
		write(string(name))
	}
	write("")
	for _, shape := range shapes {
		write(shape)
	}
	return hex.EncodeToString(h.Sum(nil)[:20])
}

// shapesOf returns the sorted shapes of apis.
func shapesOf(apis []*API) []string {
	shapes := make([]string, 0, len(apis))
	for _, api := range apis {
		shapes = append(shapes, api.Shape)
	}
	slices.Sort(shapes)
	return shapes
}
