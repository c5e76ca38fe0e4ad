package defaults

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var things = prepare.DefaultBinding{Path: "root:lib", Export: "things", Home: "l1"}

func kept(b prepare.DefaultBinding) prepare.DefaultBinding {
	b.Maintain = true
	return b
}

// house has the workspace root:lib, whose ID is l1, with the export "things".
func house(f facts) facts {
	f.id = "w1"
	f.resolve = func(path logicalcluster.Path) (logicalcluster.Name, bool) {
		return "l1", path == "root:lib" || path == "l1"
	}
	f.shown = func(path logicalcluster.Path) logicalcluster.Path {
		if path == "l1" {
			return "root:lib"
		}
		return path
	}
	f.export = func(key logicalcluster.Key) (*apisv1alpha2.APIExport, bool) {
		return &apisv1alpha2.APIExport{Spec: apisv1alpha2.APIExportSpec{PermissionClaims: []apisv1alpha2.PermissionClaim{
			{GroupResource: apisv1alpha2.GroupResource{Resource: "secrets"}, Verbs: []string{"get"}},
		}}}, key == logicalcluster.Key{Workspace: "l1", Name: "things"}
	}
	return f
}

func binding(name, path string, edit ...func(*apisv1alpha2.APIBinding)) *apisv1alpha2.APIBinding {
	b := &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: name}}
	b.Spec.Reference.Export = &apisv1alpha2.ExportBindingReference{Path: path, Name: "things"}
	b.Spec.PermissionClaims = []apisv1alpha2.AcceptablePermissionClaim{{
		ScopedPermissionClaim: apisv1alpha2.ScopedPermissionClaim{
			PermissionClaim: apisv1alpha2.PermissionClaim{GroupResource: apisv1alpha2.GroupResource{Resource: "secrets"}, Verbs: []string{"get"}},
			Selector:        apisv1alpha2.PermissionClaimSelector{MatchAll: true},
		},
		State: apisv1alpha2.ClaimAccepted,
	}}
	for _, e := range edit {
		e(b)
	}
	return b
}

func bound(b *apisv1alpha2.APIBinding) {
	b.Status.Conditions = append(b.Status.Conditions, conditionsv1alpha1.True(apisv1alpha2.InitialBindingCompleted))
}

func because(b *apisv1alpha2.APIBinding) {
	b.Status.Conditions = append(b.Status.Conditions, conditionsv1alpha1.False(apisv1alpha2.APIExportValid, conditionsv1alpha1.ConditionSeverityError, "x", "no identity"))
}

func rejected(b *apisv1alpha2.APIBinding) {
	b.Spec.PermissionClaims[0].State = apisv1alpha2.ClaimRejected
}

func goes(b *apisv1alpha2.APIBinding) { b.DeletionTimestamp = &metav1.Time{} }

func other(b *apisv1alpha2.APIBinding) { b.Spec.Reference.Export.Name = "other" }

