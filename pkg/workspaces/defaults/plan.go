package defaults

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Reasons of the conditions.
const (
	reasonType    = "WorkspaceTypesInvalid"
	reasonErrors  = "APIBindingErrors"
	reasonWaiting = "WaitingOnAPIBindings"
)

// facts are what a plan follows from.
type facts struct {
	id logicalcluster.Name
	// initializing says whether the workspace waits for its default bindings.
	initializing bool
	// resolved is the type, trouble what is wrong with it.
	resolved prepare.Resolved
	trouble  error
	bindings []*apisv1alpha2.APIBinding
	resolve  func(logicalcluster.Path) (logicalcluster.Name, bool)
	export   func(logicalcluster.Key) (*apisv1alpha2.APIExport, bool)
	// shown is how people know the workspace at a path, which may be an ID.
	shown func(logicalcluster.Path) logicalcluster.Path
}

// plan is what to do for one workspace.
type plan struct {
	create []*apisv1alpha2.APIBinding
	// amend are bindings whose accepted claims are to follow the export.
	amend []*apisv1alpha2.APIBinding
	// condition is what to say, nil when there is nothing to say.
	condition *conditionsv1alpha1.Condition
	// done says that the initializer has finished.
	done bool
}

// decide is pure: equal facts, equal plan.
func decide(f facts) plan {
	t := tenancyv1alpha1.WorkspaceAPIBindingsInitialized
	if !f.initializing {
		t = tenancyv1alpha1.WorkspaceAPIBindingsReconciled
	}
	wanted := f.wanted()
	if len(wanted) == 0 && !f.initializing {
		return plan{}
	}
	if f.trouble != nil {
		return plan{condition: say(t, conditionsv1alpha1.ConditionSeverityError, reasonType, fmt.Sprintf(
			"the workspace type can not be resolved: %v: mend the type, or delete this workspace", f.trouble))}
	}
	var p plan
	var failing, waiting []string
	for _, want := range wanted {
		p.bind(f, want, &failing, &waiting)
	}
	switch {
	case len(failing) > 0:
		p.condition = say(t, conditionsv1alpha1.ConditionSeverityError, reasonErrors, strings.Join(failing, "; "))
	case len(waiting) > 0:
		p.condition = say(t, conditionsv1alpha1.ConditionSeverityInfo, reasonWaiting, "not bound yet: "+strings.Join(waiting, "; "))
	default:
		condition := conditionsv1alpha1.True(t)
		p.condition, p.done = &condition, f.initializing
	}
	return p
}

func say(t conditionsv1alpha1.ConditionType, severity conditionsv1alpha1.ConditionSeverity, reason, message string) *conditionsv1alpha1.Condition {
	condition := conditionsv1alpha1.False(t, severity, reason, "%s", message)
	return &condition
}

// wanted are the bindings of the type, or, once the workspace is in use, those
// that are kept up.
func (f facts) wanted() []prepare.DefaultBinding {
	if f.initializing {
		return f.resolved.Bindings
	}
	return slices.DeleteFunc(slices.Clone(f.resolved.Bindings), func(b prepare.DefaultBinding) bool { return !b.Maintain })
}

// bind plans one default binding.
func (p *plan) bind(f facts, want prepare.DefaultBinding, failing, waiting *[]string) {
	export, problem := f.find(want)
	if problem != "" {
		*failing = append(*failing, problem)
		return
	}
	existing, ok := f.bound(want)
	if !ok {
		fresh := newBinding(f.id, want, export)
		at := slices.IndexFunc(f.bindings, func(b *apisv1alpha2.APIBinding) bool { return b.Name == fresh.Name })
		switch {
		case at < 0:
			p.create = append(p.create, fresh)
			*waiting = append(*waiting, fmt.Sprintf("APIExport %s of workspace %s", want.Export, f.shown(want.Path)))
		case f.bindings[at].DeletionTimestamp != nil:
			*waiting = append(*waiting, fmt.Sprintf("APIBinding %s, which is being deleted before it is made again", fresh.Name))
		default:
			*failing = append(*failing, fmt.Sprintf("APIBinding %s refers to another export than %s of workspace %s: delete it", fresh.Name, want.Export, f.shown(want.Path)))
		}
		return
	}
	// The claims of a binding that a publication made are the publication's.
	published := existing.Labels[publicationv1alpha1.PublicationIDLabel] != ""
	if claims := claimsOf(export, existing.Spec.PermissionClaims); want.Maintain && !published && !equality.Semantic.DeepEqual(claims, existing.Spec.PermissionClaims) {
		amended := existing.DeepCopy()
		amended.Spec.PermissionClaims = claims
		p.amend = append(p.amend, amended)
	}
	if !conditionsv1alpha1.IsTrue(existing.Status.Conditions, apisv1alpha2.InitialBindingCompleted) {
		*waiting = append(*waiting, bindingText(existing))
	}
}

