package discovery

import (
	"cmp"
	"slices"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	upstream "k8s.io/apiserver/pkg/endpoints/discovery"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/schemas"
)

// compose returns the groups of a workspace: the compiled-in ones with what
// set shows of them, in their order, then those that only definitions have, by
// name. Neither argument is changed; the result shares data with them.
func compose(natives []apidiscoveryv2.APIGroupDiscovery, set *catalog.Set) []apidiscoveryv2.APIGroupDiscovery {
	defined := definedVersions(set)
	var groups []apidiscoveryv2.APIGroupDiscovery
	for i := range natives {
		group := composeGroup(&natives[i], defined[natives[i].Name], set)
		delete(defined, natives[i].Name)
		if len(group.Versions) > 0 {
			groups = append(groups, group)
		}
	}
	own := len(groups)
	for name, versions := range defined {
		groups = append(groups, newGroup(name, sortedVersions(versions)))
	}
	slices.SortFunc(groups[own:], func(a, b apidiscoveryv2.APIGroupDiscovery) int { return cmp.Compare(a.Name, b.Name) })
	return limit(groups, set)
}

// composeGroup returns what is visible of a compiled-in group, with what
// definitions add to it.
func composeGroup(native *apidiscoveryv2.APIGroupDiscovery, defined map[string][]apidiscoveryv2.APIResourceDiscovery, set *catalog.Set) apidiscoveryv2.APIGroupDiscovery {
	var versions []apidiscoveryv2.APIVersionDiscovery
	for _, v := range native.Versions {
		v.Resources = slices.DeleteFunc(slices.Clone(v.Resources), func(r apidiscoveryv2.APIResourceDiscovery) bool {
			return !set.ShowsNative(schema.GroupResource{Group: native.Name, Resource: r.Resource})
		})
		v.Resources = append(v.Resources, defined[v.Version]...)
		if len(v.Resources) > 0 {
			versions = append(versions, v)
		}
	}
	for _, v := range sortedVersions(defined) {
		if !slices.ContainsFunc(native.Versions, func(n apidiscoveryv2.APIVersionDiscovery) bool { return n.Version == v.Version }) {
			versions = append(versions, v)
		}
	}
	if len(defined) > 0 {
		slices.SortStableFunc(versions, preferVersions)
	}
	return newGroup(native.Name, versions)
}

func newGroup(name string, versions []apidiscoveryv2.APIVersionDiscovery) apidiscoveryv2.APIGroupDiscovery {
	return apidiscoveryv2.APIGroupDiscovery{ObjectMeta: metav1.ObjectMeta{Name: name}, Versions: versions}
}

// definedVersions returns the resources of definitions by group and version,
// sorted by name.
func definedVersions(set *catalog.Set) map[string]map[string][]apidiscoveryv2.APIResourceDiscovery {
	groups := map[string]map[string][]apidiscoveryv2.APIResourceDiscovery{}
	for _, api := range set.All() { // sorted, so the resources will be
		if api.CRD == nil {
			continue
		}
		if groups[api.Group] == nil {
			groups[api.Group] = map[string][]apidiscoveryv2.APIResourceDiscovery{}
		}
		for _, v := range api.Versions {
			groups[api.Group][v] = append(groups[api.Group][v], describe(api, v))
		}
	}
	return groups
}

// sortedVersions returns the versions in the order of preference.
func sortedVersions(resources map[string][]apidiscoveryv2.APIResourceDiscovery) []apidiscoveryv2.APIVersionDiscovery {
	versions := make([]apidiscoveryv2.APIVersionDiscovery, 0, len(resources))
	for name, list := range resources {
		versions = append(versions, apidiscoveryv2.APIVersionDiscovery{
			Version: name, Resources: list, Freshness: apidiscoveryv2.DiscoveryFreshnessCurrent,
		})
	}
	slices.SortFunc(versions, preferVersions)
	return versions
}

func preferVersions(a, b apidiscoveryv2.APIVersionDiscovery) int {
	return version.CompareKubeAwareVersionStrings(b.Version, a.Version)
}

// describe returns the discovery entry of a custom resource in one version.
func describe(api *catalog.API, versionName string) apidiscoveryv2.APIResourceDiscovery {
	names := &api.CRD.Status.AcceptedNames
	kind := &metav1.GroupVersionKind{Group: api.Group, Version: versionName, Kind: names.Kind}
	resource := apidiscoveryv2.APIResourceDiscovery{
		Resource: names.Plural, SingularResource: names.Singular, ResponseKind: kind,
		Scope: apidiscoveryv2.ScopeCluster, Verbs: verbsOf(api),
		ShortNames: names.ShortNames, Categories: names.Categories,
	}
	if api.Namespaced {
		resource.Scope = apidiscoveryv2.ScopeNamespace
	}
	if api.Virtual() {
		return resource
	}
	subresources := subresourcesOf(api.CRD, versionName)
	if subresources != nil && subresources.Status != nil {
		resource.Subresources = append(resource.Subresources, apidiscoveryv2.APISubresourceDiscovery{
			Subresource: "status", ResponseKind: kind, Verbs: subresourceVerbs,
		})
	}
	if subresources != nil && subresources.Scale != nil {
		resource.Subresources = append(resource.Subresources, apidiscoveryv2.APISubresourceDiscovery{
			Subresource: "scale", Verbs: subresourceVerbs,
			ResponseKind: &metav1.GroupVersionKind{Group: "autoscaling", Version: "v1", Kind: "Scale"},
		})
	}
	return resource
}

