package decide

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var epoch = time.Unix(1e9, 0)

// widgets is a publication of the export widgets of the workspace p1.
func widgets(name string, age int, change ...func(*Publication)) *Publication {
	p := &Publication{
		Key: logicalcluster.Key{Workspace: "p1", Name: name}, Home: "root:platform",
		ID: "id-" + name, UID: types.UID("uid-" + name), Created: metav1.NewTime(epoch.Add(-time.Duration(age) * time.Second)), Root: "o1",
		Spec: publicationv1alpha1.APIPublicationSpec{
			Export:    publicationv1alpha1.LocalExportReference{Name: "widgets"},
			Lifecycle: publicationv1alpha1.PublicationMaintain, Withdrawal: publicationv1alpha1.PublicationUnbind,
		},
		Offer: Offer{Resources: []schema.GroupResource{{Group: "example.io", Resource: "widgets"}}},
	}
	for _, c := range change {
		c(p)
	}
	return p
}

func once(p *Publication)    { p.Spec.Lifecycle = publicationv1alpha1.PublicationInitializeOnly }
func leaving(p *Publication) { p.Spec.Withdrawal = publicationv1alpha1.PublicationLeave }
func ending(p *Publication)  { p.Ending = true }
func rootless(p *Publication) {
	p.Root = ""
}
func exporting(export string) func(*Publication) {
	return func(p *Publication) { p.Spec.Export.Name = export }
}
func claiming(resources ...string) func(*Publication) {
	return func(p *Publication) {
		for _, resource := range resources {
			p.Offer.Claims = append(p.Offer.Claims, claim(resource, "*"))
		}
	}
}

func claim(resource string, verbs ...string) apisv1alpha2.PermissionClaim {
	return apisv1alpha2.PermissionClaim{GroupResource: apisv1alpha2.GroupResource{Resource: resource}, Verbs: verbs}
}

// binding is one to an export of p1, marked if by is not nil.
func binding(name, export string, by *Publication, change ...func(*apisv1alpha2.APIBinding)) *apisv1alpha2.APIBinding {
	b := &apisv1alpha2.APIBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       apisv1alpha2.APIBindingSpec{Reference: apisv1alpha2.BindingReference{Export: &apisv1alpha2.ExportBindingReference{Path: "root:platform", Name: export}}},
		Status:     apisv1alpha2.APIBindingStatus{Phase: apisv1alpha2.APIBindingPhaseBound},
	}
	if by != nil {
		b.Spec.PermissionClaims = by.claims()
		by.mark(b)
	}
	for _, c := range change {
		c(b)
	}
	return b
}

func dying(b *apisv1alpha2.APIBinding) { now := metav1.NewTime(epoch); b.DeletionTimestamp = &now }
func unbound(b *apisv1alpha2.APIBinding) {
	b.Status.Phase = apisv1alpha2.APIBindingPhaseBinding
}
func saying(t conditionsv1alpha1.ConditionType, severity conditionsv1alpha1.ConditionSeverity, reason, message string) func(*apisv1alpha2.APIBinding) {
	return func(b *apisv1alpha2.APIBinding) {
		b.Status.Phase = apisv1alpha2.APIBindingPhaseBinding
		b.Status.Conditions = conditionsv1alpha1.Set(b.Status.Conditions, epoch, conditionsv1alpha1.False(t, severity, reason, "%s", message))
	}
}

// told is a plan as a person would tell it.
func told(plan Plan) []string {
	var lines []string
	for _, c := range plan.Create {
		lines = append(lines, "create "+describe(c.Binding))
	}
	for _, b := range plan.Amend {
		lines = append(lines, "amend "+describe(b))
	}
	for _, b := range plan.Delete {
		lines = append(lines, "delete "+b.Name)
	}
	for _, uid := range plan.Had {
		lines = append(lines, "had "+string(uid))
	}
	for _, o := range plan.Outcomes {
		line := o.Publication.Key.Name + " " + string(o.State)
		if o.Soon {
			line += ", soon"
		}
		if o.Message != "" {
			line += ": " + o.Message
		}
		lines = append(lines, line)
	}
	return lines
}

func describe(b *apisv1alpha2.APIBinding) string {
	text := fmt.Sprintf("%s of %s", b.Name, b.Spec.Reference.Export.Name)
	if id := Mark(b); id != "" {
		text += " for " + id
	}
	for _, c := range b.Spec.PermissionClaims {
		text += fmt.Sprintf(", %s %s %s", c.State, c.Resource, strings.Join(c.Verbs, "+"))
	}
	return text
}

