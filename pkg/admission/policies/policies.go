package policies

import (
	"context"
	"sync"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/egress"
	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// idleAfter is how long what was compiled for a workspace is kept after the
	// last write that it judged, and sweepEvery how often that is looked at.
	idleAfter, sweepEvery = 5 * time.Minute, time.Minute
	// waitingPerWorkspace and waitingTogether are how many calls of webhooks may be
	// under way, of one workspace's and of all. The hub serves 200 writing requests
	// at a time, and one that calls a webhook takes as long as that pleases.
	waitingPerWorkspace, waitingTogether = 25, 100
)

// Models hold the policies of all workspaces.
type Models struct {
	ValidatingPolicies *informers.Informer[*admissionregistrationv1.ValidatingAdmissionPolicy]
	ValidatingBindings *informers.Informer[*admissionregistrationv1.ValidatingAdmissionPolicyBinding]
	MutatingPolicies   *informers.Informer[*admissionregistrationv1.MutatingAdmissionPolicy]
	MutatingBindings   *informers.Informer[*admissionregistrationv1.MutatingAdmissionPolicyBinding]
	ValidatingWebhooks *informers.Informer[*admissionregistrationv1.ValidatingWebhookConfiguration]
	MutatingWebhooks   *informers.Informer[*admissionregistrationv1.MutatingWebhookConfiguration]
}

// Config is what New needs.
type Config struct {
	Models Models
	// JudgedBy returns the workspace whose policies judge a resource of another.
	JudgedBy func(logicalcluster.Name, schema.GroupResource) logicalcluster.Name
	// Ending reports whether a workspace is being deleted.
	Ending func(logicalcluster.Name) bool
	// Namespace answers from memory. Hub is asked for namespaces that memory does
	// not know yet, and for params.
	Namespace func(logicalcluster.Key) (*corev1.Namespace, bool)
	Hub       *client.Hub
	// ResourceOf finds the resource of a kind that a workspace serves, Schemas
	// describes it.
	ResourceOf func(logicalcluster.Name, schema.GroupVersionKind) (resource string, namespaced, ok bool)
	Schemas    SchemaSource
	// Authorizer answers CEL. It judges by the workspace in the target of its
	// context.
	Authorizer authorizer.UnconditionalAuthorizer
	// Door makes the connections to webhooks.
	Door *egress.Door
	// HubViews are the kinds of views through which the hub's own agents work.
	HubViews []string
	// Clock is the real one when nil.
	Clock clock.WithTicker
}

// Policies are those of all workspaces.
type Policies struct {
	config   Config
	compiler *compiler
	schemas  *schemas
	// pools lend out upstream's webhook plugins.
	mutating, validating *pool

	// sets hold a *set for each workspace that has policies.
	sets sync.Map
	mu   sync.Mutex // guards writes to sets
}

// New returns Policies that follow the models of config.
func New(config Config) *Policies {
	if config.Clock == nil {
		config.Clock = clock.RealClock{}
	}
	p := &Policies{config: config, compiler: newCompiler(), schemas: newSchemas(config.Schemas)}
	calls := newCalls(config.Door)
	p.mutating, p.validating = newPool(&p.config, calls, newMutatingPlugin), newPool(&p.config, calls, newValidatingPlugin)
	follow(p, config.Models.ValidatingPolicies)
	follow(p, config.Models.ValidatingBindings)
	follow(p, config.Models.MutatingPolicies)
	follow(p, config.Models.MutatingBindings)
	follow(p, config.Models.ValidatingWebhooks)
	follow(p, config.Models.MutatingWebhooks)
	return p
}

func follow[T metav1.Object](p *Policies, informer *informers.Informer[T]) {
	informer.OnChange(func(_, _ T, key logicalcluster.Key) { p.changed(key.Workspace) })
}

