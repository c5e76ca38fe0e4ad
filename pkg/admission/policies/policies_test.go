package policies

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	registrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

func TestBind(t *testing.T) {
	policy := func(name string) *registrationv1.ValidatingAdmissionPolicy {
		return &registrationv1.ValidatingAdmissionPolicy{ObjectMeta: named(name)}
	}
	binding := func(name, policy string) *registrationv1.ValidatingAdmissionPolicyBinding {
		return &registrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: named(name), Spec: registrationv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: policy}}
	}
	bound := bind(
		[]*registrationv1.ValidatingAdmissionPolicy{policy("z"), policy("unbound"), policy("a")},
		[]*registrationv1.ValidatingAdmissionPolicyBinding{binding("2", "a"), binding("x", "nobody"), binding("1", "a"), binding("3", "z")},
		func(b *registrationv1.ValidatingAdmissionPolicyBinding) string { return b.Spec.PolicyName },
	)
	var got []string
	for _, b := range bound {
		for _, by := range b.bindings {
			got = append(got, b.policy.Name+"/"+by.Name)
		}
	}
	if diff := cmp.Diff([]string{"a/1", "a/2", "z/3"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestGlobalNamesTellApartAndKeepTheOrder(t *testing.T) {
	name := func(workspace logicalcluster.Name, name, version string) string {
		return globalName(workspace, &metav1.ObjectMeta{Name: name, ResourceVersion: version})
	}
	ordered := []string{name("w", "a", "9"), name("w", "a-b", "1"), name("w", "a.b", "1"), name("w", "ab", "1")}
	for i := 1; i < len(ordered); i++ {
		if ordered[i-1] >= ordered[i] {
			t.Errorf("%q does not come before %q", ordered[i-1], ordered[i])
		}
	}
	seen := map[string]bool{}
	for _, n := range []string{name("v", "a", "1"), name("w", "a", "1"), name("w", "a", "2"), name("w", "b", "1")} {
		if seen[n] {
			t.Errorf("%q stands for two", n)
		}
		seen[n] = true
	}
}

func TestWhoIsExempt(t *testing.T) {
	hub := &user.DefaultInfo{Name: user.APIServerUser, Groups: []string{user.SystemPrivilegedGroup}}
	operator := &user.DefaultInfo{Name: "operator", Groups: []string{user.SystemPrivilegedGroup}}
	lent := &user.DefaultInfo{Name: user.APIServerUser, Groups: []string{user.SystemPrivilegedGroup}, Extra: map[string][]string{"authentication.kcp.io/scopes": {"cluster:w"}}}
	alice := &user.DefaultInfo{Name: "alice"}
	notes := schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	p := &Policies{config: Config{HubViews: []string{"syncer"}}}
	for name, c := range map[string]struct {
		user     user.Info
		resource schema.GroupVersionResource
		view     string
		want     bool
	}{
		"the hub":                        {hub, notes, "", true},
		"an operator":                    {operator, notes, "", false},
		"one who borrows the hub's name": {lent, notes, "", false},
		"one who only calls himself so":  {&user.DefaultInfo{Name: user.APIServerUser}, notes, "", false},
		"a user":                         {alice, notes, "", false},
		"an agent":                       {alice, notes, "syncer", true},
		"another view":                   {alice, notes, "other", false},
		"policies":                       {alice, schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingadmissionpolicies"}, "", true},
		"reviews":                        {alice, schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "subjectaccessreviews"}, "", true},
		"the LogicalCluster":             {alice, schema.GroupVersionResource{Group: "core.kcp.io", Version: "v1alpha1", Resource: "logicalclusters"}, "", true},
		"a namesake of it":               {alice, schema.GroupVersionResource{Group: "example.io", Version: "v1", Resource: "logicalclusters"}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if c.view != "" {
				ctx = target.With(ctx, target.Target{View: &target.View{Kind: c.view}})
			}
			a := admission.NewAttributesRecord(nil, nil, schema.GroupVersionKind{}, "", "n", c.resource, "", admission.Create, nil, false, c.user)
			if got := p.exempt(ctx, a); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestLocatedAndBack(t *testing.T) {
	for name, before := range map[string]map[string]string{
		"none": nil, "others": {"a": "b"}, "a lie": {"kcp.io/cluster": "elsewhere", "a": "b"}, "only a lie": {"kcp.io/cluster": "elsewhere"},
	} {
		t.Run(name, func(t *testing.T) {
			typed := &corev1.ConfigMap{}
			untyped := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{}}}
			for _, object := range []metav1.Object{typed, untyped} {
				given := map[string]string{}
				for k, v := range before {
					given[k] = v
				}
				if before != nil {
					object.SetAnnotations(given)
				}
				j := &judgement{in: "here"}
				if object == metav1.Object(typed) {
					j.attributes = admission.NewAttributesRecord(typed, nil, schema.GroupVersionKind{}, "", "", schema.GroupVersionResource{}, "", admission.Create, nil, false, nil)
				} else {
					j.attributes = admission.NewAttributesRecord(untyped, nil, schema.GroupVersionKind{}, "", "", schema.GroupVersionResource{}, "", admission.Create, nil, false, nil)
				}
				restore := j.located()
				if got := object.GetAnnotations()["kcp.io/cluster"]; got != "here" {
					t.Errorf("during: %q", got)
				}
				restore()
				if diff := cmp.Diff(before, object.GetAnnotations()); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestCompiledOnce(t *testing.T) {
	s, made := newSet("w", Models{}), 0
	get := func(uid types.UID, version string) int {
		policy := &registrationv1.ValidatingAdmissionPolicy{}
		policy.UID, policy.ResourceVersion = uid, version
		return compiledIn(s, policy, func() int { made++; return made })
	}
	if a, b, c := get("u-1", "1"), get("u-1", "1"), get("u-1", "2"); a != 1 || b != 1 || c != 2 {
		t.Errorf("got %d, %d, %d", a, b, c)
	}
	s.current, s.lastUsed = &snapshot{}, time.Unix(100, 0)
	if s.sweep(time.Unix(100, 0)); s.current == nil || s.compiled.Len() != 2 {
		t.Error("what is in use was dropped")
	}
	if s.sweep(time.Unix(101, 0)); s.current != nil || s.compiled.Len() != 0 {
		t.Error("what is idle was kept")
	}
}

// A provider's policy does not find out what others may do in the workspaces of
// consumers.
func TestWhomPoliciesAskAbout(t *testing.T) {
	here, there := &user.DefaultInfo{Name: "system:serviceaccount:default:a"}, &known{&user.DefaultInfo{Name: "system:kcp:serviceaccount:w:default:a"}}
	other := &user.DefaultInfo{Name: "system:serviceaccount:default:other"}
	for name, c := range map[string]struct {
		by   logicalcluster.Name
		ask  user.Info
		want string
	}{
		"its own policy, about who writes": {"w", there, here.Name},
		"its own policy, about another":    {"w", other, other.Name},
		"a provider's, about who writes":   {"p", there, here.Name},
		"a provider's, about another":      {"p", other, ""},
	} {
		t.Run(name, func(t *testing.T) {
			asked := ""
			p := &Policies{config: Config{Authorizer: authorizer.AuthorizerFunc(func(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
				if in, _ := target.From(ctx); in.Identity != "w" {
					t.Errorf("asked in %q", in.Identity)
				}
				asked = a.GetUser().GetName()
				return authorizer.DecisionAllow, "", nil
			})}}
			j := &judgement{policies: p, in: "w", by: c.by, user: here, attributes: renamed{nil, there}}
			ctx := target.With(t.Context(), target.Target{Identity: "p", View: &target.View{Kind: "any"}})
			decision, _, err := j.authorizer(ctx).Authorize(context.Background(), authorizer.AttributesRecord{User: c.ask})
			if err != nil || asked != c.want || (decision == authorizer.DecisionAllow) != (c.want != "") {
				t.Errorf("asked about %q: %v, %v; want %q", asked, decision, err, c.want)
			}
		})
	}
}

// BenchmarkNoPolicies is a write in a workspace that has none, beside so many that
// have (P1).
func BenchmarkNoPolicies(b *testing.B) {
	for _, others := range []int{0, 1000, 10000} {
		b.Run(fmt.Sprint(others), func(b *testing.B) {
			p := &Policies{config: Config{
				JudgedBy: func(w logicalcluster.Name, _ schema.GroupResource) logicalcluster.Name { return w },
				Clock:    clock.RealClock{},
			}}
			for i := range others {
				p.sets.Store(logicalcluster.Name(fmt.Sprint(i)), newSet("w", Models{}))
			}
			ctx := keyspace.WithScope(b.Context(), keyspace.In("w"))
			a := admission.NewAttributesRecord(&corev1.ConfigMap{}, nil, schema.GroupVersionKind{}, "default", "n",
				schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, "", admission.Create, nil, false, &user.DefaultInfo{Name: "alice"})
			mutating, validating := p.Mutating(), p.Validating()
			b.ReportAllocs()
			for b.Loop() {
				if mutating.Admit(ctx, a, nil) != nil || validating.Validate(ctx, a, nil) != nil {
					b.Fatal("judged")
				}
			}
		})
	}
}