// find returns the export, or what is wrong with it.
func (f facts) find(want prepare.DefaultBinding) (*apisv1alpha2.APIExport, string) {
	home, ok := f.resolve(want.Path)
	if ok && want.Home != "" && home != want.Home {
		return nil, fmt.Sprintf("workspace %s is another one than when the workspace type named it: let the owner of the type delete it and create it again", want.Path)
	}
	if ok {
		if export, found := f.export(logicalcluster.Key{Workspace: home, Name: want.Export}); found {
			return export, ""
		}
	}
	return nil, fmt.Sprintf("APIExport %q not found in workspace %q: create it there, or correct the workspace type", want.Export, f.shown(want.Path))
}

// bound finds a binding to the export that want names (D2).
func (f facts) bound(want prepare.DefaultBinding) (*apisv1alpha2.APIBinding, bool) {
	home, _ := f.resolve(want.Path)
	for _, binding := range f.bindings {
		reference := binding.Spec.Reference.Export
		if reference == nil || reference.Name != want.Export || binding.DeletionTimestamp != nil {
			continue
		}
		if reference.Path == want.Path.String() {
			return binding, true
		}
		path := logicalcluster.Path(reference.Path)
		if path.Empty() {
			path = f.id.Path()
		}
		if there, ok := f.resolve(path); ok && there == home {
			return binding, true
		}
	}
	return nil, false
}

// bindingText says what a binding waits for.
func bindingText(binding *apisv1alpha2.APIBinding) string {
	text := "APIBinding " + binding.Name
	for _, t := range []conditionsv1alpha1.ConditionType{apisv1alpha2.APIExportValid, apisv1alpha2.BindingUpToDate} {
		if c := conditionsv1alpha1.Get(binding.Status.Conditions, t); c != nil && c.Message != "" {
			return text + " (" + c.Message + ")"
		}
	}
	return text
}

// newBinding accepts all claims of the export: who chose the type chose them.
func newBinding(id logicalcluster.Name, want prepare.DefaultBinding, export *apisv1alpha2.APIExport) *apisv1alpha2.APIBinding {
	return &apisv1alpha2.APIBinding{
		ObjectMeta: metav1.ObjectMeta{Name: prepare.BindingName(id, want.Path, want.Export)},
		Spec: apisv1alpha2.APIBindingSpec{
			Reference: apisv1alpha2.BindingReference{
				Export: &apisv1alpha2.ExportBindingReference{Path: want.Path.String(), Name: want.Export},
			},
			PermissionClaims: claimsOf(export, nil),
		},
	}
}

// claimsOf accepts the claims of export, with the selectors of those that were
// accepted before: they cannot be changed.
func claimsOf(export *apisv1alpha2.APIExport, before []apisv1alpha2.AcceptablePermissionClaim) []apisv1alpha2.AcceptablePermissionClaim {
	var claims []apisv1alpha2.AcceptablePermissionClaim
	for _, claim := range export.Spec.PermissionClaims {
		accepted := apisv1alpha2.AcceptablePermissionClaim{
			ScopedPermissionClaim: apisv1alpha2.ScopedPermissionClaim{PermissionClaim: claim, Selector: apisv1alpha2.PermissionClaimSelector{MatchAll: true}},
			State:                 apisv1alpha2.ClaimAccepted,
		}
		if claim.DefaultSelector != nil {
			accepted.Selector = *claim.DefaultSelector
		}
		for _, old := range before {
			if old.GroupResource == claim.GroupResource && old.IdentityHash == claim.IdentityHash {
				accepted.Selector = old.Selector
			}
		}
		claims = append(claims, accepted)
	}
	return claims
}

// without returns all but the initializer that this package is.
func without(all []corev1alpha1.LogicalClusterInitializer) []corev1alpha1.LogicalClusterInitializer {
	return slices.DeleteFunc(slices.Clone(all), func(i corev1alpha1.LogicalClusterInitializer) bool {
		return i == corev1alpha1.APIBindingsInitializer
	})
}
