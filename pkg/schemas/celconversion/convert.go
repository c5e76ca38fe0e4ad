package celconversion

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	schemacel "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
)

// objectBudget is what converting one object may cost, in the units of CEL: about
// a quarter of a second.
const objectBudget = 2_500_000

// What rules make of one object may have growth times its size, and slack. Without
// a bound a list of small objects would, in another version, fill the memory of
// whoever converts it.
const (
	growth = 4
	slack  = 4 << 10
)

// budget is what is left for converting one object.
type budget struct{ cost, bytes int64 }

func budgetFor(object *unstructured.Unstructured) *budget {
	return &budget{cost: objectBudget, bytes: growth*sizeOf(object.Object) + slack}
}

// spend takes what CEL has cost.
func (b *budget) spend(cost uint64) error {
	if b.cost -= int64(min(cost, objectBudget+1)); b.cost < 0 {
		return fmt.Errorf("converting one object costs too much")
	}
	return nil
}

// store takes the place of a value.
func (b *budget) store(value any) error {
	if b.bytes -= sizeOf(value); b.bytes < 0 {
		return fmt.Errorf("it gets too large: what rules make of an object, and preserve of it, may have %d times its size and %d bytes", growth, slack)
	}
	return nil
}

// sizeOf returns about how many bytes of JSON a value is.
func sizeOf(value any) int64 {
	const punctuation, number = 4, 8
	size := int64(punctuation)
	switch value := value.(type) {
	case string:
		size += int64(len(value))
	case map[string]any:
		for key, inner := range value {
			size += int64(len(key)) + sizeOf(inner)
		}
	case []any:
		for _, inner := range value {
			size += sizeOf(inner)
		}
	default:
		size = number
	}
	return size
}

// Convert is a schemas.Converter. The error names the object and the rule that
// could not be followed.
func (r *Rules) Convert(ctx context.Context, desiredAPIVersion string, objects []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	to, err := schema.ParseGroupVersion(desiredAPIVersion)
	if err != nil {
		return nil, err
	}
	converted := make([]*unstructured.Unstructured, 0, len(objects))
	for _, object := range objects {
		left := budgetFor(object)
		for _, step := range r.steps(object.GroupVersionKind().Version, to.Version) {
			if object, err = r.step(ctx, step, object, left); err != nil {
				return nil, fmt.Errorf("convert %s from %s to %s: %w", describe(object), step.from, step.to, err)
			}
		}
		object.SetAPIVersion(desiredAPIVersion)
		converted = append(converted, object)
	}
	return converted, nil
}

func describe(object *unstructured.Unstructured) string {
	return strings.TrimPrefix(object.GetNamespace()+"/"+object.GetName(), "/")
}

// steps is the way from one version to another: straight if there are rules for
// it, otherwise through the version that is stored.
func (r *Rules) steps(from, to string) []pair {
	_, straight := r.pairs[pair{from, to}]
	switch {
	case from == to:
		return nil
	case straight || from == r.storage || to == r.storage:
		return []pair{{from, to}}
	default:
		return []pair{{from, r.storage}, {r.storage, to}}
	}
}

// step returns object in the next version. Of an error the object is the one that
// it is about.
func (r *Rules) step(ctx context.Context, step pair, object *unstructured.Unstructured, left *budget) (*unstructured.Unstructured, error) {
	converted := object.DeepCopy()
	converted.SetAPIVersion(schema.GroupVersion{Group: object.GroupVersionKind().Group, Version: step.to}.String())
	set := r.pairs[step]
	if set == nil {
		set = &ruleset{}
	}
	for i := range set.rules {
		if err := set.rules[i].apply(ctx, object, converted, left); err != nil {
			return object, err
		}
	}
	annotations := maps.Clone(object.GetAnnotations())
	r.restore(step, annotations, converted)
	annotations, err := preserve(step, set.preserve, annotations, object, left)
	if err != nil {
		return object, err
	}
	if len(annotations) == 0 {
		annotations = nil
	}
	converted.SetAnnotations(annotations)
	return converted, nil
}

