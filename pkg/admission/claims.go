package admission

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/kubernetes/pkg/apis/core"

	"github.com/atriumhub/atrium/pkg/claims"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// ClaimsConfig is what the plugins about permission claims ask. Everything is
// answered from memory.
type ClaimsConfig struct {
	Book claims.Book
	// Provider returns the export as whose provider the request of a context came
	// in, and false for everybody else.
	Provider func(context.Context) (claims.Export, bool)
	// Resolve finds the workspaces of exports.
	Resolve func(logicalcluster.Path) (logicalcluster.Name, bool)
}

// Providers completes what providers write to objects that they have claimed: it
// gets the labels by which the workspace has chosen such objects. It comes before
// what judges labels. And it refuses what would make more of a claim than it says.
type Providers struct {
	*admission.Handler
	config ClaimsConfig
}

// Claims gives every object just those labels that claims make, and refuses what a
// provider writes outside of his claim. It comes after all who change labels.
type Claims struct {
	*admission.Handler
	config ClaimsConfig
}

var (
	_ admission.MutationInterface   = &Providers{}
	_ admission.MutationInterface   = &Claims{}
	_ admission.ValidationInterface = &Claims{}
)

// NewProviders returns the plugin.
func NewProviders(config ClaimsConfig) *Providers {
	return &Providers{admission.NewHandler(admission.Create, admission.Update), config}
}

// NewClaims returns the plugin.
func NewClaims(config ClaimsConfig) *Claims {
	return &Claims{admission.NewHandler(admission.Create, admission.Update), config}
}

// errProvidersToken: the hub fills such a Secret, so that who has a claim to a few
// Secrets, and to no service accounts, would become any account of the workspace.
var errProvidersToken = errors.New("it is to hold the token of a service account, which is not given away by a claim to secrets: only users of the workspace write it")

// Admit adds the labels of the selector.
func (p *Providers) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	object, workspace, ok := labelled(ctx, a)
	if !ok || a.GetSubresource() != "" {
		return nil
	}
	if _, provider := p.config.Provider(ctx); provider && holdsToken(a.GetObject()) {
		return admission.NewForbidden(a, errProvidersToken)
	}
	grant, ok := p.config.grant(ctx, workspace, a)
	if !ok {
		return nil
	}
	set, err := grant.Complete(object.GetLabels())
	if err != nil {
		return admission.NewForbidden(a, err)
	}
	object.SetLabels(set)
	return nil
}

// holdsToken reports whether an object is what Tokens fills.
func holdsToken(object runtime.Object) bool {
	secret, ok := object.(*core.Secret)
	return ok && secret.Type == core.SecretTypeServiceAccountToken
}

// grant returns the claim by which the request came in, and false when it did not
// come by a claim.
func (c ClaimsConfig) grant(ctx context.Context, workspace logicalcluster.Name, a admission.Attributes) (claims.Grant, bool) {
	export, ok := c.Provider(ctx)
	if !ok {
		return claims.Grant{}, false
	}
	return c.Book.Grant(workspace, export, a.GetResource().GroupResource())
}

// Admit sets the labels.
func (p *Claims) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	object, workspace, ok := labelled(ctx, a)
	if !ok {
		return nil
	}
	if grant, ok := p.config.grant(ctx, workspace, a); ok && !grant.Matches(object.GetLabels()) {
		return admission.NewForbidden(a, fmt.Errorf("the workspace has accepted the claim of the provider for other objects, and not for one with these labels"))
	}
	given := p.config.Book.Labels(workspace, a.GetResource().GroupResource(), object.GetLabels())
	if a.GetResource().GroupResource() == apisv1alpha2.Resource("apibindings") {
		return p.dress(a, object, workspace, given)
	}
	if set, changed := claims.Exactly(object.GetLabels(), given); changed {
		object.SetLabels(set)
	}
	return nil
}

