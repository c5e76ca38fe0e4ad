package schemas

import (
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Origin says where an API comes from. When two offer the same resource, the
// lower Origin is served.
type Origin int

const (
	// System is a kind of the hub itself, served in every workspace.
	System Origin = iota
	// Native is a compiled-in registry that a workspace sees once it has bound
	// the export the registry belongs to.
	Native
	// Bound is a resource of an APIExport that the workspace has bound.
	Bound
	// Local is a CustomResourceDefinition of the workspace.
	Local
)

// String returns the word used in messages and logs.
func (o Origin) String() string {
	switch o {
	case System:
		return "system"
	case Native:
		return "native"
	case Bound:
		return "bound"
	case Local:
		return "local"
	}
	return "unknown"
}

// API is one resource as a workspace serves it. It is shared between
// workspaces: treat it as read-only.
type API struct {
	// Group is the API group, empty for the core group.
	Group string
	// Resource is the plural, lower-case name that stands in URLs.
	Resource string
	// Kind is empty for Native APIs.
	Kind string
	// Namespaced is meaningless for Native APIs.
	Namespaced bool
	// Versions are the served versions, the preferred one first. A Native API
	// lists those of its export.
	Versions []string
	// Origin says who offers it.
	Origin Origin
	// CRD is the definition to serve by, made by Synthetic; nil for Native.
	CRD *apiextensionsv1.CustomResourceDefinition
	// Shape is the hash of everything that matters for serving; equal shapes
	// are served by one handler. Empty for Native.
	Shape string
	// Export names the export that made a Native or Bound API visible, as
	// "<path>:<name>".
	Export string
	// Provider is where a Bound API comes from; zero for all others.
	Provider Provider
	// Closed says that requests have to wait: see the function of that name.
	Closed bool
	// Converter converts between versions when CRD says that this is done in
	// the process; nil means one that was registered under the key in CRD.
	Converter Converter
}

// Provider finds the export that a Bound API comes from.
type Provider struct {
	// Workspace is the one the export lives in.
	Workspace logicalcluster.Name
	// Export is its name there.
	Export string
	// Identity is its identity hash. Objects of one resource that come from
	// exports of different identities lie apart.
	Identity string
	// Virtual is set when the objects are not those of the workspace that bound
	// the API.
	Virtual Virtual
}

// Virtual is where objects are that many workspaces read and none of them stores.
type Virtual struct {
	// Slice is the endpoint slice, in the provider's workspace, that shows them.
	Slice string
	// Identity is the identity hash of what the slice shows.
	Identity string
}

// Virtual reports whether the objects of the API are read from elsewhere.
func (a *API) Virtual() bool { return a.Provider.Virtual.Slice != "" }

// GroupResource returns the key under which a workspace serves the API.
func (a *API) GroupResource() schema.GroupResource {
	return schema.GroupResource{Group: a.Group, Resource: a.Resource}
}

// FromCRD returns the API that crd describes, with a shape and a definition of
// its own that no longer says which workspace it was in. crd is not copied
// deeply: it must not change afterwards.
func FromCRD(crd *apiextensionsv1.CustomResourceDefinition, origin Origin) *API {
	return fromCRD(crd, origin, Shape(crd))
}

// FromExport returns the API that crd describes for those who bound the export
// of provider, whose full name is export.
func FromExport(crd *apiextensionsv1.CustomResourceDefinition, provider Provider, export string) *API {
	api := fromCRD(crd, Bound, exportedShape(crd, provider, export))
	api.Provider, api.Export = provider, export
	return api
}

func fromCRD(crd *apiextensionsv1.CustomResourceDefinition, origin Origin, shape string) *API {
	return &API{
		Group:      crd.Spec.Group,
		Resource:   crd.Status.AcceptedNames.Plural,
		Kind:       crd.Status.AcceptedNames.Kind,
		Namespaced: crd.Spec.Scope == apiextensionsv1.NamespaceScoped,
		Versions:   ServedVersions(crd),
		Origin:     origin,
		CRD:        Synthetic(crd, shape),
		Closed:     Closed(crd),
		Shape:      shape,
	}
}

// ServedVersions returns the names of the served versions of crd, in the order
// in which Kubernetes prefers them (v2, v1, v1beta1, ...).
func ServedVersions(crd *apiextensionsv1.CustomResourceDefinition) []string {
	var served []string
	for i := range crd.Spec.Versions {
		if crd.Spec.Versions[i].Served {
			served = append(served, crd.Spec.Versions[i].Name)
		}
	}
	SortVersions(served)
	return served
}

// SortVersions sorts version names so that the one Kubernetes prefers is first.
func SortVersions(names []string) {
	slices.SortFunc(names, func(a, b string) int { return version.CompareKubeAwareVersionStrings(b, a) })
}
