package celconversion

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/version"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
)

// What an APIConversion may have. Compiling an expression takes milliseconds, and
// whoever may write schemas may write many.
const (
	maxRules          = 256
	maxTransformation = 4 << 10
)

// Rules convert between the versions of one resource.
type Rules struct {
	key     string
	storage string
	pairs   map[pair]*ruleset
}

type pair struct{ from, to string }

// ruleset makes an object of one version one of another.
type ruleset struct {
	rules []rule
	// preserve are fields of the version that it comes from.
	preserve []place
}

// place is a field of a version.
type place struct {
	name   string // without a leading dot
	fields []string
	// validator is nil where anything may be.
	validator validation.SchemaValidator
}

type rule struct {
	from, to   place
	structural *structuralschema.Structural // of from
	program    cel.Program                  // nil copies
}

// Key identifies what the rules do: equal rules have equal keys.
func (r *Rules) Key() string { return r.key }

// Compile returns the rules of conversion for objects of schema. The error names
// every rule that is wrong.
func Compile(conversion *apisv1alpha1.APIConversion, schema *apisv1alpha1.APIResourceSchema) (*Rules, error) {
	key, err := keyOf(conversion)
	if err != nil {
		return nil, err
	}
	c := &compiler{versions: map[string]*apiextensions.JSONSchemaProps{}, environments: map[string]*cel.Env{}}
	rules := &Rules{key: key, pairs: map[pair]*ruleset{}}
	for i := range schema.Spec.Versions {
		declared := &schema.Spec.Versions[i]
		if c.versions[declared.Name], err = propsOf(declared); err != nil {
			return nil, fmt.Errorf("APIResourceSchema %q: version %q: %w", schema.Name, declared.Name, err)
		}
		if declared.Storage {
			rules.storage = declared.Name
		}
	}
	path := field.NewPath("spec", "conversions")
	if count := countRules(conversion); count > maxRules {
		return nil, field.TooMany(path, count, maxRules)
	}
	for i := range conversion.Spec.Conversions {
		one := &conversion.Spec.Conversions[i]
		key := pair{one.From, one.To}
		if _, twice := rules.pairs[key]; twice {
			c.errors = append(c.errors, field.Duplicate(path.Index(i), one.From+" to "+one.To))
			continue
		}
		rules.pairs[key] = c.compile(path.Index(i), one)
	}
	if err := c.errors.ToAggregate(); err != nil {
		return nil, err
	}
	return rules, nil
}