// changed notes that the models have changed for a workspace.
func (p *Policies) changed(workspace logicalcluster.Name) {
	p.mu.Lock()
	defer p.mu.Unlock()
	found, known := p.sets.Load(workspace)
	switch {
	case p.config.Models.none(workspace):
		p.sets.Delete(workspace)
	case known:
		found.(*set).invalidate()
	default:
		p.sets.Store(workspace, newSet(workspace, p.config.Models))
	}
}

func (m Models) none(workspace logicalcluster.Name) bool {
	return len(m.ValidatingPolicies.In(workspace))+len(m.ValidatingBindings.In(workspace))+
		len(m.MutatingPolicies.In(workspace))+len(m.MutatingBindings.In(workspace))+
		len(m.ValidatingWebhooks.In(workspace))+len(m.MutatingWebhooks.In(workspace)) == 0
}

// setOf returns the set of a workspace, or nil when it has no policies (P1).
func (p *Policies) setOf(workspace logicalcluster.Name) *set {
	if found, ok := p.sets.Load(workspace); ok {
		return found.(*set)
	}
	return nil
}

// Name names the loop that Run is.
func (p *Policies) Name() string { return "policies" }

// Run drops what has not been used for a while, until ctx ends.
func (p *Policies) Run(ctx context.Context) {
	ticker := p.config.Clock.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			p.Sweep(time.Time{})
			return
		case <-ticker.C():
			p.Sweep(p.config.Clock.Now().Add(-idleAfter))
		}
	}
}

// Sweep drops what was last used before a time; zero stands for the end of time.
func (p *Policies) Sweep(before time.Time) {
	p.sets.Range(func(_, found any) bool {
		found.(*set).sweep(before)
		return true
	})
	p.mutating.sweep(before)
	p.validating.sweep(before)
}

// Mutating is the plugin that comes before all others (P4).
func (p *Policies) Mutating() admission.MutationInterface {
	return &mutatingPlugin{admission.NewHandler(admission.Create, admission.Update, admission.Delete, admission.Connect), p}
}

// Validating is the plugin that comes after all others (P4).
func (p *Policies) Validating() admission.ValidationInterface {
	return &validatingPlugin{admission.NewHandler(admission.Create, admission.Update, admission.Delete, admission.Connect), p}
}

type mutatingPlugin struct {
	*admission.Handler
	policies *Policies
}

// Admit has the object changed by policies, then by webhooks, as Kubernetes does,
// and once more by those that ask for it when others changed it after them.
func (m *mutatingPlugin) Admit(ctx context.Context, a admission.Attributes, o admission.ObjectInterfaces) error {
	j, judged := m.policies.judge(ctx, a)
	if !judged {
		return nil
	}
	defer j.located()()
	if len(j.snapshot.mutating)+len(j.snapshot.mutatingWebhooks) == 0 {
		return nil
	}
	if err := j.mutate(ctx, o); err != nil {
		return err
	}
	if again := a.GetReinvocationContext(); again.ShouldReinvoke() {
		again.SetIsReinvoke()
		if err := j.mutate(ctx, o); err != nil {
			return err
		}
	}
	return shallow(a.GetObject())
}

type validatingPlugin struct {
	*admission.Handler
	policies *Policies
}

// Validate asks policies, then webhooks.
func (v *validatingPlugin) Validate(ctx context.Context, a admission.Attributes, o admission.ObjectInterfaces) error {
	j, judged := v.policies.judge(ctx, a)
	if !judged {
		return nil
	}
	defer j.located()()
	if err := j.validateByPolicies(ctx, o); err != nil {
		return err
	}
	return j.callWebhooks(ctx, o, j.policies.validating, len(j.snapshot.validatingWebhooks))
}

// Known reports whether a workspace has policies, and how many of them are kept
// compiled.
func (p *Policies) Known(workspace logicalcluster.Name) (compiled int, known bool) {
	set := p.setOf(workspace)
	if set == nil {
		return 0, false
	}
	return set.compiled.Len(), true
}
