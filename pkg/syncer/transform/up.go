package transform

import (
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Up returns the status that hubObj should have, and whether it differs from the
// one it has. A child that has not written a status yet changes nothing.
func Up(resource schema.GroupResource, hubObj, childObj *unstructured.Unstructured) (map[string]any, bool) {
	childStatus := mapAt(childObj.Object, "status")
	if len(childStatus) == 0 {
		return nil, false
	}
	status := runtime.DeepCopyJSON(childStatus)
	hubStatus := mapAt(hubObj.Object, "status")
	translateGenerations(status, hubStatus, hubObj, childObj)
	if adapt := kinds[resource].up; adapt != nil {
		adapt(status, hubObj)
	}
	return status, !equality.Semantic.DeepEqual(status, hubStatus)
}

const observedGeneration = "observedGeneration"

// translateGenerations makes observedGeneration mean generations of the hub
// object. Everybody who waits for a rollout compares the two.
func translateGenerations(status, hubStatus map[string]any, hubObj, childObj *unstructured.Unstructured) {
	source, known := SourceOf(childObj)
	if !known {
		delete(status, observedGeneration)
		return
	}
	translate := func(holder, former map[string]any) {
		observed, ok := holder[observedGeneration].(int64)
		if !ok {
			return
		}
		if observed >= childObj.GetGeneration() {
			holder[observedGeneration] = source.Generation
			return
		}
		holder[observedGeneration] = unobserved(former, source.Generation)
	}
	translate(status, hubStatus)
	former := conditionsByType(hubStatus)
	for kind, condition := range conditionsByType(status) {
		translate(condition, former[kind])
	}
}

// unobserved is a generation to report while the child has not seen the newest
// yet: the one reported before, or else the one before.
func unobserved(former map[string]any, newest int64) int64 {
	if reported, ok := former[observedGeneration].(int64); ok && reported < newest {
		return reported
	}
	return newest - 1
}

func conditionsByType(status map[string]any) map[string]map[string]any {
	conditions, _ := status["conditions"].([]any)
	out := make(map[string]map[string]any, len(conditions))
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok {
			kind, _ := c["type"].(string)
			out[kind] = c
		}
	}
	return out
}
