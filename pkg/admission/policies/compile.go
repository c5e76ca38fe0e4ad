package policies

import (
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// compiler compiles the CEL of policies. Those without variables share one
// environment, and then take a sixth of the memory.
type compiler struct {
	env    *environment.EnvSet
	shared cel.Compiler
}

func newCompiler() *compiler {
	env := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	return &compiler{env: env, shared: cel.NewCompiler(env)}
}

// expressions compiles those of one policy.
type expressions struct {
	compiler cel.Compiler
	// composed is set for a policy with variables.
	composed *cel.CompositedCompiler
	params   bool
}

func (c *compiler) expressions(variables []admissionregistrationv1.Variable, params bool) (*expressions, error) {
	e := &expressions{compiler: c.shared, params: params}
	if len(variables) == 0 {
		return e, nil
	}
	composed, err := cel.NewCompositedCompiler(c.env)
	if err != nil {
		return nil, err
	}
	for _, variable := range variables {
		// One that does not compile is an error of what uses it.
		composed.CompileAndStoreVariable(&validating.Variable{Name: variable.Name, Expression: variable.Expression}, e.variables(true), environment.StoredExpressions)
	}
	e.composed = composed
	return e, nil
}

// variables are what expressions can speak of.
func (e *expressions) variables(authorizer bool) cel.OptionalVariableDeclarations {
	return cel.OptionalVariableDeclarations{HasParams: e.params, HasAuthorizer: authorizer}
}

func (e *expressions) condition(those []cel.ExpressionAccessor, authorizer bool) cel.ConditionEvaluator {
	if e.composed != nil {
		return e.composed.CompileCondition(those, e.variables(authorizer), environment.StoredExpressions)
	}
	results := make([]cel.CompilationResult, len(those))
	for i, one := range those {
		if one != nil {
			results[i] = e.compiler.CompileCELExpression(one, e.variables(authorizer), environment.StoredExpressions)
		}
	}
	return cel.NewCondition(results)
}

func (e *expressions) mutation(one cel.ExpressionAccessor) cel.MutatingEvaluator {
	variables := e.variables(true)
	variables.HasPatchTypes = true
	if e.composed != nil {
		return e.composed.CompileMutatingEvaluator(one, variables, environment.StoredExpressions)
	}
	return cel.NewMutatingEvaluator(e.compiler.CompileCELExpression(one, variables, environment.StoredExpressions))
}

// matcher returns what decides by conditions whether a policy is to judge, or nil
// when it is always.
func (e *expressions) matcher(conditions []admissionregistrationv1.MatchCondition, failure *admissionregistrationv1.FailurePolicyType, action, policy string) matchconditions.Matcher {
	if len(conditions) == 0 {
		return nil
	}
	those := make([]cel.ExpressionAccessor, 0, len(conditions))
	for i := range conditions {
		those = append(those, (*matchconditions.MatchCondition)(&conditions[i]))
	}
	return matchconditions.NewMatcher(e.condition(those, true), failure, "policy", action, policy)
}

func (c *compiler) validating(policy *admissionregistrationv1.ValidatingAdmissionPolicy) validating.Validator {
	spec := &policy.Spec
	e, err := c.expressions(spec.Variables, spec.ParamKind != nil)
	if err != nil {
		return validating.NewValidator(nil, nil, nil, nil, spec.FailurePolicy, err)
	}
	validations, messages := make([]cel.ExpressionAccessor, len(spec.Validations)), make([]cel.ExpressionAccessor, len(spec.Validations))
	for i, v := range spec.Validations {
		validations[i] = &validating.ValidationCondition{Expression: v.Expression, Message: v.Message, Reason: v.Reason}
		if v.MessageExpression != "" {
			messages[i] = &validating.MessageExpressionCondition{MessageExpression: v.MessageExpression}
		}
	}
	annotations := make([]cel.ExpressionAccessor, 0, len(spec.AuditAnnotations))
	for _, a := range spec.AuditAnnotations {
		annotations = append(annotations, &validating.AuditAnnotationCondition{Key: a.Key, ValueExpression: a.ValueExpression})
	}
	return validating.NewValidator(
		e.condition(validations, true),
		e.matcher(spec.MatchConditions, spec.FailurePolicy, "validate", policy.Name),
		e.condition(annotations, true),
		e.condition(messages, false),
		spec.FailurePolicy, nil,
	)
}

func (c *compiler) mutating(policy *admissionregistrationv1.MutatingAdmissionPolicy) mutating.PolicyEvaluator {
	spec := &policy.Spec
	e, err := c.expressions(spec.Variables, spec.ParamKind != nil)
	if err != nil {
		return mutating.PolicyEvaluator{Error: &apiservercel.Error{Type: apiservercel.ErrorTypeInternal, Detail: fmt.Sprintf("failed to make the environment of the policy: %v", err)}}
	}
	evaluator := mutating.PolicyEvaluator{
		CompositedCompiler: e.composed,
		Matcher:            e.matcher(spec.MatchConditions, spec.FailurePolicy, "mutate", policy.Name),
	}
	for _, m := range spec.Mutations {
		switch {
		case m.PatchType == admissionregistrationv1.PatchTypeJSONPatch && m.JSONPatch != nil:
			evaluator.Mutators = append(evaluator.Mutators, patch.NewJSONPatcher(e.mutation(&patch.JSONPatchCondition{Expression: m.JSONPatch.Expression})))
		case m.PatchType == admissionregistrationv1.PatchTypeApplyConfiguration && m.ApplyConfiguration != nil:
			evaluator.Mutators = append(evaluator.Mutators, patch.NewApplyConfigurationPatcher(e.mutation(&patch.ApplyConfigurationCondition{Expression: m.ApplyConfiguration.Expression})))
		}
	}
	return evaluator
}
