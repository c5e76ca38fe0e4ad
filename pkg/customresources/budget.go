package customresources

import (
	"cmp"
	"slices"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// What a handler holds, as BenchmarkShape finds it: a constant, many times the
// size of its definition, and a compiled program for each rule.
const (
	handlerWeight = 90 << 10
	sizeFactor    = 20
	ruleWeight    = 72 << 10
)

// weigh estimates how many bytes the handler of crd holds.
func weigh(crd *apiextensionsv1.CustomResourceDefinition) int64 {
	weight := int64(handlerWeight) + sizeFactor*int64(crd.Spec.Size())
	for i := range crd.Spec.Versions {
		if schema := crd.Spec.Versions[i].Schema; schema != nil {
			weight += ruleWeight * rules(schema.OpenAPIV3Schema)
		}
	}
	return weight
}

// rules counts the rules in a schema.
func rules(props *apiextensionsv1.JSONSchemaProps) int64 {
	if props == nil {
		return 0
	}
	n := int64(len(props.XValidations))
	for _, property := range props.Properties {
		n += rules(&property)
	}
	if props.Items != nil {
		n += rules(props.Items.Schema)
	}
	if props.AdditionalProperties != nil {
		n += rules(props.AdditionalProperties.Schema)
	}
	for _, all := range props.AllOf {
		n += rules(&all)
	}
	return n
}

// standing is what makeRoom knows of a handler.
type standing struct {
	shape  string
	weight int64
	busy   bool
	used   time.Time
}

// makeRoom tears down handlers while all together hold more than they may: those
// without a request first, and of them those that were not asked for longest. The
// one that was just made stays, and so do those of Keep. Whoever watches by a
// handler that has to go comes back, and has it made again.
func (h *Handlers) makeRoom(made string) {
	var others []standing
	total := int64(0)
	h.served.Range(func(shape, value any) bool {
		one := value.(*served).standing(shape.(string))
		total += one.weight
		if one.shape != made && !h.config.Keep(one.shape) {
			others = append(others, one)
		}
		return true
	})
	if total <= h.config.Budget {
		return
	}
	slices.SortFunc(others, func(a, b standing) int {
		if a.busy != b.busy {
			return cmp.Compare(btoi(a.busy), btoi(b.busy))
		}
		return a.used.Compare(b.used)
	})
	for _, one := range others {
		if total <= h.config.Budget {
			return
		}
		h.Retire(one.shape)
		total -= one.weight
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
