package decide

import "sort"

// matching returns the locations that the request selects, the one chosen before
// first, so that a target in two locations keeps being shown in the same one.
func matching(r Request, all []Location) []Location {
	var out []Location
	for _, l := range all {
		if selected(r, l) {
			out = append(out, l)
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		return out[i].Name == r.CurrentLocation && out[j].Name != r.CurrentLocation
	})
	return out
}

func selected(r Request, l Location) bool {
	for _, selector := range r.LocationSelectors {
		if selector.Matches(l.Labels) {
			return true
		}
	}
	return false
}
