package policies

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// judgement is one write and the policies that judge it.
type judgement struct {
	policies *Policies
	// in is the workspace that is written to, by the one whose policies judge.
	in, by   logicalcluster.Name
	set      *set
	snapshot *snapshot
	// attributes name the user as the judging workspace knows him.
	attributes admission.Attributes
	// user is who he is where he writes.
	user user.Info
}

// judge finds who judges a write, and false when nobody does.
func (p *Policies) judge(ctx context.Context, a admission.Attributes) (*judgement, bool) {
	scope, _ := keyspace.ScopeFrom(ctx)
	in, single := scope.Workspace()
	if !single {
		return nil, false
	}
	by := p.config.JudgedBy(in, a.GetResource().GroupResource())
	set := p.setOf(by)
	if set == nil || p.exempt(ctx, a) || in == by && p.config.Ending(in) {
		return nil, false
	}
	t, _ := target.From(ctx)
	here := identity.From(a.GetUserInfo(), t.Identity)
	return &judgement{
		policies: p, in: in, by: by, set: set, snapshot: set.use(p.config.Clock.Now()),
		attributes: renamed{a, &known{identity.In(here, by)}}, user: here,
	}, true
}

// exempt finds what nobody's policies judge (P3).
func (p *Policies) exempt(ctx context.Context, a admission.Attributes) bool {
	t, _ := target.From(ctx)
	return isHub(a.GetUserInfo()) || beyond(a) || t.View != nil && slices.Contains(p.config.HubViews, t.View.Kind)
}

// isHub reports whether it is the hub that writes, and not an operator who may do
// all that it may: he is judged, as in Kubernetes.
func isHub(u user.Info) bool { return identity.IsHub(u) && u.GetName() == user.APIServerUser }

// beyond finds what policies could only break: policies, by which they are mended;
// the LogicalCluster, by which the hub and others see a workspace through its life;
// and questions, which are not stored.
func beyond(a admission.Attributes) bool {
	switch resource := a.GetResource().GroupResource(); resource.Group {
	case "admissionregistration.k8s.io", "authentication.k8s.io", "authorization.k8s.io":
		return true
	default:
		return resource == corev1alpha1.Resource("logicalclusters")
	}
}

// renamed are attributes with another user.
type renamed struct {
	admission.Attributes
	user user.Info
}

// known is a user as the judging workspace knows him.
type known struct{ user.Info }

// GetUserInfo implements admission.Attributes.
func (r renamed) GetUserInfo() user.Info { return r.user }

// located makes the object say which workspace it is in, as it does once it is
// stored, and returns what takes that back.
func (j *judgement) located() (restore func()) {
	if j.attributes.GetObject() == nil {
		return func() {}
	}
	object, err := meta.Accessor(j.attributes.GetObject())
	if err != nil {
		return func() {}
	}
	before, had := object.GetAnnotations()[logicalcluster.AnnotationKey]
	annotate(object, j.in.String(), true)
	return func() { annotate(object, before, had) }
}

func annotate(object interface {
	GetAnnotations() map[string]string
	SetAnnotations(map[string]string)
}, value string, present bool) {
	annotations := object.GetAnnotations()
	switch {
	case present && annotations == nil:
		annotations = map[string]string{logicalcluster.AnnotationKey: value}
	case present:
		annotations[logicalcluster.AnnotationKey] = value
	default:
		delete(annotations, logicalcluster.AnnotationKey)
	}
	if len(annotations) == 0 {
		annotations = nil
	}
	object.SetAnnotations(annotations)
}

// authorizer answers CEL about the workspace that is written to. Upstream asks
// without a context, and about the user by the name that the policies know him by.
func (j *judgement) authorizer(ctx context.Context) authorizer.UnconditionalAuthorizer {
	ctx = keyspace.WithScope(ctx, keyspace.In(j.in))
	if t, _ := target.From(ctx); t.View != nil {
		ctx = target.With(ctx, target.Target{Path: j.in.Path(), Identity: j.in})
	}
	return authorizer.AuthorizerFunc(func(_ context.Context, ask authorizer.Attributes) (authorizer.Decision, string, error) {
		switch {
		case ask.GetUser() == j.attributes.GetUserInfo():
			ask = identity.AskedBy{Attributes: ask, User: j.user}
		case j.in != j.by:
			return authorizer.DecisionDeny, "policies of another workspace can ask about the user who writes, and about nobody else", nil
		}
		return j.policies.config.Authorizer.Authorize(ctx, ask)
	})
}
