package claims

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// errOutside refuses objects that a provider would not see afterwards.
var errOutside = errors.New("the workspace has accepted the claim for other objects")

// Complete returns the labels that an object gets when the provider writes it with
// the given ones: those of the selector's matchLabels are added. An object that is
// outside of the selector then is refused; how to get in by matchExpressions is not
// guessed.
func (g Grant) Complete(set map[string]string) (map[string]string, error) {
	if g.Selector.MatchAll {
		return set, nil
	}
	out := maps.Clone(set)
	if out == nil {
		out = map[string]string{}
	}
	for _, key := range slices.Sorted(maps.Keys(g.Selector.MatchLabels)) {
		wanted := g.Selector.MatchLabels[key]
		if value, has := out[key]; has && value != wanted {
			return nil, fmt.Errorf("%w: label %q must be %q, not %q", errOutside, key, wanted, value)
		}
		out[key] = wanted
	}
	if !g.Matches(out) {
		return nil, fmt.Errorf("%w: its labels must match %s", errOutside, g.matches)
	}
	return out, nil
}