func TestDecide(t *testing.T) {
	fresh, second := bindingName(logicalcluster.Key{Workspace: "p1", Name: "widgets"}, 0), bindingName(logicalcluster.Key{Workspace: "p1", Name: "widgets"}, 1)
	gadgets := bindingName(logicalcluster.Key{Workspace: "p1", Name: "gadgets"}, 0)
	conflict := saying(apisv1alpha2.BindingUpToDate, conditionsv1alpha1.ConditionSeverityError, apisv1alpha2.NamingConflictsReason, "taken by a CRD")
	for _, c := range []struct {
		name string
		// for this workspace, and known besides.
		matching, known []*Publication
		bindings        []*apisv1alpha2.APIBinding
		had             []types.UID
		trouble         string
		closed, lost    bool
		want            []string
	}{
		{name: "nothing is published"},
		{
			name: "a binding is made", matching: []*Publication{widgets("a", 1)},
			want: []string{"create " + fresh + " of widgets for id-a", "a Pending, soon"},
		},
		{
			name: "claims that nobody accepted are rejected", matching: []*Publication{widgets("a", 1, claiming("secrets"))},
			want: []string{"create " + fresh + " of widgets for id-a, Rejected secrets *", "a Pending, soon"},
		},
		{
			name: "not in a workspace that rests or goes", matching: []*Publication{widgets("a", 1)}, closed: true,
		},
		{
			name: "not while the export has no identity", matching: []*Publication{widgets("a", 1, func(p *Publication) { p.Offer.Trouble = "no identity yet" })},
			want: []string{"a Pending: no identity yet"},
		},
		{
			name: "what cannot be made has failed", matching: []*Publication{widgets("a", 1)}, trouble: "etcd is full",
			want: []string{"create " + fresh + " of widgets for id-a", "a Failed: etcd is full"},
		},
		{
			name: "bound", matching: []*Publication{widgets("a", 1)},
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1))},
			want:     []string{"a Bound"},
		},
		{
			name: "not bound yet", matching: []*Publication{widgets("a", 1)},
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1), unbound)},
			want:     []string{"a Pending, soon"},
		},
		{
			name: "conflicting", matching: []*Publication{widgets("a", 1)},
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1), conflict)},
			want:     []string{"a Conflicting: APIBinding w: taken by a CRD"},
		},
		{
			name: "failed", matching: []*Publication{widgets("a", 1)},
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1), saying(apisv1alpha2.APIExportValid, conditionsv1alpha1.ConditionSeverityError, "X", "bad"))},
			want:     []string{"a Failed: APIBinding w: bad"},
		},
		{
			name: "bound to one of the same name before", matching: []*Publication{widgets("a", 1)},
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1), func(b *apisv1alpha2.APIBinding) {
				saying(apisv1alpha2.APIExportValid, conditionsv1alpha1.ConditionSeverityError, apisv1alpha2.APIExportInvalidReferenceReason, "another identity")(b)
				b.Status.Phase = apisv1alpha2.APIBindingPhaseBound
			})},
			want: []string{"a Failed: APIBinding w: another identity"},
		},
		{
			name: "the workspace has bound it itself", matching: []*Publication{widgets("a", 1, claiming("secrets"))},
			bindings: []*apisv1alpha2.APIBinding{binding("mine", "widgets", nil)},
			want:     []string{"a Bound"},
		},
		{
			name: "its own goes", matching: []*Publication{widgets("a", 1)},
			bindings: []*apisv1alpha2.APIBinding{binding("mine", "widgets", nil, dying)},
			want:     []string{"a Pending: APIBinding mine: it is being deleted, and comes back when it is gone"},
		},
		{
			name: "the name is taken for something else", matching: []*Publication{widgets("a", 1)},
			bindings: []*apisv1alpha2.APIBinding{binding(fresh, "other", nil)},
			want:     []string{"create " + second + " of widgets for id-a", "a Pending, soon"},
		},
		{
			name: "claims are put back", matching: []*Publication{widgets("a", 1, claiming("secrets"), func(p *Publication) { p.Spec.AcceptAllPermissionClaims = true })},
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1, claiming("secrets")))},
			want:     []string{"amend w of widgets for id-a, Accepted secrets *", "a Bound"},
		},
		{
			name: "but not by one that is InitializeOnly", matching: []*Publication{widgets("a", 1, once, claiming("secrets"), func(p *Publication) { p.Spec.AcceptAllPermissionClaims = true })},
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1, claiming("secrets")))}, had: []types.UID{"uid-a"},
			want: []string{"a Bound"},
		},
		{
			name: "claims stay when the export is gone", matching: []*Publication{widgets("a", 1, func(p *Publication) { p.Offer = Offer{Trouble: "gone"} })},
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1, claiming("secrets")))},
			want:     []string{"a Bound"},
		},
		{
			name: "deleted by the workspace", matching: []*Publication{widgets("a", 1)},
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1), dying)},
			want:     []string{"a Pending: APIBinding w: it is being deleted, and comes back when it is gone"},
		},
		{
			name: "made once", matching: []*Publication{widgets("a", 1, once)},
			want: []string{"create " + fresh + " of widgets for id-a", "a Pending, soon"},
		},
		{
			name: "and noted when it is there", matching: []*Publication{widgets("a", 1, once)},
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1))},
			want:     []string{"had uid-a", "a Bound"},
		},
		{
			name: "and not twice", matching: []*Publication{widgets("a", 1, once)}, had: []types.UID{"uid-a"},
		},
		{
			name: "nor while it goes", matching: []*Publication{widgets("a", 1, once)}, had: []types.UID{"uid-a"},
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1), dying)},
		},
		{
			name: "withdrawn", known: []*Publication{widgets("a", 1)},
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1)), binding("mine", "widgets", nil)},
			want:     []string{"delete w"},
		},
		{
			name: "withdrawn, but left", known: []*Publication{widgets("a", 1, leaving)},
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1))},
			want:     []string{"amend w of widgets"},
		},
		{
			name: "withdrawn where the workspace rests, too", known: []*Publication{widgets("a", 1)}, closed: true,
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1))},
			want:     []string{"delete w"},
		},
		{
			name: "not when it is not known where the workspace is", known: []*Publication{widgets("a", 1)}, lost: true,
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1))},
		},
		{
			name: "not when the subtree is another one now", known: []*Publication{widgets("a", 1, rootless)},
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1))},
		},
		{
			name: "deleted in any case", known: []*Publication{widgets("a", 1, rootless, ending)}, lost: true,
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1))},
			want:     []string{"delete w"},
		},
		{
			name:     "a mark of nobody",
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1))},
			want:     []string{"amend w of widgets"},
		},
		{
			name: "a mark of one that had the name before", known: []*Publication{widgets("a", 1, exporting("gadgets"))},
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 1))},
			want:     []string{"amend w of widgets"},
		},
		{
			name: "two publications of one export, one binding", matching: []*Publication{widgets("a", 2), widgets("b", 1)},
			want: []string{"create " + fresh + " of widgets for id-a", "a Pending, soon", "b Pending, soon"},
		},
		{
			name: "the younger one was first", matching: []*Publication{widgets("a", 2), widgets("b", 1)},
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("b", 1))},
			want:     []string{"a Bound", "b Bound"},
		},
		{
			name: "one of them goes", known: []*Publication{widgets("a", 2, ending)}, matching: []*Publication{widgets("b", 1)},
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 2))},
			want:     []string{"amend w of widgets for id-b", "b Bound"},
		},
		{
			name: "and the other has its claims", known: []*Publication{widgets("a", 2, ending, claiming("secrets"))}, matching: []*Publication{widgets("b", 1, claiming("secrets"), func(p *Publication) { p.Spec.AcceptAllPermissionClaims = true })},
			bindings: []*apisv1alpha2.APIBinding{binding("w", "widgets", widgets("a", 2, claiming("secrets")))},
			want:     []string{"amend w of widgets for id-b, Accepted secrets *", "b Bound"},
		},
		{
			name: "two of different exports: the older wins", matching: []*Publication{widgets("a", 2), widgets("b", 1, exporting("gadgets"))},
			want: []string{"create " + fresh + " of widgets for id-a", "a Pending, soon", "b Conflicting: another publication binds an export with widgets.example.io here; it was first"},
		},
		{
			name: "unless the younger one is there", matching: []*Publication{widgets("a", 2), widgets("b", 1, exporting("gadgets"))},
			bindings: []*apisv1alpha2.APIBinding{binding("g", "gadgets", widgets("b", 1))},
			want:     []string{"b Bound", "a Conflicting: another publication binds an export with widgets.example.io here; it was first"},
		},
		{
			name: "and works", matching: []*Publication{widgets("a", 2), widgets("b", 1, exporting("gadgets"))},
			bindings: []*apisv1alpha2.APIBinding{binding("g", "gadgets", widgets("b", 1, exporting("gadgets")), conflict)},
			want:     []string{"create " + fresh + " of widgets for id-a", "b Conflicting: APIBinding g: taken by a CRD", "a Pending, soon"},
		},
		{
			name: "different exports side by side", matching: []*Publication{widgets("a", 2), widgets("b", 1, exporting("gadgets"), func(p *Publication) { p.Offer.Resources[0].Resource = "gadgets" })},
			want: []string{"create " + fresh + " of widgets for id-a", "create " + gadgets + " of gadgets for id-b", "a Pending, soon", "b Pending, soon"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Decide(Facts{
				Path: "root:w", Lost: c.lost, Open: !c.closed, Bindings: c.bindings, Matching: c.matching, Had: c.had,
				Trouble: func(string) string { return c.trouble },
				Known: func(id string) (*Publication, bool) {
					all := slices.Concat(c.matching, c.known)
					at := slices.IndexFunc(all, func(p *Publication) bool { return p.ID == id })
					if at < 0 {
						return nil, false
					}
					return all[at], true
				},
				Export: func(b *apisv1alpha2.APIBinding) (logicalcluster.Key, bool) {
					return logicalcluster.Key{Workspace: "p1", Name: b.Spec.Reference.Export.Name}, true
				},
			})
			if diff := cmp.Diff(c.want, told(got)); diff != "" {
				t.Error(diff)
			}
			for _, made := range got.Create {
				if at := made.Binding.Annotations["kcp.io/path"]; at != "root:w" {
					t.Errorf("a binding says that it is in %q", at)
				}
			}
		})
	}
}

