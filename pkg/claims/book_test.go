package claims

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var (
	cool       = Export{Workspace: "c00l", Name: "cool"}
	configMaps = schema.GroupResource{Resource: "configmaps"}
)

// library is a Book over what a test holds.
type library struct {
	bindings []*apisv1alpha2.APIBinding
	exports  map[Export]*apisv1alpha2.APIExport
	served   func(schema.GroupResource) (Served, bool)
}

func (l *library) book() Book {
	return Book{
		Bindings: func(workspace logicalcluster.Name) []*apisv1alpha2.APIBinding {
			if workspace != "web" {
				return nil
			}
			return l.bindings
		},
		Export: func(e Export) (*apisv1alpha2.APIExport, bool) { found, ok := l.exports[e]; return found, ok },
		Served: func(_ logicalcluster.Name, gr schema.GroupResource) (Served, bool) { return l.served(gr) },
	}
}

// applying is a library with one binding whose claim is in force.
func applying(c apisv1alpha2.PermissionClaim, selector apisv1alpha2.PermissionClaimSelector) *library {
	b := binding(accepted(c, selector))
	b.Status.AppliedPermissionClaims = []apisv1alpha2.ScopedPermissionClaim{scoped(c, selector)}
	return &library{
		bindings: []*apisv1alpha2.APIBinding{b},
		exports:  map[Export]*apisv1alpha2.APIExport{cool: exporting(c)}, served: served,
	}
}

// C1, C3: everything has to be right for a claim to be in force.
func TestInForce(t *testing.T) {
	all := claim("", "configmaps", "", "*")
	value := ClaimHash(all)
	tests := map[string]struct {
		change func(*library)
		want   map[string]string
	}{
		"as it should be": {func(*library) {}, map[string]string{cool.LabelKey(): value}},
		"not noted down":  {func(l *library) { l.bindings[0].Status.AppliedPermissionClaims = nil }, nil},
		"noted down with another selector": {func(l *library) {
			l.bindings[0].Status.AppliedPermissionClaims[0].Selector = matching("a", "b")
		}, nil},
		"rejected since":   {func(l *library) { l.bindings[0].Spec.PermissionClaims[0].State = apisv1alpha2.ClaimRejected }, nil},
		"removed since":    {func(l *library) { l.bindings[0].Spec.PermissionClaims = nil }, nil},
		"withdrawn":        {func(l *library) { l.exports[cool].Spec.PermissionClaims = nil }, nil},
		"export gone":      {func(l *library) { delete(l.exports, cool) }, nil},
		"export replaced":  {func(l *library) { l.exports[cool].Status.IdentityHash = "other" }, nil},
		"nobody was named": {func(l *library) { l.bindings[0].Annotations = nil }, nil},
		"not bound yet":    {func(l *library) { l.bindings[0].Status.Phase = apisv1alpha2.APIBindingPhaseBinding }, nil},
		"bound elsewhere":  {func(l *library) { l.bindings[0].Status.APIExportClusterName = "other" }, nil},
		"of another's now": {func(l *library) {
			l.served = func(schema.GroupResource) (Served, bool) { return Served{Identity: things}, true }
		}, nil},
		"not served":    {func(l *library) { l.served = func(schema.GroupResource) (Served, bool) { return Served{}, false } }, nil},
		"being deleted": {func(l *library) { l.bindings[0].DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }, map[string]string{cool.LabelKey(): value}},
		"as good as deleted": {func(l *library) {
			l.bindings[0].DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
			l.bindings[0].Status.Conditions = conditionsv1alpha1.Conditions{conditionsv1alpha1.True(apisv1alpha2.BindingResourceDeleteSuccess)}
		}, nil},
		"not to be listed": {func(l *library) { l.bindings[0].Spec.PermissionClaims[0].Verbs = []string{"get", "watch"} },
			map[string]string{cool.LabelKey(): value + "-w"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := applying(all, everything())
			test.change(l)
			if diff := cmp.Diff(test.want, l.book().Labels("web", configMaps, nil)); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
			if _, ok := l.book().Grant("web", cool, configMaps); ok != (test.want != nil) {
				t.Errorf("granted: %v", ok)
			}
			if got := l.book().Labels("elsewhere", configMaps, nil); got != nil {
				t.Errorf("labels in another workspace: %v", got)
			}
		})
	}
}

func TestLabelsBySelector(t *testing.T) {
	l := applying(claim("", "configmaps", "", "*"), matching("team", "a"))
	for set, want := range map[string]bool{"a": true, "b": false} {
		if got := l.book().Labels("web", configMaps, map[string]string{"team": set}); (got != nil) != want {
			t.Errorf("team %s: %v", set, got)
		}
	}
	if got := l.book().Labels("web", schema.GroupResource{Resource: "secrets"}, map[string]string{"team": "a"}); got != nil {
		t.Errorf("secrets got %v", got)
	}
}

func TestEventsByEitherName(t *testing.T) {
	l := applying(claim("events.k8s.io", "events", "", "*"), everything())
	for _, group := range []string{"", "events.k8s.io"} {
		if got := l.book().Labels("web", schema.GroupResource{Group: group, Resource: "events"}, nil); len(got) != 1 {
			t.Errorf("events of group %q: %v", group, got)
		}
	}
}