// dress gives a binding what it has because of its export.
func (p *Claims) dress(a admission.Attributes, object metav1.Object, workspace logicalcluster.Name, given map[string]string) error {
	binding, err := typed[apisv1alpha2.APIBinding](a.GetObject())
	if err != nil {
		return apierrors.NewBadRequest(fmt.Sprintf("the APIBinding cannot be read: %v", err))
	}
	export, ok := p.config.exportOf(binding, workspace)
	if !ok {
		if set, changed := claims.Exactly(object.GetLabels(), given); changed {
			object.SetLabels(set)
		}
		return nil
	}
	identity := ""
	if found, ok := p.config.Book.Export(export); ok {
		identity = found.Status.IdentityHash
	}
	dressed := claims.Dress(binding, export, identity)
	if set, changed := dressed.Labels(object.GetLabels(), given); changed {
		object.SetLabels(set)
	}
	if set, changed := dressed.Annotations(object.GetAnnotations()); changed {
		object.SetAnnotations(set)
	}
	return nil
}

// exportOf returns the export of a binding: the one that it was bound to, or the
// one that it refers to as things are.
func (c ClaimsConfig) exportOf(binding *apisv1alpha2.APIBinding, workspace logicalcluster.Name) (claims.Export, bool) {
	if export, ok := claims.ExportOf(binding); ok {
		return export, true
	}
	reference := binding.Spec.Reference.Export
	if reference == nil {
		return claims.Export{}, false
	}
	if reference.Path == "" {
		return claims.Export{Workspace: workspace, Name: reference.Name}, true
	}
	home, ok := c.Resolve(logicalcluster.Path(reference.Path))
	return claims.Export{Workspace: home, Name: reference.Name}, ok
}

// Validate refuses answers to claims that cannot be understood.
func (p *Claims) Validate(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetResource().GroupResource() != apisv1alpha2.Resource("apibindings") || a.GetSubresource() != "" ||
		a.GetResource().Version != apisv1alpha2.SchemeGroupVersion.Version {
		return nil
	}
	binding, err := typed[apisv1alpha2.APIBinding](a.GetObject())
	if err != nil {
		return apierrors.NewBadRequest(fmt.Sprintf("the APIBinding cannot be read: %v", err))
	}
	former, err := formerAnswers(a)
	if err != nil {
		return err
	}
	for i := range binding.Spec.PermissionClaims {
		answer := &binding.Spec.PermissionClaims[i]
		if answer.State != apisv1alpha2.ClaimAccepted {
			continue
		}
		if old, had := former[answered(answer)]; had && equality.Semantic.DeepEqual(old, answer) {
			continue
		}
		if _, err := claims.Selector(answer.Selector); err != nil {
			return admission.NewForbidden(a, fmt.Errorf("spec.permissionClaims[%d]: the claim to %s is accepted without saying for which objects: %w",
				i, claims.Text(answer.PermissionClaim), err))
		}
	}
	return nil
}

// question is what a claim is for. A binding answers each once.
type question struct {
	resource apisv1alpha2.GroupResource
	identity string
}

func answered(answer *apisv1alpha2.AcceptablePermissionClaim) question {
	return question{answer.GroupResource, answer.IdentityHash}
}

// formerAnswers returns those that the binding had before. They are not judged
// again: whatever they are, the rest of the binding can be mended.
func formerAnswers(a admission.Attributes) (map[question]*apisv1alpha2.AcceptablePermissionClaim, error) {
	if a.GetOperation() != admission.Update {
		return nil, nil
	}
	old, err := typed[apisv1alpha2.APIBinding](a.GetOldObject())
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the former APIBinding cannot be read: %v", err))
	}
	former := make(map[question]*apisv1alpha2.AcceptablePermissionClaim, len(old.Spec.PermissionClaims))
	for i := range old.Spec.PermissionClaims {
		former[answered(&old.Spec.PermissionClaims[i])] = &old.Spec.PermissionClaims[i]
	}
	return former, nil
}

// labelled returns the object of a write if it may change labels. Some subresources
// are objects of other kinds; and what comes through a view is judged there by what
// it changes: an agent must not seem to change what claims do.
func labelled(ctx context.Context, a admission.Attributes) (metav1.Object, logicalcluster.Name, bool) {
	scope, _ := keyspace.ScopeFrom(ctx)
	workspace, ok := scope.Workspace()
	if t, _ := target.From(ctx); !ok || t.View != nil || a.GetSubresource() == "scale" || a.GetSubresource() != "" && a.GetOperation() == admission.Create {
		return nil, "", false
	}
	object := accessor(a.GetObject())
	return object, workspace, object != nil
}
