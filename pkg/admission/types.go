package admission

import (
	"context"
	"errors"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/directory"
	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// maxPermissions is how many single permissions the rules in a type may amount
// to. Each is judged.
const maxPermissions = 2000

// Types judges WorkspaceTypes. What a type says is done by the hub in workspaces
// of those who use it, so its author has to be allowed all of it himself.
type Types struct {
	*admission.Handler
	directory *directory.Directory
	types     prepare.TypeLookup
	judge     judge
}

var _ admission.MutationInterface = &Types{}

// NewTypes returns the plugin. rbac judges by the workspace in the target of its
// context.
func NewTypes(dir *directory.Directory, types prepare.TypeLookup, rbac authorizer.UnconditionalAuthorizer) *Types {
	return &Types{Handler: admission.NewHandler(admission.Create, admission.Update), directory: dir, types: types, judge: judge{dir, rbac}}
}

// Admit refuses a type that can not be, or asks for what its author may not
// have, and notes down which workspaces its paths mean.
func (p *Types) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetResource().GroupResource() != tenancyv1alpha1.Resource("workspacetypes") || a.GetSubresource() != "" {
		return nil
	}
	kind, err := typed[tenancyv1alpha1.WorkspaceType](a.GetObject())
	if err != nil {
		return apierrors.NewBadRequest(fmt.Sprintf("the WorkspaceType cannot be read: %v", err))
	}
	if err := p.admit(ctx, a, kind); err != nil {
		return admission.NewForbidden(a, err)
	}
	return store(kind, a.GetObject())
}

func (p *Types) admit(ctx context.Context, a admission.Attributes, kind *tenancyv1alpha1.WorkspaceType) error {
	t, _ := target.From(ctx)
	home, ok := p.directory.ByName(t.Identity)
	if !ok {
		return fmt.Errorf("the workspace %q is not known", t.Path)
	}
	if a.GetOperation() == admission.Create {
		if err := prepare.TypeName(kind, home.Name); err != nil {
			return err
		}
	}
	self := prepare.Ancestor{WorkspaceTypeReference: tenancyv1alpha1.WorkspaceTypeReference{
		Path: home.Path.String(), Name: tenancyv1alpha1.WorkspaceTypeName(kind.Name),
	}, Type: kind}
	if a.GetOperation() == admission.Update {
		old, err := typed[tenancyv1alpha1.WorkspaceType](a.GetOldObject())
		if err != nil {
			return err
		}
		if equality.Semantic.DeepEqual(old.Spec, kind.Spec) {
			return prepare.SetMeant(kind, prepare.MeantWorkspaces(old))
		}
	}
	return p.judgeSpec(ctx, a.GetUserInfo(), self, home.Name)
}

// judgeSpec judges the spec as a whole, also what was in it before: who changes
// a type answers for it.
func (p *Types) judgeSpec(ctx context.Context, author user.Info, self prepare.Ancestor, home logicalcluster.Name) error {
	if err := prepare.TypeSpec(self.Type.Spec); err != nil {
		return err
	}
	meant := p.meant(self)
	if err := p.references(ctx, author, self.Type.Spec, meant); err != nil {
		return err
	}
	if err := prepare.SetMeant(self.Type, meant); err != nil {
		return err
	}
	if err := circles(self, home, p.types); err != nil {
		return err
	}
	return errors.Join(
		p.permissions(ctx, author, "spec.initializerPermissions", self.Type.Spec.InitializerPermissions),
		p.permissions(ctx, author, "spec.terminatorPermissions", self.Type.Spec.TerminatorPermissions),
	)
}

