// Package fit tells whether objects that exist are as a definition wants them. What
// package schemas compares are definitions: that finds what could be, this what is.
//
// It is not as exact as a write would be, which compares with what was stored
// before; an object that does not fit may be one that could still be changed.
package fit

import (
	"context"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

// budget bounds what the rules of all objects together may cost, in units of CEL:
// what those of one object may in a write.
const budget = celconfig.RuntimeCELCostBudget

// Misfits returns the indexes of the objects that are not valid in a version of crd, or
// would lose fields. One of which it cannot be told in reasonable time is one of them.
func Misfits(ctx context.Context, crd *apiextensionsv1.CustomResourceDefinition, version string, objects []map[string]any) []int {
	j, err := judgeOf(crd, version)
	var misfits []int
	for i, object := range objects {
		if err != nil || !j.fits(ctx, object) {
			misfits = append(misfits, i)
		}
	}
	return misfits
}

// judge is what is needed to judge objects of one version.
type judge struct {
	structural *schema.Structural
	validator  validation.SchemaValidator
	rules      *cel.Validator
	left       int64
}

func judgeOf(crd *apiextensionsv1.CustomResourceDefinition, version string) (*judge, error) {
	props := &apiextensions.JSONSchemaProps{}
	for i := range crd.Spec.Versions {
		v := &crd.Spec.Versions[i]
		if v.Name != version || v.Schema == nil || v.Schema.OpenAPIV3Schema == nil {
			continue
		}
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v.Schema.OpenAPIV3Schema, props, nil); err != nil {
			return nil, err
		}
	}
	structural, err := schema.NewStructural(props)
	if err != nil {
		return nil, err
	}
	validator, _, err := validation.NewSchemaValidator(props)
	if err != nil {
		return nil, err
	}
	return &judge{structural, validator, cel.NewValidator(structural, true, celconfig.PerCallLimit), budget}, nil
}

// fits judges one object. Its defaults come first, as in a write.
func (j *judge) fits(ctx context.Context, object map[string]any) bool {
	object = runtime.DeepCopyJSON(object)
	defaulting.PruneNonNullableNullsWithoutDefaults(object, j.structural)
	defaulting.Default(object, j.structural)
	dropped := pruning.PruneWithOptions(object, j.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	if len(dropped) > 0 || len(validation.ValidateCustomResource(nil, object, j.validator)) > 0 || len(listtype.ValidateListSetsAndMaps(nil, j.structural, object)) > 0 {
		return false
	}
	if j.rules == nil {
		return true
	}
	broken, left := j.rules.Validate(ctx, nil, j.structural, object, nil, j.left)
	j.left = left
	return len(broken) == 0 && left >= 0
}
