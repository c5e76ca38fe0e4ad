package policies

import (
	"context"
	"time"

	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/policy/generic"
	"k8s.io/apiserver/pkg/admission/plugin/policy/matching"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// policyTime is how long all policies together may take to judge one write. One
// policy may cost as much as Kubernetes lets it; there is no limit to their number.
const policyTime = 10 * time.Second

// matcher matches by the namespaces of the workspace that is written to.
func (j *judgement) matcher() *matching.Matcher {
	in := func() logicalcluster.Name { return j.in }
	config := &j.policies.config
	return matching.NewMatcher(namespaces{find: config.Namespace, workspace: in}, storedNamespaces{hub: config.Hub, workspace: in})
}

// mutate runs what changes the object once.
func (j *judgement) mutate(ctx context.Context, o admission.ObjectInterfaces) error {
	if err := j.mutateByPolicies(ctx, o); err != nil {
		return err
	}
	return j.callWebhooks(ctx, o, j.policies.mutating, len(j.snapshot.mutatingWebhooks))
}

func (j *judgement) mutateByPolicies(ctx context.Context, o admission.ObjectInterfaces) error {
	if len(j.snapshot.mutating) == 0 || j.attributes.GetOperation() == admission.Delete {
		return nil // of what is deleted nothing can be changed
	}
	matcher := j.matcher()
	var hooks []mutating.PolicyHook
	for _, b := range j.snapshot.mutating {
		if !j.concerns(o, matcher, mutating.NewMutatingAdmissionPolicyAccessor(b.policy)) {
			continue
		}
		hook := mutating.PolicyHook{Policy: b.policy, Bindings: b.bindings}
		hook.ParamInformer, hook.ParamScope, hook.ConfigurationError = j.paramsOf(ctx, b.policy.Spec.ParamKind)
		hook.Evaluator = compiledIn(j.set, b.policy, func() mutating.PolicyEvaluator { return j.policies.compiler.mutating(b.policy) })
		if hook.ConfigurationError == nil && hook.Evaluator.Error != nil {
			hook.ConfigurationError = hook.Evaluator.Error
		}
		hooks = append(hooks, hook)
	}
	if len(hooks) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, policyTime)
	defer cancel()
	converters := j.policies.schemas.in(j.in)
	return mutating.NewDispatcher(j.authorizer(ctx), matcher, converters).Dispatch(ctx, j.attributes, o, hooks)
}

func (j *judgement) validateByPolicies(ctx context.Context, o admission.ObjectInterfaces) error {
	if len(j.snapshot.validating) == 0 {
		return nil
	}
	matcher := j.matcher()
	var hooks []validating.PolicyHook
	for _, b := range j.snapshot.validating {
		if !j.concerns(o, matcher, validating.NewValidatingAdmissionPolicyAccessor(b.policy)) {
			continue
		}
		hook := validating.PolicyHook{Policy: b.policy, Bindings: b.bindings}
		hook.ParamInformer, hook.ParamScope, hook.ConfigurationError = j.paramsOf(ctx, b.policy.Spec.ParamKind)
		hook.Evaluator = compiledIn(j.set, b.policy, func() validating.Validator { return j.policies.compiler.validating(b.policy) })
		hooks = append(hooks, hook)
	}
	if len(hooks) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, policyTime)
	defer cancel()
	return validating.NewDispatcher(j.authorizer(ctx), generic.NewPolicyMatcher(matcher)).Dispatch(ctx, j.attributes, o, hooks)
}

// concerns reports whether a policy is about a write, so that only those are
// compiled that are. What cannot be told is the dispatcher's to report.
func (j *judgement) concerns(o admission.ObjectInterfaces, matcher *matching.Matcher, policy generic.PolicyAccessor) bool {
	matches, _, _, err := generic.NewPolicyMatcher(matcher).DefinitionMatches(j.attributes, o, policy)
	return matches || err != nil
}