var (
	resourceVerbs    = metav1.Verbs{"delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"}
	terminatingVerbs = metav1.Verbs{"delete", "deletecollection", "get", "list", "watch"}
	readVerbs        = metav1.Verbs{"get", "list", "watch"}
	subresourceVerbs = metav1.Verbs{"get", "patch", "update"}
)

func verbsOf(api *catalog.API) metav1.Verbs {
	switch {
	case api.Virtual():
		return readVerbs
	case schemas.Terminating(api.CRD):
		return terminatingVerbs
	}
	return resourceVerbs
}

func subresourcesOf(crd *apiextensionsv1.CustomResourceDefinition, versionName string) *apiextensionsv1.CustomResourceSubresources {
	for i := range crd.Spec.Versions {
		if crd.Spec.Versions[i].Name == versionName {
			return crd.Spec.Versions[i].Subresources
		}
	}
	return nil
}

// legacyGroup returns the entry of a group at /apis.
func legacyGroup(group *apidiscoveryv2.APIGroupDiscovery) metav1.APIGroup {
	legacy := metav1.APIGroup{Name: group.Name}
	for _, v := range group.Versions {
		gv := schema.GroupVersion{Group: group.Name, Version: v.Version}
		legacy.Versions = append(legacy.Versions, metav1.GroupVersionForDiscovery{GroupVersion: gv.String(), Version: v.Version})
	}
	legacy.PreferredVersion = legacy.Versions[0]
	return legacy
}

// legacyResources returns the list at /apis/<group>/<version>: what Natives
// says of the compiled-in resources, and one entry for each resource and
// subresource of the others.
func legacyResources(known []metav1.APIResource, gv schema.GroupVersion, resources []apidiscoveryv2.APIResourceDiscovery, set *catalog.Set) []metav1.APIResource {
	list := []metav1.APIResource{}
	for i := range resources {
		r := &resources[i]
		if api, ok := set.Lookup(schema.GroupResource{Group: gv.Group, Resource: r.Resource}); ok && api.CRD != nil {
			list = append(list, legacyResource(gv, r, storageHash(api))...)
			continue
		}
		entries := entriesOf(known, r.Resource)
		if len(entries) == 0 {
			entries = legacyResource(gv, r, "")
		}
		list = append(list, limitEntries(entries, schema.GroupResource{Group: gv.Group, Resource: r.Resource}, set)...)
	}
	return list
}

// entriesOf returns the entries of a resource and its subresources.
func entriesOf(list []metav1.APIResource, resource string) []metav1.APIResource {
	var entries []metav1.APIResource
	for i := range list {
		if name := list[i].Name; name == resource || (len(name) > len(resource) && name[:len(resource)+1] == resource+"/") {
			entries = append(entries, list[i])
		}
	}
	return entries
}

func legacyResource(gv schema.GroupVersion, r *apidiscoveryv2.APIResourceDiscovery, hash string) []metav1.APIResource {
	namespaced := r.Scope == apidiscoveryv2.ScopeNamespace
	main := metav1.APIResource{
		Name: r.Resource, SingularName: r.SingularResource, Namespaced: namespaced, Verbs: r.Verbs,
		ShortNames: r.ShortNames, Categories: r.Categories, StorageVersionHash: hash,
	}
	setKind(&main, gv, r.ResponseKind)
	list := []metav1.APIResource{main}
	for _, sub := range r.Subresources {
		entry := metav1.APIResource{Name: r.Resource + "/" + sub.Subresource, Namespaced: namespaced, Verbs: sub.Verbs}
		setKind(&entry, gv, sub.ResponseKind)
		list = append(list, entry)
	}
	return list
}

// setKind names the kind, with its group and version where they are others.
func setKind(entry *metav1.APIResource, gv schema.GroupVersion, kind *metav1.GroupVersionKind) {
	if kind == nil {
		return
	}
	entry.Kind = kind.Kind
	if kind.Group != gv.Group || kind.Version != gv.Version {
		entry.Group, entry.Version = kind.Group, kind.Version
	}
}

// storageHash identifies the version in which objects are stored.
func storageHash(api *catalog.API) string {
	for i := range api.CRD.Spec.Versions {
		if v := &api.CRD.Spec.Versions[i]; v.Storage && v.Served {
			return upstream.StorageVersionHash(api.Group, v.Name, api.CRD.Spec.Names.Kind)
		}
	}
	return ""
}
