package claims

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime/schema"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

// Plan is how a binding gets from the claims that are noted down as applied to
// those that ought to be in force. Each step begins with what is stored:
//
//	Record  differs from what is noted down: note it down first (C5).
//	Sweep   the labels of these resources have to be looked through.
//	After   is what to note down when they have been.
type Plan struct {
	Record []apisv1alpha2.ScopedPermissionClaim
	Sweep  []schema.GroupResource
	After  []apisv1alpha2.ScopedPermissionClaim
	// Signature names the labels this plan leads to. What was swept for another
	// one has to be swept again.
	Signature string
}

// Recorded reports whether what has to be noted down first is.
func (p Plan) Recorded(applied []apisv1alpha2.ScopedPermissionClaim) bool {
	return equality.Semantic.DeepEqual(p.Record, applied)
}

// Make plans the way from applied to usable. settled says that the labels of all
// of applied are right, as far as anybody knows: they were when last looked at, and
// no answer to a claim has changed since, not even for a moment.
func Make(applied, usable []apisv1alpha2.ScopedPermissionClaim, settled bool) Plan {
	var p Plan
	swept := map[schema.GroupResource]bool{}
	sweep := func(claim apisv1alpha2.ScopedPermissionClaim) {
		if gr := Stored(claim.GroupResource); !swept[gr] {
			swept[gr] = true
			p.Sweep = append(p.Sweep, gr)
		}
	}
	for _, was := range applied {
		wanted, record := find(usable, was), was
		if wanted != nil && !sameSelector(*wanted, was) {
			wanted = nil // Another selector is another acceptance: the old one goes first.
		}
		if wanted == nil || !settled || ending(wanted.Verbs) != ending(was.Verbs) {
			sweep(was)
		}
		if wanted != nil {
			record.Verbs = either(was.Verbs, wanted.Verbs)
			p.After = append(p.After, *wanted)
		}
		p.Record = append(p.Record, record)
	}
	for _, wanted := range usable {
		if find(applied, wanted) == nil {
			p.Record, p.After = append(p.Record, wanted), append(p.After, wanted)
			sweep(wanted)
		}
	}
	sortClaims(p.Record)
	sortClaims(p.After)
	if len(p.Sweep) == 0 {
		p.Record = p.After // only verbs differ, or nothing
	}
	p.Signature = signature(p.Record, p.After, p.Sweep)
	return p
}

// either returns the verbs that are in one of the lists, of which "*" is all.
func either(a, b []string) []string {
	if slices.Contains(a, "*") || slices.Contains(b, "*") {
		return []string{"*"}
	}
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func find(claims []apisv1alpha2.ScopedPermissionClaim, like apisv1alpha2.ScopedPermissionClaim) *apisv1alpha2.ScopedPermissionClaim {
	for i := range claims {
		if Same(claims[i].PermissionClaim, like.PermissionClaim) {
			return &claims[i]
		}
	}
	return nil
}

func sameSelector(a, b apisv1alpha2.ScopedPermissionClaim) bool {
	return equality.Semantic.DeepEqual(a.Selector, b.Selector)
}

// sortClaims puts them into an order that does not depend on that of the spec.
func sortClaims(claims []apisv1alpha2.ScopedPermissionClaim) {
	slices.SortFunc(claims, func(a, b apisv1alpha2.ScopedPermissionClaim) int {
		for _, pair := range [][2]string{{a.Group, b.Group}, {a.Resource, b.Resource}, {a.IdentityHash, b.IdentityHash}} {
			if pair[0] != pair[1] {
				if pair[0] < pair[1] {
					return -1
				}
				return 1
			}
		}
		return 0
	})
}

func signature(parts ...any) string {
	data, err := json.Marshal(parts)
	if err != nil {
		panic(fmt.Sprintf("claims: claims cannot be written as JSON: %v", err))
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}