func TestClaims(t *testing.T) {
	labelled := apisv1alpha2.PermissionClaimSelector{LabelSelector: metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}}
	accepted := func(resource string, verbs ...string) publicationv1alpha1.AcceptedPermissionClaim {
		return publicationv1alpha1.AcceptedPermissionClaim{GroupResource: apisv1alpha2.GroupResource{Resource: resource}, Verbs: verbs}
	}
	offered := claim("pods", "get", "list")
	offered.DefaultSelector = &labelled
	for _, c := range []struct {
		name    string
		claimed apisv1alpha2.PermissionClaim
		spec    publicationv1alpha1.APIPublicationSpec
		want    string
	}{
		{"nothing said", claim("pods", "get"), publicationv1alpha1.APIPublicationSpec{}, "Rejected [get] all"},
		{"all", claim("pods", "get"), publicationv1alpha1.APIPublicationSpec{AcceptAllPermissionClaims: true}, "Accepted [get] all"},
		{"all, as offered", offered, publicationv1alpha1.APIPublicationSpec{AcceptAllPermissionClaims: true}, "Accepted [get list] some"},
		{"named", claim("pods", "get"), publicationv1alpha1.APIPublicationSpec{AcceptedPermissionClaims: []publicationv1alpha1.AcceptedPermissionClaim{accepted("pods")}}, "Accepted [get] all"},
		{"another named", claim("pods", "get"), publicationv1alpha1.APIPublicationSpec{AcceptedPermissionClaims: []publicationv1alpha1.AcceptedPermissionClaim{accepted("secrets")}}, "Rejected [get] all"},
		{"of another identity", func() apisv1alpha2.PermissionClaim { c := claim("pods", "get"); c.IdentityHash = "x"; return c }(),
			publicationv1alpha1.APIPublicationSpec{AcceptedPermissionClaims: []publicationv1alpha1.AcceptedPermissionClaim{accepted("pods")}}, "Rejected [get] all"},
		{"some verbs", claim("pods", "get", "list", "delete"), publicationv1alpha1.APIPublicationSpec{AcceptedPermissionClaims: []publicationv1alpha1.AcceptedPermissionClaim{accepted("pods", "list", "get", "create")}}, "Accepted [get list] all"},
		{"some of all verbs", claim("pods", "*"), publicationv1alpha1.APIPublicationSpec{AcceptedPermissionClaims: []publicationv1alpha1.AcceptedPermissionClaim{accepted("pods", "get")}}, "Accepted [get] all"},
		{"all of some verbs", claim("pods", "get"), publicationv1alpha1.APIPublicationSpec{AcceptedPermissionClaims: []publicationv1alpha1.AcceptedPermissionClaim{accepted("pods", "*")}}, "Accepted [get] all"},
		{"none of its verbs", claim("pods", "get"), publicationv1alpha1.APIPublicationSpec{AcceptedPermissionClaims: []publicationv1alpha1.AcceptedPermissionClaim{accepted("pods", "delete")}}, "Rejected [delete] all"},
		{"some objects", claim("pods", "get"), publicationv1alpha1.APIPublicationSpec{AcceptedPermissionClaims: []publicationv1alpha1.AcceptedPermissionClaim{
			func() publicationv1alpha1.AcceptedPermissionClaim {
				a := accepted("pods")
				a.Selector = &labelled
				return a
			}()}}, "Accepted [get] some"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &Publication{Spec: c.spec, Offer: Offer{Claims: []apisv1alpha2.PermissionClaim{c.claimed}}}
			answer := p.claims()[0]
			objects := "some"
			if answer.Selector.MatchAll {
				objects = "all"
			}
			if got := fmt.Sprintf("%s %v %s", answer.State, answer.Verbs, objects); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestBindingNamesAreNames(t *testing.T) {
	for _, export := range []string{"a", "widgets.example.io", strings.Repeat("x", 253)} {
		for attempt := range 3 {
			name := bindingName(logicalcluster.Key{Workspace: "p1", Name: export}, attempt)
			if errs := validation.IsDNS1123Subdomain(name); len(errs) > 0 {
				t.Errorf("%q: %v", name, errs)
			}
		}
	}
	const want = "widgets-"
	if name := bindingName(logicalcluster.Key{Workspace: "p1", Name: "widgets"}, 0); !strings.HasPrefix(name, want) || len(name) != len(want)+nameHash {
		t.Errorf("name %q", name)
	}
}

func TestSame(t *testing.T) {
	if !widgets("a", 1, claiming("secrets")).Same(widgets("a", 1, claiming("secrets"))) {
		t.Error("equal publications are not the same")
	}
	for name, other := range map[string]*Publication{
		"claims": widgets("a", 1), "age": widgets("a", 2, claiming("secrets")), "end": widgets("a", 1, claiming("secrets"), ending), "root": widgets("a", 1, claiming("secrets"), rootless),
	} {
		if widgets("a", 1, claiming("secrets")).Same(other) {
			t.Errorf("another %s is the same", name)
		}
	}
}

func TestSelector(t *testing.T) {
	if _, err := Selector(publicationv1alpha1.APIPublicationSpec{WorkspaceSelector: &metav1.LabelSelector{
		MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Sounds"}},
	}}); err == nil {
		t.Error("an operator that does not exist")
	}
	everything, err := Selector(publicationv1alpha1.APIPublicationSpec{})
	if err != nil || !everything.Empty() {
		t.Errorf("%v, %v", everything, err)
	}
}

// TestManyPublications: what one author can have a thousand of is not looked at a
// million times.
func TestManyPublications(t *testing.T) {
	const many = 1000
	facts := Facts{Open: true, Trouble: func(string) string { return "" }}
	ids := map[string]*Publication{}
	for i := range many {
		p := widgets(fmt.Sprint("p", i), many-i, exporting(fmt.Sprint("e", i)), func(p *Publication) { p.Offer.Resources = nil })
		ids[p.ID] = p
		facts.Matching = append(facts.Matching, p)
		if i%2 == 0 {
			facts.Bindings = append(facts.Bindings, binding(fmt.Sprint("b", i), fmt.Sprint("e", i), p))
		}
		// One that is in the way of the name for each that is missing.
		facts.Bindings = append(facts.Bindings, binding(bindingName(p.Export(), 0), "other", nil))
	}
	facts.Known = func(id string) (*Publication, bool) { p, ok := ids[id]; return p, ok }
	asked := 0
	facts.Export = func(b *apisv1alpha2.APIBinding) (logicalcluster.Key, bool) {
		asked++
		return logicalcluster.Key{Workspace: "p1", Name: b.Spec.Reference.Export.Name}, true
	}
	plan := Decide(facts)
	if len(plan.Create) != many/2 || len(plan.Amend)+len(plan.Delete) > 0 || len(plan.Outcomes) != many {
		t.Errorf("%d are made, %d amended, %d deleted, %d outcomes", len(plan.Create), len(plan.Amend), len(plan.Delete), len(plan.Outcomes))
	}
	if asked > 3*len(facts.Bindings) {
		t.Errorf("of %d bindings it was asked %d times what they refer to", len(facts.Bindings), asked)
	}
}
