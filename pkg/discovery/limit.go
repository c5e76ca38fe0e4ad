package discovery

import (
	"slices"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/catalog"
)

// limit takes from groups, which compose has made, what set does not show of the
// resources that it limits. Slices are replaced, not written to: they are shared
// with other sets.
func limit(groups []apidiscoveryv2.APIGroupDiscovery, set *catalog.Set) []apidiscoveryv2.APIGroupDiscovery {
	for i := range groups {
		for j := range groups[i].Versions {
			resources := groups[i].Versions[j].Resources
			for k := range resources {
				r := &resources[k]
				verbs, limited := set.Limit(schema.GroupResource{Group: groups[i].Name, Resource: r.Resource})
				if limited {
					r.Verbs, r.Subresources = keepVerbs(r.Verbs, verbs), limitSubresources(r.Subresources, verbs)
				}
			}
		}
	}
	return groups
}

func limitSubresources(subresources []apidiscoveryv2.APISubresourceDiscovery, verbs []string) []apidiscoveryv2.APISubresourceDiscovery {
	var kept []apidiscoveryv2.APISubresourceDiscovery
	for _, sub := range subresources {
		sub.Verbs = keepVerbs(sub.Verbs, verbs)
		if len(sub.Verbs) > 0 && limitable(sub.Subresource) {
			kept = append(kept, sub)
		}
	}
	return kept
}

// limitable reports whether a subresource of a limited resource is shown.
func limitable(subresource string) bool { return subresource == "status" || subresource == "scale" }

// limitEntries is limit for the entries, in the old form, of a resource and its
// subresources.
func limitEntries(entries []metav1.APIResource, gr schema.GroupResource, set *catalog.Set) []metav1.APIResource {
	verbs, limited := set.Limit(gr)
	if !limited {
		return entries
	}
	var kept []metav1.APIResource
	for _, entry := range entries {
		entry.Verbs = keepVerbs(entry.Verbs, verbs)
		sub := entry.Name[len(gr.Resource):]
		if sub == "" || len(entry.Verbs) > 0 && limitable(sub[1:]) {
			kept = append(kept, entry)
		}
	}
	return kept
}

// keepVerbs returns those of has that are allowed.
func keepVerbs(has metav1.Verbs, allowed []string) metav1.Verbs {
	if slices.Contains(allowed, "*") {
		return has
	}
	kept := metav1.Verbs{}
	for _, verb := range has {
		if slices.Contains(allowed, verb) {
			kept = append(kept, verb)
		}
	}
	return kept
}