func TestTwoExportsClaimTheSame(t *testing.T) {
	l := applying(claim("", "configmaps", "", "*"), everything())
	second := Export{Workspace: "h0t", Name: "hot"}
	other := l.bindings[0].DeepCopy()
	other.Spec.Reference.Export.Name, other.Status.APIExportClusterName = "hot", "h0t"
	other.Spec.PermissionClaims[0].Selector, other.Status.AppliedPermissionClaims[0].Selector = matching("hot", "yes"), matching("hot", "yes")
	l.bindings = append(l.bindings, other)
	l.exports[second] = l.exports[cool].DeepCopy()
	value := ClaimHash(claim("", "configmaps", ""))
	want := map[string]string{cool.LabelKey(): value, second.LabelKey(): value}
	if diff := cmp.Diff(want, l.book().Labels("web", configMaps, map[string]string{"hot": "yes"})); diff != "" {
		t.Errorf("both (-want +got):\n%s", diff)
	}
	delete(want, second.LabelKey())
	if diff := cmp.Diff(want, l.book().Labels("web", configMaps, nil)); diff != "" {
		t.Errorf("one (-want +got):\n%s", diff)
	}
}

func TestExactly(t *testing.T) {
	key, forged := cool.LabelKey(), Export{"x", "y"}.LabelKey()
	tests := map[string]struct {
		set, given, want map[string]string
		changed          bool
	}{
		"nothing":   {nil, nil, nil, false},
		"unclaimed": {map[string]string{"a": "b"}, nil, map[string]string{"a": "b"}, false},
		"new":       {nil, map[string]string{key: "v"}, map[string]string{key: "v"}, true},
		"right":     {map[string]string{key: "v", "a": "b"}, map[string]string{key: "v"}, map[string]string{key: "v", "a": "b"}, false},
		"stale":     {map[string]string{key: "v", "a": "b"}, nil, map[string]string{"a": "b"}, true},
		"wrong":     {map[string]string{key: "w"}, map[string]string{key: "v"}, map[string]string{key: "v"}, true},
		"forged":    {map[string]string{forged: "v", key: "v"}, map[string]string{key: "v"}, map[string]string{key: "v"}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := maps.Clone(test.set)
			got, changed := Exactly(test.set, test.given)
			if diff := cmp.Diff(test.want, got); diff != "" || changed != test.changed {
				t.Errorf("changed %v (-want +got):\n%s", changed, diff)
			}
			if diff := cmp.Diff(before, test.set); diff != "" {
				t.Errorf("the argument was changed:\n%s", diff)
			}
		})
	}
}

// C4: whatever labels of claims an object has or somebody forged, it gets those
// that follow from the rest, and once it has them they stay.
func TestLabelsFollowFromTheRest(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	pick := func(n int) string { return fmt.Sprintf("v%d", random.IntN(n)) }
	for range 500 {
		l := &library{exports: map[Export]*apisv1alpha2.APIExport{}, served: served}
		for i := range random.IntN(4) {
			one := applying(claim("", "configmaps", "", "*"), matching(pick(3), pick(3)))
			b := one.bindings[0]
			b.Spec.Reference.Export.Name = fmt.Sprintf("cool%d", i)
			l.bindings = append(l.bindings, b)
			l.exports[Export{"c00l", b.Spec.Reference.Export.Name}] = one.exports[cool]
		}
		own := map[string]string{}
		for range random.IntN(4) {
			own[pick(3)] = pick(3)
		}
		dirty := maps.Clone(own)
		for range random.IntN(4) {
			dirty[Export{"c00l", fmt.Sprintf("cool%d", random.IntN(5))}.LabelKey()] = pick(3)
		}
		want, _ := Exactly(own, l.book().Labels("web", configMaps, own))
		got, _ := Exactly(dirty, l.book().Labels("web", configMaps, dirty))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("with forged labels (-want +got):\n%s", diff)
		}
		if _, again := Exactly(got, l.book().Labels("web", configMaps, got)); again {
			t.Fatalf("%v is not stable", got)
		}
	}
}

func TestComplete(t *testing.T) {
	tests := map[string]struct {
		selector apisv1alpha2.PermissionClaimSelector
		set      map[string]string
		want     map[string]string
		err      string
	}{
		"everything": {everything(), map[string]string{"a": "b"}, map[string]string{"a": "b"}, ""},
		"added":      {matching("a", "b"), nil, map[string]string{"a": "b"}, ""},
		"there":      {matching("a", "b"), map[string]string{"a": "b", "c": "d"}, map[string]string{"a": "b", "c": "d"}, ""},
		"outside": {matching("a", "b"), map[string]string{"a": "c"}, nil,
			`the workspace has accepted the claim for other objects: label "a" must be "b", not "c"`},
		"not guessed": {expression("a", metav1.LabelSelectorOpIn, "b"), nil, nil,
			"the workspace has accepted the claim for other objects: its labels must match a in (b)"},
		"inside by expression": {expression("a", metav1.LabelSelectorOpIn, "b"), map[string]string{"a": "b"}, map[string]string{"a": "b"}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			grant, ok := applying(claim("", "configmaps", "", "*"), test.selector).book().Grant("web", cool, configMaps)
			if !ok {
				t.Fatal("not granted")
			}
			got, err := grant.Complete(test.set)
			if text := fmt.Sprint(err); err != nil && text != test.err || err == nil && test.err != "" {
				t.Errorf("error %q, want %q", text, test.err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func expression(key string, operator metav1.LabelSelectorOperator, values ...string) apisv1alpha2.PermissionClaimSelector {
	return apisv1alpha2.PermissionClaimSelector{LabelSelector: metav1.LabelSelector{
		MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: operator, Values: values}},
	}}
}

func BenchmarkLabelsWithoutClaims(b *testing.B) {
	l := &library{bindings: []*apisv1alpha2.APIBinding{binding(), binding()}, served: served}
	book := l.book()
	b.ReportAllocs()
	for b.Loop() {
		book.Labels("web", configMaps, nil)
	}
}

func BenchmarkLabels(b *testing.B) {
	book := applying(claim("", "configmaps", "", "*"), everything()).book()
	b.ReportAllocs()
	for b.Loop() {
		book.Labels("web", configMaps, nil)
	}
}