func TestDecide(t *testing.T) {
	type told struct {
		Create, Amend      []string
		Condition, Message string
		Done               bool
	}
	name := prepare.BindingName("w1", "root:lib", "things")
	initial := func(want prepare.DefaultBinding, bindings ...*apisv1alpha2.APIBinding) facts {
		return house(facts{initializing: true, resolved: prepare.Resolved{Bindings: []prepare.DefaultBinding{want}}, bindings: bindings})
	}
	later := func(want prepare.DefaultBinding, bindings ...*apisv1alpha2.APIBinding) facts {
		f := initial(want, bindings...)
		f.initializing = false
		return f
	}
	missing, recycled, broken := things, things, initial(things)
	hidden := prepare.DefaultBinding{Path: "l1", Export: "none", Home: "l1"}
	missing.Export, recycled.Home, broken.trouble = "none", "old", &prepare.Unresolved{TooMany: true}
	for title, tc := range map[string]struct {
		facts facts
		want  told
	}{
		"new":                 {initial(things), told{Create: []string{name}, Condition: "APIBindingsInitialized=WaitingOnAPIBindings", Message: "not bound yet: APIExport things of workspace root:lib"}},
		"made, not bound":     {initial(things, binding(name, "root:lib")), told{Condition: "APIBindingsInitialized=WaitingOnAPIBindings", Message: "not bound yet: APIBinding " + name}},
		"made, can not bind":  {initial(things, binding(name, "root:lib", because)), told{Condition: "APIBindingsInitialized=WaitingOnAPIBindings", Message: "not bound yet: APIBinding " + name + " (no identity)"}},
		"bound":               {initial(things, binding(name, "root:lib", bound)), told{Condition: "APIBindingsInitialized=", Done: true}},
		"bound under an ID":   {initial(things, binding("mine", "l1", bound)), told{Condition: "APIBindingsInitialized=", Done: true}},
		"nothing to bind":     {house(facts{initializing: true}), told{Condition: "APIBindingsInitialized=", Done: true}},
		"no export":           {initial(missing), told{Condition: "APIBindingsInitialized=APIBindingErrors", Message: `APIExport "none" not found in workspace "root:lib": create it there, or correct the workspace type`}},
		"no export, by ID":    {initial(hidden), told{Condition: "APIBindingsInitialized=APIBindingErrors", Message: `APIExport "none" not found in workspace "root:lib": create it there, or correct the workspace type`}},
		"another workspace":   {initial(recycled), told{Condition: "APIBindingsInitialized=APIBindingErrors", Message: "workspace root:lib is another one than when the workspace type named it: let the owner of the type delete it and create it again"}},
		"the type is broken":  {broken, told{Condition: "APIBindingsInitialized=WorkspaceTypesInvalid", Message: "the workspace type can not be resolved: it extends more than 63 workspace types: mend the type, or delete this workspace"}},
		"the name is taken":   {initial(things, binding(name, "root:lib", other)), told{Condition: "APIBindingsInitialized=APIBindingErrors", Message: "APIBinding " + name + " refers to another export than things of workspace root:lib: delete it"}},
		"claims are left":     {initial(things, binding(name, "root:lib", bound, rejected)), told{Condition: "APIBindingsInitialized=", Done: true}},
		"later, once only":    {later(things), told{}},
		"later, kept up":      {later(kept(things)), told{Create: []string{name}, Condition: "APIBindingsReconciled=WaitingOnAPIBindings", Message: "not bound yet: APIExport things of workspace root:lib"}},
		"later, being gone":   {later(kept(things), binding(name, "root:lib", bound, goes)), told{Condition: "APIBindingsReconciled=WaitingOnAPIBindings", Message: "not bound yet: APIBinding " + name + ", which is being deleted before it is made again"}},
		"later, claims":       {later(kept(things), binding(name, "root:lib", bound, rejected)), told{Amend: []string{name}, Condition: "APIBindingsReconciled="}},
		"later, all is right": {later(kept(things), binding(name, "root:lib", bound)), told{Condition: "APIBindingsReconciled="}},
	} {
		t.Run(title, func(t *testing.T) {
			p := decide(tc.facts)
			got := told{Done: p.done}
			for _, b := range p.create {
				got.Create = append(got.Create, b.Name)
			}
			for _, b := range p.amend {
				got.Amend = append(got.Amend, b.Name)
			}
			if p.condition != nil {
				got.Condition, got.Message = string(p.condition.Type)+"="+p.condition.Reason, p.condition.Message
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestANewBindingAcceptsWhatIsClaimed(t *testing.T) {
	export, _ := house(facts{}).export(logicalcluster.Key{Workspace: "l1", Name: "things"})
	got := newBinding("w1", things, export)
	if diff := cmp.Diff(binding(got.Name, "root:lib").Spec, got.Spec); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	chosen := apisv1alpha2.PermissionClaimSelector{LabelSelector: metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}}
	export.Spec.PermissionClaims[0].DefaultSelector = &chosen
	if diff := cmp.Diff(chosen, claimsOf(export, nil)[0].Selector); diff != "" {
		t.Errorf("the export's selector (-want +got):\n%s", diff)
	}
	if !claimsOf(export, got.Spec.PermissionClaims)[0].Selector.MatchAll {
		t.Error("a selector was changed")
	}
}

func TestOnlyItselfIsTakenOff(t *testing.T) {
	got := without([]corev1alpha1.LogicalClusterInitializer{"o1:lab", corev1alpha1.APIBindingsInitializer})
	if diff := cmp.Diff([]corev1alpha1.LogicalClusterInitializer{"o1:lab"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhichChangesOfTypesMatter(t *testing.T) {
	maintain := tenancyv1alpha1.APIBindingLifecycleModeMaintain
	plain := &tenancyv1alpha1.WorkspaceType{}
	binds := &tenancyv1alpha1.WorkspaceType{Spec: tenancyv1alpha1.WorkspaceTypeSpec{DefaultAPIBindings: []tenancyv1alpha1.APIExportReference{{Export: "x"}}}}
	keeps := binds.DeepCopy()
	keeps.Spec.DefaultAPIBindingLifecycle = &maintain
	labelled := binds.DeepCopy()
	labelled.Labels = map[string]string{"a": "b"}
	for name, tc := range map[string]struct {
		old, kind *tenancyv1alpha1.WorkspaceType
		want      bool
	}{
		"a plain one comes":  {nil, plain, false},
		"one that binds":     {nil, binds, true},
		"it goes":            {binds, nil, false},
		"it binds now":       {plain, binds, true},
		"it keeps up now":    {binds, keeps, true},
		"a label":            {binds, labelled, false},
		"nothing it is":      {plain, plain, false},
		"it binds no longer": {binds, plain, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := bindsOtherwise(tc.old, tc.kind); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