func keyOf(conversion *apisv1alpha1.APIConversion) (string, error) {
	text, err := json.Marshal(conversion.Spec)
	if err != nil {
		return "", fmt.Errorf("write the rules: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:20]), nil
}

func countRules(conversion *apisv1alpha1.APIConversion) int {
	n := 0
	for i := range conversion.Spec.Conversions {
		n += len(conversion.Spec.Conversions[i].Rules) + len(conversion.Spec.Conversions[i].Preserve)
	}
	return n
}

func propsOf(declared *apisv1alpha1.APIResourceVersion) (*apiextensions.JSONSchemaProps, error) {
	props, err := declared.GetSchema()
	if err != nil {
		return nil, err
	}
	internal := &apiextensions.JSONSchemaProps{}
	if props == nil {
		return internal, nil
	}
	return internal, apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(props, internal, nil)
}

// compiler collects what is wrong.
type compiler struct {
	versions     map[string]*apiextensions.JSONSchemaProps
	environments map[string]*cel.Env // by version and field
	errors       field.ErrorList
}

func (c *compiler) compile(path *field.Path, conversion *apisv1alpha1.APIVersionConversion) *ruleset {
	from, to := c.version(path.Child("from"), conversion.From), c.version(path.Child("to"), conversion.To)
	if from == nil || to == nil {
		return nil
	}
	if conversion.From == conversion.To {
		c.errors = append(c.errors, field.Invalid(path.Child("to"), conversion.To, "must be another version than from"))
		return nil
	}
	set := &ruleset{}
	for i := range conversion.Rules {
		if compiled, ok := c.rule(path.Child("rules").Index(i), &conversion.Rules[i], conversion.From, from, to); ok {
			set.rules = append(set.rules, compiled)
		}
	}
	for i, name := range conversion.Preserve {
		if kept, ok := c.writable(path.Child("preserve").Index(i), name, from); ok {
			set.preserve = append(set.preserve, kept)
		}
	}
	return set
}

func (c *compiler) version(path *field.Path, name string) *apiextensions.JSONSchemaProps {
	props, ok := c.versions[name]
	if !ok {
		c.errors = append(c.errors, field.NotFound(path, name))
	}
	return props
}

func (c *compiler) rule(path *field.Path, declared *apisv1alpha1.APIConversionRule, version string, from, to *apiextensions.JSONSchemaProps) (rule, bool) {
	compiled := rule{}
	source, props, sourceErr := find(from, declared.Field)
	if sourceErr != nil {
		c.errors = append(c.errors, field.Invalid(path.Child("field"), declared.Field, sourceErr.Error()))
	}
	destination, ok := c.writable(path.Child("destination"), declared.Destination, to)
	if sourceErr != nil || !ok {
		return compiled, false
	}
	compiled.from, compiled.to = source, destination
	if declared.Transformation == "" {
		return compiled, true
	}
	if props != nil {
		var err error
		if compiled.structural, err = structuralschema.NewStructural(props); err != nil {
			c.errors = append(c.errors, field.Invalid(path.Child("field"), declared.Field, err.Error()))
			return compiled, false
		}
	}
	program, err := c.program(version+" "+source.name, compiled.structural, declared.Transformation)
	if err != nil {
		c.errors = append(c.errors, field.Invalid(path.Child("transformation"), declared.Transformation, err.Error()))
		return compiled, false
	}
	compiled.program = program
	return compiled, true
}

// writable returns the place called name, unless it is not for rules (R1).
func (c *compiler) writable(path *field.Path, name string, props *apiextensions.JSONSchemaProps) (place, bool) {
	found, _, err := find(props, name)
	if err == nil && slices.Contains([]string{"metadata", "apiVersion", "kind"}, found.fields[0]) {
		err = fmt.Errorf("%s cannot be converted", found.fields[0])
	}
	if err != nil {
		c.errors = append(c.errors, field.Invalid(path, name, err.Error()))
	}
	return found, err == nil
}

// find walks from the schema of a version to that of a field. The schema is nil
// where unknown fields are preserved.
func find(props *apiextensions.JSONSchemaProps, name string) (place, *apiextensions.JSONSchemaProps, error) {
	p := place{name: strings.TrimPrefix(name, ".")}
	p.fields = strings.Split(p.name, ".")
	for i, one := range p.fields {
		next := below(props, one)
		if next == nil && props.XPreserveUnknownFields != nil && *props.XPreserveUnknownFields {
			return p, nil, nil
		}
		if next == nil {
			return p, nil, fmt.Errorf("the version has no field %q", strings.Join(p.fields[:i+1], "."))
		}
		props = next
	}
	validator, _, err := validation.NewSchemaValidator(props)
	if err != nil {
		return p, nil, fmt.Errorf("its schema cannot be used: %w", err)
	}
	p.validator = validator
	return p, props, nil
}

func below(props *apiextensions.JSONSchemaProps, name string) *apiextensions.JSONSchemaProps {
	if property, ok := props.Properties[name]; ok {
		return &property
	}
	if props.AdditionalProperties != nil && name != "" {
		return props.AdditionalProperties.Schema
	}
	return nil
}

// program compiles a transformation of a field with the given schema.
func (c *compiler) program(where string, structural *structuralschema.Structural, transformation string) (cel.Program, error) {
	if len(transformation) > maxTransformation {
		return nil, fmt.Errorf("longer than %d characters", maxTransformation)
	}
	env, err := c.environment(where, structural)
	if err != nil {
		return nil, err
	}
	compiled, issues := env.Compile(transformation)
	if issues != nil {
		return nil, issues.Err()
	}
	return env.Program(compiled,
		cel.CostLimit(celconfig.PerCallLimit),
		cel.CostTracking(&library.CostEstimator{}),
		cel.InterruptCheckFrequency(celconfig.CheckFrequency),
	)
}

// environment returns the one in which self is a field with the given schema.
func (c *compiler) environment(where string, structural *structuralschema.Structural) (*cel.Env, error) {
	if env, ok := c.environments[where]; ok {
		return env, nil
	}
	options := environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions:        []cel.EnvOption{cel.Variable("self", cel.DynType)},
	}
	if declared := declaredType(structural); declared != nil {
		declared = declared.MaybeAssignTypeName("field")
		options.EnvOptions = []cel.EnvOption{cel.Variable("self", declared.CelType())}
		options.DeclTypes = []*apiservercel.DeclType{declared}
	}
	set, err := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()).Extend(options)
	if err != nil {
		return nil, fmt.Errorf("its type cannot be used in an expression: %w", err)
	}
	env := set.StoredExpressionsEnv()
	c.environments[where] = env
	return env, nil
}

func declaredType(structural *structuralschema.Structural) *apiservercel.DeclType {
	if structural == nil {
		return nil
	}
	return model.SchemaDeclType(structural, structural.XEmbeddedResource)
}
