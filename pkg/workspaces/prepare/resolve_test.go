package prepare

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// shelf is a set of types in the workspaces "root:org", with the ID o1, and
// "root:lib", with the ID l1.
type shelf map[string]*tenancyv1alpha1.WorkspaceType

func (s shelf) lookup(path logicalcluster.Path, name tenancyv1alpha1.WorkspaceTypeName) (*tenancyv1alpha1.WorkspaceType, bool) {
	switch path {
	case "root:org":
		path = "o1"
	case "root:lib":
		path = "l1"
	}
	found, ok := s[path.Join(string(name)).String()]
	return found, ok
}

func (s shelf) put(home, name string, spec tenancyv1alpha1.WorkspaceTypeSpec, annotations ...string) {
	kind := &tenancyv1alpha1.WorkspaceType{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{logicalcluster.AnnotationKey: home}}, Spec: spec}
	for i := 0; i < len(annotations); i += 2 {
		kind.Annotations[annotations[i]] = annotations[i+1]
	}
	s[home+":"+name] = kind
}

func reference(path, name string) tenancyv1alpha1.WorkspaceTypeReference {
	return tenancyv1alpha1.WorkspaceTypeReference{Path: path, Name: tenancyv1alpha1.WorkspaceTypeName(name)}
}

// told is what the tests compare of Resolved.
type told struct {
	Lineage      []string
	Initializers []corev1alpha1.LogicalClusterInitializer
	Terminators  []corev1alpha1.LogicalClusterTerminator
	Bindings     []DefaultBinding
	Labels       map[string]string
	Logins       []logicalcluster.Key
	Err          string
}

func tell(resolved Resolved, err error) told {
	out := told{
		Initializers: resolved.Initializers, Terminators: resolved.Terminators, Bindings: resolved.Bindings,
		Labels: resolved.Labels, Logins: resolved.AuthenticationConfigurations,
	}
	for _, a := range resolved.Lineage {
		out.Lineage = append(out.Lineage, a.String())
	}
	if err != nil {
		out.Err = err.Error()
	}
	return out
}

func library() shelf {
	maintain := tenancyv1alpha1.APIBindingLifecycleModeMaintain
	s := shelf{}
	s.put("l1", "base", tenancyv1alpha1.WorkspaceTypeSpec{
		Initializer: true, Terminator: true,
		AdditionalWorkspaceLabels:    map[string]string{"tier": "low", "base": "yes"},
		DefaultAPIBindings:           []tenancyv1alpha1.APIExportReference{{Export: "things"}, {Path: "root:compute", Export: "kubernetes"}},
		DefaultAPIBindingLifecycle:   &maintain,
		AuthenticationConfigurations: []tenancyv1alpha1.AuthenticationConfigurationReference{{Name: "corp"}},
	})
	s.put("o1", "lab", tenancyv1alpha1.WorkspaceTypeSpec{
		Initializer:               true,
		Extend:                    extending(reference("root:lib", "base"), reference("root", "universal")),
		AdditionalWorkspaceLabels: map[string]string{"tier": "high"},
		DefaultAPIBindings:        []tenancyv1alpha1.APIExportReference{{Path: "root:compute", Export: "kubernetes"}, {Path: "root", Export: "topology.kcp.io"}},
	})
	s.put("o1", "wet-lab", tenancyv1alpha1.WorkspaceTypeSpec{Extend: extending(reference("", "lab"), reference("l1", "base"), reference("", "universal"))})
	s.put("o1", "lost", tenancyv1alpha1.WorkspaceTypeSpec{Extend: extending(reference("root:lib", "base"), reference("root:gone", "x"), reference("", "y"))})
	s.put("o1", "self", tenancyv1alpha1.WorkspaceTypeSpec{Initializer: true, Extend: extending(reference("o1", "self"))})
	s.put("o1", "hen", tenancyv1alpha1.WorkspaceTypeSpec{Extend: extending(reference("root:lib", "egg"))})
	s.put("l1", "egg", tenancyv1alpha1.WorkspaceTypeSpec{Extend: extending(reference("root:org", "hen"))})
	s.put("o1", "meant", tenancyv1alpha1.WorkspaceTypeSpec{Extend: extending(reference("root:lib", "base"))}, tenancyv1alpha1.MeantAnnotationKey, `{"root:lib":"l1"}`)
	s.put("o1", "recycled", tenancyv1alpha1.WorkspaceTypeSpec{Extend: extending(reference("root:lib", "base"))}, tenancyv1alpha1.MeantAnnotationKey, `{"root:lib":"old"}`)
	s.put("o1", "noted", tenancyv1alpha1.WorkspaceTypeSpec{Extend: extending(reference("", "base"))}, tenancyv1alpha1.MeantAnnotationKey, `{":base":"l1"}`)
	s.put("o1", "noted-here", tenancyv1alpha1.WorkspaceTypeSpec{Extend: extending(reference("", "universal"))}, tenancyv1alpha1.MeantAnnotationKey, `{":universal":"o1"}`)
	for i := range 2 * maxLineage {
		s.put("o1", fmt.Sprintf("step-%d", i), tenancyv1alpha1.WorkspaceTypeSpec{Extend: extending(reference("", fmt.Sprintf("step-%d", i+1)))})
	}
	return s
}