// circles refuses a type that extends itself, or too much. What is missing may
// still come: until then a condition says so.
func circles(self prepare.Ancestor, home logicalcluster.Name, types prepare.TypeLookup) error {
	stamped := self.Type.DeepCopy()
	if stamped.Annotations == nil {
		stamped.Annotations = map[string]string{}
	}
	stamped.Annotations[logicalcluster.AnnotationKey] = home.String()
	_, err := prepare.ResolveType(prepare.Ancestor{WorkspaceTypeReference: self.WorkspaceTypeReference, Type: stamped}, types)
	var unresolved *prepare.Unresolved
	if errors.As(err, &unresolved) && (len(unresolved.Circles) > 0 || unresolved.TooMany || unresolved.TooManyBindings) {
		unresolved.Missing = nil
		return fmt.Errorf("spec.extend: %w", unresolved)
	}
	return nil
}

// references asks for the verbs "use" on each extended type and "bind" on each
// default export, in the workspaces that are meant.
func (p *Types) references(ctx context.Context, author user.Info, spec tenancyv1alpha1.WorkspaceTypeSpec, meant map[string]logicalcluster.Name) error {
	if identity.IsHub(author) {
		return nil
	}
	for i, ref := range spec.Extend.With {
		if home, ok := meant[prepare.MeantKey(ref)]; !ok || !p.judge.uses(ctx, author, home.Path(), ref.Name) {
			return fmt.Errorf("spec.extend.with[%d]: %w", i, cannotUse(logicalcluster.Path(ref.Path), ref.Name))
		}
	}
	for i, ref := range spec.DefaultAPIBindings {
		home, ok := meant[ref.Path]
		if ok = ok || ref.Path == ""; !ok || !p.judge.mayBind(ctx, author, home.Path(), ref.Export) {
			return fmt.Errorf("spec.defaultAPIBindings[%d]: no permission to bind to export %q of workspace %q: "+
				"it does not exist, or its owner has to grant you the verb \"bind\" on it", i, ref.Export, ref.Path)
		}
	}
	return nil
}

// meant finds the workspaces that self refers to, as they are now.
func (p *Types) meant(self prepare.Ancestor) map[string]logicalcluster.Name {
	meant := map[string]logicalcluster.Name{}
	note := func(key string, path logicalcluster.Path) {
		if entry, ok := p.directory.Resolve(path); ok {
			meant[key] = entry.Name
		}
	}
	for _, ref := range self.Type.Spec.Extend.With {
		note(prepare.MeantKey(ref), prepare.ExtensionHome(self, ref, p.types))
	}
	for _, ref := range self.Type.Spec.DefaultAPIBindings {
		if ref.Path != "" {
			note(ref.Path, logicalcluster.Path(ref.Path))
		}
	}
	if ref := self.Type.Spec.DefaultChildWorkspaceType; ref != nil && ref.Path != "" {
		note(ref.Path, logicalcluster.Path(ref.Path))
	}
	return meant
}

// permissions asks, for all that rules allow, whether author may do so in the
// workspace of the type, as Kubernetes does for roles.
func (p *Types) permissions(ctx context.Context, author user.Info, where string, rules []rbacv1.PolicyRule) error {
	if identity.IsHub(author) {
		return nil
	}
	count := 0
	for i, rule := range rules {
		asks := permissionsOf(rule, maxPermissions-count)
		if count += len(asks); count >= maxPermissions {
			return fmt.Errorf("%s[%d]: too many single permissions: use fewer rules, with \"*\" where that is meant", where, i)
		}
		for _, ask := range asks {
			if !p.judge.allows(ctx, author, "", ask) {
				return fmt.Errorf("%s[%d]: you can not give away what you may not do yourself in this workspace: %s", where, i, askText(ask))
			}
		}
	}
	return nil
}

// permissionsOf takes rule apart, and stops at most single permissions.
func permissionsOf(rule rbacv1.PolicyRule, most int) []authorizer.AttributesRecord {
	var asks []authorizer.AttributesRecord
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	for _, verb := range rule.Verbs {
		for _, url := range rule.NonResourceURLs {
			asks = append(asks, authorizer.AttributesRecord{Verb: verb, Path: url})
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, name := range names {
					if len(asks) >= most {
						return asks
					}
					asks = append(asks, resourceAsk(verb, group, resource, name))
				}
			}
		}
	}
	return asks
}
