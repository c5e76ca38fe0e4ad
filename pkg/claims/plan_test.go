package claims

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
)

func TestPlan(t *testing.T) {
	type list = []apisv1alpha2.ScopedPermissionClaim
	maps, secrets := scoped(claim("", "configmaps", "", "*"), everything()), scoped(claim("", "secrets", "", "*"), everything())
	reading := scoped(claim("", "configmaps", "", "get", "list", "watch"), everything())
	getting := scoped(claim("", "configmaps", "", "get"), everything())
	some := scoped(claim("", "configmaps", "", "*"), matching("a", "b"))
	tests := map[string]struct {
		applied, usable list
		settled         bool
		record, after   list
		sweep           []string
	}{
		"nothing":                   {settled: true},
		"nothing, never looked at":  {},
		"a new one":                 {nil, list{maps}, true, list{maps}, list{maps}, []string{"configmaps"}},
		"the second":                {list{secrets}, list{secrets, maps}, true, list{maps, secrets}, list{maps, secrets}, []string{"configmaps"}},
		"one goes":                  {list{maps, secrets}, list{secrets}, true, list{maps, secrets}, list{secrets}, []string{"configmaps"}},
		"all right":                 {list{maps, secrets}, list{secrets, maps}, true, list{maps, secrets}, list{maps, secrets}, nil},
		"interrupted":               {list{maps}, list{maps}, false, list{maps}, list{maps}, []string{"configmaps"}},
		"other verbs":               {list{maps}, list{reading}, true, list{reading}, list{reading}, nil},
		"verbs that show in labels": {list{maps}, list{getting}, true, list{maps}, list{getting}, []string{"configmaps"}},
		"more verbs that show":      {list{getting}, list{maps}, true, list{maps}, list{maps}, []string{"configmaps"}},
		"another selector":          {list{maps}, list{some}, true, list{maps}, nil, []string{"configmaps"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := Make(test.applied, test.usable, test.settled)
			var sweep []string
			for _, gr := range got.Sweep {
				sweep = append(sweep, gr.String())
			}
			if diff := cmp.Diff([]any{test.record, test.after, test.sweep}, []any{got.Record, got.After, sweep}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got.Recorded(test.applied) != cmp.Equal(test.record, test.applied) {
				t.Errorf("recorded %v", got.Recorded(test.applied))
			}
		})
	}
}

// story is a workspace whose claims change while somebody follows plans.
type story struct {
	*library
	objects []map[string]string
	// settled is stored, dirty is known to who follows plans until he crashes.
	settled, dirty bool
}

func (s *story) binding() *apisv1alpha2.APIBinding { return s.bindings[0] }

func (s *story) plan() Plan {
	j := Judge(Facts{Binding: s.binding(), Export: s.exports[cool], Served: served})
	return Make(s.binding().Status.AppliedPermissionClaims, j.Usable, s.settled && !s.dirty)
}

// step does one thing that is stored, and reports whether there was one.
func (s *story) step() bool {
	plan := s.plan()
	switch {
	case !plan.Recorded(s.binding().Status.AppliedPermissionClaims):
		s.binding().Status.AppliedPermissionClaims, s.settled = plan.Record, s.settled && len(plan.Sweep) == 0
	case len(plan.Sweep) > 0:
		for i := range s.objects {
			s.write(i)
		}
		s.binding().Status.AppliedPermissionClaims, s.settled = plan.After, true
		s.dirty = false
	default:
		return false
	}
	return true
}

func (s *story) write(i int) {
	s.objects[i], _ = Exactly(s.objects[i], s.book().Labels("web", configMaps, s.objects[i]))
}

// C5: labels are noted down before they are given, and when the plan has been
// followed to its end, objects have just those that they should. After a crash
// some may be missing, but never one too many is there.
func TestPlansLeadThere(t *testing.T) {
	for _, crashes := range []bool{false, true} {
		t.Run(fmt.Sprintf("crashes %v", crashes), func(t *testing.T) { testPlans(t, crashes) })
	}
}

func testPlans(t *testing.T, crashes bool) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	verbs := [][]string{{"*"}, {"get"}, {"get", "list"}, {"list", "watch"}}
	selectors := []apisv1alpha2.PermissionClaimSelector{everything(), matching("v0", "v0"), matching("v1", "v0")}
	for range 200 {
		s := &story{library: &library{
			bindings: []*apisv1alpha2.APIBinding{binding()}, exports: map[Export]*apisv1alpha2.APIExport{cool: exporting()}, served: served,
		}, settled: true}
		for range 5 {
			s.objects = append(s.objects, map[string]string{fmt.Sprintf("v%d", random.IntN(2)): "v0"})
		}
		for range 40 {
			change := random.IntN(7)
			s.dirty = s.dirty || change < 4
			switch change {
			case 0:
				s.exports[cool].Spec.PermissionClaims = nil
			case 1:
				s.exports[cool].Spec.PermissionClaims = []apisv1alpha2.PermissionClaim{claim("", "configmaps", "", verbs[random.IntN(4)]...)}
			case 2:
				s.binding().Spec.PermissionClaims = nil
			case 3:
				s.binding().Spec.PermissionClaims = []apisv1alpha2.AcceptablePermissionClaim{
					accepted(claim("", "configmaps", "", verbs[random.IntN(4)]...), selectors[random.IntN(3)]),
				}
			case 4:
				s.write(random.IntN(len(s.objects)))
			case 5:
				s.dirty = s.dirty && !crashes
			default:
				s.step()
			}
			s.noteThat(t, "labelled, but not noted down", func(set map[string]string) bool {
				return set[cool.LabelKey()] == "" || len(s.binding().Status.AppliedPermissionClaims) > 0
			})
		}
		steps := 0
		for s.step() {
			if steps++; steps > 5 {
				t.Fatalf("no end: %+v", s.plan())
			}
		}
		s.noteThat(t, "not what is accepted", func(set map[string]string) bool {
			grant, ok := s.book().Grant("web", cool, configMaps)
			want := ""
			if ok && grant.Matches(set) {
				want = ClaimHash(grant.Claim) + ending(grant.Verbs)
			}
			got := set[cool.LabelKey()]
			return got == want || crashes && !shows(got, want)
		})
		j := Judge(Facts{Binding: s.binding(), Export: s.exports[cool], Served: served})
		if diff := cmp.Diff(j.Usable, s.binding().Status.AppliedPermissionClaims); diff != "" {
			t.Fatalf("applied (-usable +noted):\n%s", diff)
		}
	}
}

// shows reports whether got is seen by somebody who does not see want.
func shows(got, want string) bool {
	maps := claim("", "configmaps", "")
	for _, reach := range []Reach{OneWorkspace, ListAll, WatchAll} {
		selector := cool.Selector(maps, reach)
		if selector.Matches(labels.Set{cool.LabelKey(): got}) && !selector.Matches(labels.Set{cool.LabelKey(): want}) {
			return true
		}
	}
	return false
}

func (s *story) noteThat(t *testing.T, what string, holds func(map[string]string) bool) {
	t.Helper()
	if i := slices.IndexFunc(s.objects, func(set map[string]string) bool { return !holds(set) }); i >= 0 {
		t.Fatalf("%s: %v, with %+v", what, s.objects[i], s.binding())
	}
}