func TestResolve(t *testing.T) {
	base := told{
		Lineage:      []string{"root:lib:base"},
		Initializers: []corev1alpha1.LogicalClusterInitializer{"l1:base", "system:apibindings"},
		Terminators:  []corev1alpha1.LogicalClusterTerminator{"l1:base"},
		Bindings:     []DefaultBinding{{Path: "l1", Export: "things", Home: "l1", Maintain: true}, {Path: "root:compute", Export: "kubernetes", Maintain: true}},
		Labels:       map[string]string{"tier": "low", "base": "yes"},
		Logins:       []logicalcluster.Key{{Workspace: "l1", Name: "corp"}},
	}
	lab := told{
		Lineage:      []string{"root:org:lab", "root:lib:base", "root:universal"},
		Initializers: []corev1alpha1.LogicalClusterInitializer{"o1:lab", "l1:base", "root:universal", "system:apibindings"},
		Terminators:  base.Terminators,
		Bindings:     []DefaultBinding{{Path: "root:compute", Export: "kubernetes", Maintain: true}, {Path: "l1", Export: "things", Home: "l1", Maintain: true}},
		Labels:       map[string]string{"tier": "high", "base": "yes"},
		Logins:       base.Logins,
	}
	for name, tc := range map[string]struct {
		ref  tenancyv1alpha1.WorkspaceTypeReference
		want told
	}{
		"universal":                 {reference("root", "universal"), told{Lineage: []string{"root:universal"}, Initializers: []corev1alpha1.LogicalClusterInitializer{"root:universal"}}},
		"team":                      {reference("root", "team"), told{Lineage: []string{"root:team", "root:universal"}, Initializers: []corev1alpha1.LogicalClusterInitializer{"root:universal"}}},
		"everything a type can add": {reference("root:lib", "base"), base},
		"added up":                  {reference("root:org", "lab"), lab},
		"each once, whatever its path": {reference("root:org", "wet-lab"), edited(lab, func(w *told) {
			w.Lineage = append([]string{"root:org:wet-lab"}, lab.Lineage...)
		})},
		"what it meant is what it is": {reference("root:org", "meant"), edited(base, func(w *told) { w.Lineage = []string{"root:org:meant", "root:lib:base"} })},
		"the path belongs to others now": {reference("root:org", "recycled"), told{
			Lineage: []string{"root:org:recycled"}, Err: `workspace type "root:lib:base" does not exist`,
		}},
		"a name means what was noted": {reference("root:org", "noted"), edited(base, func(w *told) { w.Lineage = []string{"root:org:noted", "l1:base"} })},
		"and nothing else": {reference("root:org", "noted-here"), told{
			Lineage: []string{"root:org:noted-here"}, Err: `workspace type "o1:universal" does not exist`,
		}},
		"no such type": {reference("root:org", "nothing"), told{Err: `workspace type "root:org:nothing" does not exist`}},
		"no such extensions": {reference("root:org", "lost"), edited(base, func(w *told) {
			w.Lineage = []string{"root:org:lost", "root:lib:base"}
			w.Err = `workspace type "root:gone:x" does not exist; workspace type "y" does not exist`
		})},
		"itself": {reference("root:org", "self"), told{
			Lineage: []string{"root:org:self"}, Initializers: []corev1alpha1.LogicalClusterInitializer{"o1:self"},
			Err: "workspace types extend each other in a circle: root:org:self -> o1:self",
		}},
		"a circle through another workspace": {reference("root:org", "hen"), told{
			Lineage: []string{"root:org:hen", "root:lib:egg"},
			Err:     "workspace types extend each other in a circle: root:org:hen -> root:lib:egg -> root:org:hen",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tell(Resolve(tc.ref, library().lookup))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func edited(t told, edit func(*told)) told {
	edit(&t)
	return t
}

func TestResolveEndsSomewhere(t *testing.T) {
	resolved, err := Resolve(reference("root:org", "step-0"), library().lookup)
	var unresolved *Unresolved
	if !errors.As(err, &unresolved) || !unresolved.TooMany || len(resolved.Lineage) != maxLineage {
		t.Errorf("%d types, error %v", len(resolved.Lineage), err)
	}
}

func TestResolveTypeBeforeItIsStored(t *testing.T) {
	changed := &tenancyv1alpha1.WorkspaceType{
		ObjectMeta: metav1.ObjectMeta{Name: "base", Annotations: map[string]string{logicalcluster.AnnotationKey: "l1"}},
		Spec:       tenancyv1alpha1.WorkspaceTypeSpec{Extend: extending(reference("root:org", "wet-lab"))},
	}
	_, err := ResolveType(Ancestor{reference("root:lib", "base"), changed}, library().lookup)
	var unresolved *Unresolved
	if !errors.As(err, &unresolved) || len(unresolved.Circles) == 0 {
		t.Errorf("error %v", err)
	}
}

func TestATypeThatExtendsItselfBeforeItIsStored(t *testing.T) {
	for name, ref := range map[string]tenancyv1alpha1.WorkspaceTypeReference{
		"by name": reference("", "new"), "by path": reference("root:org", "new"), "by ID": reference("o1", "new"),
	} {
		t.Run(name, func(t *testing.T) {
			kind := &tenancyv1alpha1.WorkspaceType{
				ObjectMeta: metav1.ObjectMeta{Name: "new", Annotations: map[string]string{
					logicalcluster.AnnotationKey: "o1", tenancyv1alpha1.MeantAnnotationKey: `{":new":"o1","root:org":"o1","o1":"o1"}`,
				}},
				Spec: tenancyv1alpha1.WorkspaceTypeSpec{Extend: extending(ref)},
			}
			_, err := ResolveType(Ancestor{reference("root:org", "new"), kind}, library().lookup)
			expectError(t, err, "in a circle")
		})
	}
}

func TestPendingInitializers(t *testing.T) {
	got := PendingInitializers([]corev1alpha1.LogicalClusterInitializer{"root:universal", "o1:lab", "system:apibindings"})
	if diff := cmp.Diff([]corev1alpha1.LogicalClusterInitializer{"o1:lab", "system:apibindings"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := PendingInitializers([]corev1alpha1.LogicalClusterInitializer{"root:universal"}); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestTypeOf(t *testing.T) {
	for name, tc := range map[string]struct {
		annotations map[string]string
		want        tenancyv1alpha1.WorkspaceTypeReference
		ok          bool
	}{
		"by ID":   {map[string]string{"internal.tenancy.kcp.io/type": "root:org:lab", "tenancy.atrium.io/type-id": "o1:lab"}, reference("o1", "lab"), true},
		"by path": {map[string]string{"internal.tenancy.kcp.io/type": "root:org:lab"}, reference("root:org", "lab"), true},
		"neither": {nil, reference("", ""), false},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := TypeOf(&corev1alpha1.LogicalCluster{ObjectMeta: metav1.ObjectMeta{Annotations: tc.annotations}})
			if got != tc.want || ok != tc.ok {
				t.Errorf("got %v, %v", got, ok)
			}
		})
	}
}

// TestBindingName holds the form of the name, which is that of kcp.
func TestBindingName(t *testing.T) {
	if got := BindingName("root", "root", "tenancy.kcp.io"); len(got) != len("tenancy.kcp.io-")+bindingHash || got != BindingName("root", "root", "tenancy.kcp.io") {
		t.Errorf("got %q", got)
	}
	if got := BindingName("w1", "root", strings.Repeat("a", 253)); len(got) != 253 {
		t.Errorf("%d characters", len(got))
	}
	if BindingName("w1", "root", "x") == BindingName("w2", "root", "x") {
		t.Error("equal names in different workspaces")
	}
}

func TestTooManyBindings(t *testing.T) {
	s := shelf{}
	for i := range maxBindings + 1 {
		s.put("o1", fmt.Sprintf("t%d", i), tenancyv1alpha1.WorkspaceTypeSpec{
			DefaultAPIBindings: []tenancyv1alpha1.APIExportReference{{Export: fmt.Sprintf("a%d", i)}, {Export: fmt.Sprintf("b%d", i)}},
			Extend:             extending(reference("", fmt.Sprintf("t%d", (i+1)%40))),
		})
	}
	resolved, err := Resolve(reference("root:org", "t0"), s.lookup)
	var unresolved *Unresolved
	if !errors.As(err, &unresolved) || !unresolved.TooManyBindings || len(resolved.Bindings) != maxBindings {
		t.Errorf("%d bindings, error %v", len(resolved.Bindings), err)
	}
}

func BenchmarkResolveUniversal(b *testing.B) {
	universal := builtins[0].DeepCopy()
	universal.Annotations[tenancyv1alpha1.MeantAnnotationKey] = `{"root":"root"}`
	s := shelf{"root:universal": universal}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Resolve(reference("root", "universal"), s.lookup); err != nil {
			b.Fatal(err)
		}
	}
}

// TestDefaultChildStaysWhatWasMeant: the workspace at the path of a default type
// can become somebody else's, who would prepare all that is made without a type.
func TestDefaultChildStaysWhatWasMeant(t *testing.T) {
	child := reference("root:lib", "app")
	types := shelf{}
	types.put("l1", "app", tenancyv1alpha1.WorkspaceTypeSpec{})
	types.put("o1", "plain", tenancyv1alpha1.WorkspaceTypeSpec{DefaultChildWorkspaceType: &child})
	types.put("o1", "same", tenancyv1alpha1.WorkspaceTypeSpec{DefaultChildWorkspaceType: &child}, tenancyv1alpha1.MeantAnnotationKey, `{"root:lib":"l1"}`)
	types.put("o1", "other", tenancyv1alpha1.WorkspaceTypeSpec{DefaultChildWorkspaceType: &child}, tenancyv1alpha1.MeantAnnotationKey, `{"root:lib":"l0"}`)
	for name, want := range map[string]tenancyv1alpha1.WorkspaceTypeReference{
		"plain": child, "same": child, "other": rootType("universal"), "missing": rootType("universal"),
	} {
		if diff := cmp.Diff(want, defaultChildType("root:org:"+logicalcluster.Path(name), types.lookup)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestParentTypeStaysWhatItWas: whoever gets the path of a workspace whose types
// are in use must not decide what is made in the workspaces of these types.
func TestParentTypeStaysWhatItWas(t *testing.T) {
	trap := reference("root:lib", "trap")
	types := shelf{}
	types.put("l1", "trap", tenancyv1alpha1.WorkspaceTypeSpec{})
	types.put("l1", "org", tenancyv1alpha1.WorkspaceTypeSpec{DefaultChildWorkspaceType: &trap, LimitAllowedChildren: anyOf(trap)})
	for id, want := range map[logicalcluster.Path]tenancyv1alpha1.WorkspaceTypeReference{
		"": trap, "l1:org": trap, "l0:org": rootType("universal"),
	} {
		around := Surroundings{ParentPath: "root:org", ParentType: "root:lib:org", ParentTypeID: id, Types: types.lookup}
		workspace := &tenancyv1alpha1.Workspace{}
		if err := setType(workspace, around); err != nil {
			t.Errorf("%s: %v", id, err)
		}
		if diff := cmp.Diff(&want, workspace.Spec.Type); diff != "" || TypeOfNew(&tenancyv1alpha1.Workspace{}, around) != want {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
	}
}
