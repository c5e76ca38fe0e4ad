package v1alpha1

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

// random makes objects of few names, so that they meet.
type random struct{ *rand.Rand }

func oneOf[T any](r random, values ...T) T { return values[r.IntN(len(values))] }

func someOf[T any](r random, one func() T) []T {
	var all []T
	for range r.IntN(4) {
		all = append(all, one())
	}
	return all
}

func (r random) group() apisv1alpha2.GroupResource {
	return apisv1alpha2.GroupResource{Group: oneOf(r, "", "a.b"), Resource: oneOf(r, "x", "y")}
}

func (r random) state() apisv1alpha2.AcceptablePermissionClaimState {
	return oneOf(r, apisv1alpha2.ClaimAccepted, apisv1alpha2.ClaimRejected)
}

func (r random) claim() PermissionClaim {
	claim := PermissionClaim{GroupResource: r.group(), All: oneOf(r, true, false), IdentityHash: oneOf(r, "", "i")}
	if oneOf(r, true, false, false) {
		claim.ResourceSelector = []ResourceSelector{{Name: oneOf(r, "", "n"), Namespace: oneOf(r, "", "s")}}
	}
	return claim
}

func (r random) selector() apisv1alpha2.PermissionClaimSelector {
	if oneOf(r, true, false) {
		return apisv1alpha2.PermissionClaimSelector{MatchAll: true}
	}
	return apisv1alpha2.PermissionClaimSelector{LabelSelector: metav1.LabelSelector{MatchLabels: map[string]string{"l": oneOf(r, "1", "2")}}}
}

func (r random) newClaim() apisv1alpha2.PermissionClaim {
	claim := apisv1alpha2.PermissionClaim{
		GroupResource: r.group(), IdentityHash: oneOf(r, "", "i"), Verbs: oneOf(r, []string{"*"}, []string{"get"}, []string{"get", "*"}, nil),
	}
	if oneOf(r, true, false) {
		claim.DefaultSelector = &apisv1alpha2.PermissionClaimSelector{MatchAll: oneOf(r, true, false)}
	}
	return claim
}

func (r random) scoped() apisv1alpha2.ScopedPermissionClaim {
	return apisv1alpha2.ScopedPermissionClaim{PermissionClaim: r.newClaim(), Selector: r.selector()}
}

func (r random) newAcceptable() apisv1alpha2.AcceptablePermissionClaim {
	return apisv1alpha2.AcceptablePermissionClaim{ScopedPermissionClaim: r.scoped(), State: r.state()}
}

func (r random) schema() string { return oneOf(r, "v1.x.a.b", "v2.x.a.b", "v1.y.a.b", "v1.x.core") }

func (r random) resource() apisv1alpha2.ResourceSchema {
	out := apisv1alpha2.ResourceSchema{Name: oneOf(r, "x", "y"), Group: oneOf(r, "", "a.b"), Schema: r.schema()}
	if oneOf(r, true, false) {
		out.Storage.CRD = &apisv1alpha2.ResourceSchemaStorageCRD{}
	} else {
		out.Storage.Virtual = &apisv1alpha2.ResourceSchemaStorageVirtual{IdentityHash: "v"}
	}
	return out
}

// annotate puts what a stranger made up under any of the keys.
func (r random) annotate(object metav1.Object) {
	annotations := map[string]string{}
	for key, items := range map[string]func() any{
		ResourceSchemasAnnotation:            func() any { return someOf(r, r.resource) },
		PermissionClaimsAnnotation:           func() any { return someOf(r, r.newClaim) },
		AcceptablePermissionClaimsAnnotation: func() any { return someOf(r, r.newAcceptable) },
		StatusPermissionClaimsAnnotation:     func() any { return someOf(r, r.newClaim) },
		StatusAppliedClaimsAnnotation:        func() any { return someOf(r, r.scoped) },
		PermissionClaimsV1Alpha1Annotation:   func() any { return someOf(r, r.claim) },
	} {
		if oneOf(r, true, false) {
			raw, err := json.Marshal(items())
			if err != nil {
				panic(err)
			}
			annotations[key] = string(raw)
		}
	}
	object.SetAnnotations(annotations)
}

// TestWhatIsJudgedIsWhatIsStored: admission judges an object of v1alpha1 in the
// stored form and hands it back; it is stored as what comes out of it once more.
// Whatever a stranger sends, both are the same.
func TestWhatIsJudgedIsWhatIsStored(t *testing.T) {
	seed := rand.Uint64()
	r := random{rand.New(rand.NewPCG(seed, 0))}
	accepted := 0
	for range 3_000 {
		binding := &APIBinding{}
		r.annotate(binding)
		binding.Spec.PermissionClaims = someOf(r, func() AcceptablePermissionClaim {
			return AcceptablePermissionClaim{PermissionClaim: r.claim(), State: r.state()}
		})
		binding.Status.ExportPermissionClaims, binding.Status.AppliedPermissionClaims = someOf(r, r.claim), someOf(r, r.claim)
		if judged, err := binding.ToV1alpha2(); err == nil {
			accepted++
			var back APIBinding
			back.FromV1alpha2(judged)
			stored, err := back.ToV1alpha2()
			if diff := cmp.Diff([]any{judged.Spec, judged.Status}, []any{stored.Spec, stored.Status}); err != nil || diff != "" {
				t.Fatalf("seed %d: a binding is judged as one thing and stored as another (-judged +stored), %v:\n%s\nsent %+v", seed, err, diff, binding)
			}
		}
		export := &APIExport{}
		r.annotate(export)
		export.Spec.LatestResourceSchemas, export.Spec.PermissionClaims = someOf(r, r.schema), someOf(r, r.claim)
		if judged, err := export.ToV1alpha2(); err == nil {
			accepted++
			var back APIExport
			back.FromV1alpha2(judged)
			stored, err := back.ToV1alpha2()
			if diff := cmp.Diff([]any{judged.Spec, judged.Status}, []any{stored.Spec, stored.Status}); err != nil || diff != "" {
				t.Fatalf("seed %d: an export is judged as one thing and stored as another (-judged +stored), %v:\n%s\nsent %+v", seed, err, diff, export)
			}
		}
	}
	if accepted < 2_000 {
		t.Errorf("of 6000 objects only %d could be converted", accepted)
	}
}
