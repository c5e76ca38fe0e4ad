package claims

import (
	"maps"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

// Dressed is the metadata that a binding has because of the export it refers to.
type Dressed struct {
	// Label is one by which the provider of the export sees the binding itself,
	// whatever it accepts. It is not set over that of a claim to all bindings.
	LabelKey, Label string
	// Accepted is the identity that claims were accepted of; "" when none are, or
	// while there is no such export.
	Accepted string
}

// Dress returns the metadata of a binding to an export, which has the given
// identity, or "" when it is not known. Whom claims were accepted of is noted once,
// and forgotten when no claim is accepted any more (C3).
func Dress(binding *apisv1alpha2.APIBinding, export Export, identity string) Dressed {
	d := Dressed{LabelKey: export.LabelKey(), Label: OwnBinding}
	if !Accepts(binding) {
		return d
	}
	if d.Accepted = binding.Annotations[AcceptedIdentityAnnotation]; d.Accepted == "" {
		d.Accepted = identity
	}
	return d
}

// Labels returns labels with those of d, where given are those that claims make.
func (d Dressed) Labels(set, given map[string]string) (map[string]string, bool) {
	all := maps.Clone(given)
	if all == nil {
		all = map[string]string{}
	}
	if all[d.LabelKey] == "" || all[d.LabelKey] != plain(all[d.LabelKey]) {
		all[d.LabelKey] = d.Label
	}
	return Exactly(set, all)
}

// Annotations returns annotations with that of d.
func (d Dressed) Annotations(set map[string]string) (map[string]string, bool) {
	if set[AcceptedIdentityAnnotation] == d.Accepted {
		return set, false
	}
	out := maps.Clone(set)
	if out == nil {
		out = map[string]string{}
	}
	if d.Accepted == "" {
		delete(out, AcceptedIdentityAnnotation)
	} else {
		out[AcceptedIdentityAnnotation] = d.Accepted
	}
	return out, true
}