// apply follows one rule.
func (r *rule) apply(ctx context.Context, object, converted *unstructured.Unstructured, left *budget) error {
	value, found, err := unstructured.NestedFieldNoCopy(object.Object, r.from.fields...)
	if err != nil {
		return fmt.Errorf("field %s: %w", r.from.name, err)
	}
	if !found {
		return nil
	}
	if value = runtime.DeepCopyJSONValue(value); r.program != nil {
		if value, err = r.transform(ctx, value, left); err != nil {
			return fmt.Errorf("the transformation of %s to %s: %w", r.from.name, r.to.name, err)
		}
	}
	if err := left.store(value); err != nil {
		return fmt.Errorf("%s from %s: %w", r.to.name, r.from.name, err)
	}
	if err := r.to.valid(value); err != nil {
		return fmt.Errorf("%s became something that %s cannot be: %w", r.from.name, r.to.name, err)
	}
	if err := unstructured.SetNestedField(converted.Object, value, r.to.fields...); err != nil {
		return fmt.Errorf("field %s: %w", r.to.name, err)
	}
	return nil
}

func (r *rule) transform(ctx context.Context, value any, left *budget) (any, error) {
	var self ref.Val
	if declaredType(r.structural) != nil {
		self = schemacel.UnstructuredToVal(value, r.structural)
	} else {
		self = types.DefaultTypeAdapter.NativeToValue(value)
	}
	result, details, err := r.program.ContextEval(ctx, map[string]any{"self": self})
	if err != nil {
		return nil, err
	}
	if cost := details.ActualCost(); cost != nil {
		if err := left.spend(*cost); err != nil {
			return nil, err
		}
	}
	return toJSON(result)
}

// valid returns why value cannot be at p, or nil (R2).
func (p *place) valid(value any) error {
	if p.validator == nil {
		return nil
	}
	return validation.ValidateCustomResource(nil, value, p.validator).ToAggregate()
}

// restore puts back into converted what an earlier conversion kept for its
// version, and takes it from annotations.
func (r *Rules) restore(step pair, annotations map[string]string, converted *unstructured.Unstructured) {
	key := apisv1alpha1.VersionPreservationAnnotationKeyPrefix + step.to
	text, ok := annotations[key]
	if !ok {
		return
	}
	delete(annotations, key)
	kept := map[string]any{}
	if unmarshal(text, &kept) != nil {
		return // somebody else wrote it
	}
	for _, p := range r.preserved(step.to) {
		value, ok := kept[p.name]
		if !ok || p.valid(value) != nil {
			continue
		}
		// An error says that the field does not fit the rest of the object.
		_ = unstructured.SetNestedField(converted.Object, value, p.fields...)
	}
}

// preserved lists what any conversion from a version keeps for it.
func (r *Rules) preserved(version string) []place {
	var places []place
	for key, set := range r.pairs {
		if key.from == version {
			places = append(places, set.preserve...)
		}
	}
	return places
}

// preserve adds the fields at places in object to annotations, for the way back.
func preserve(step pair, places []place, annotations map[string]string, object *unstructured.Unstructured, left *budget) (map[string]string, error) {
	kept := map[string]any{}
	for _, p := range places {
		value, found, err := unstructured.NestedFieldNoCopy(object.Object, p.fields...)
		if err != nil || !found {
			continue
		}
		if err := left.store(value); err != nil {
			return nil, fmt.Errorf("preserve %s: %w", p.name, err)
		}
		kept[p.name] = value
	}
	key := apisv1alpha1.VersionPreservationAnnotationKeyPrefix + step.from
	if len(kept) == 0 {
		delete(annotations, key) // of fields that are gone
		return annotations, nil
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return nil, fmt.Errorf("preserve fields: %w", err)
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = string(text)
	return annotations, nil
}
