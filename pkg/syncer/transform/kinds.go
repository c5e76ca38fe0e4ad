package transform

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// kind is what one resource needs beyond the rules for all. Both functions
// change the object they are given.
type kind struct {
	// down prepares a copy without metadata that could clash.
	down func(childObj map[string]any)
	// up prepares a status before it is compared with that of hubObj.
	up func(status map[string]any, hubObj *unstructured.Unstructured)
}

var kinds = map[schema.GroupResource]kind{
	{Resource: "pods"}:                        {down: podIn("spec")},
	{Resource: "services"}:                    {down: serviceDown, up: serviceUp},
	{Resource: "persistentvolumeclaims"}:      {down: claimDown},
	{Group: "apps", Resource: "daemonsets"}:   {down: podIn("spec", "template", "spec")},
	{Group: "apps", Resource: "deployments"}:  {down: podIn("spec", "template", "spec")},
	{Group: "apps", Resource: "replicasets"}:  {down: podIn("spec", "template", "spec")},
	{Group: "apps", Resource: "statefulsets"}: {down: podIn("spec", "template", "spec")},
	{Group: "batch", Resource: "jobs"}:        {down: jobDown},
	{Group: "batch", Resource: "cronjobs"}:    {down: cronJobDown, up: cronJobUp},
}

// podIn adapts the pod spec at a path.
func podIn(path ...string) func(map[string]any) {
	return func(childObj map[string]any) {
		if spec := mapAt(childObj, path...); spec != nil {
			podDown(spec)
		}
	}
}

// podDown cuts the tie to a service account of the workspace, which the child
// does not have, and keeps the token of the child's default account out of pods
// that were written for the hub.
func podDown(spec map[string]any) {
	delete(spec, "serviceAccountName")
	delete(spec, "serviceAccount")
	spec["automountServiceAccountToken"] = false
}

// serviceDown leaves addresses and node ports to the child. That a Service shall
// have no cluster IP at all is the user's decision and goes down.
func serviceDown(childObj map[string]any) {
	spec := mapAt(childObj, "spec")
	if spec == nil {
		return
	}
	if spec["clusterIP"] != "None" {
		delete(spec, "clusterIP")
		delete(spec, "clusterIPs")
	}
	delete(spec, "healthCheckNodePort")
	ports, _ := spec["ports"].([]any)
	for _, port := range ports {
		if port, ok := port.(map[string]any); ok {
			delete(port, "nodePort")
		}
	}
}

func serviceUp(status map[string]any, _ *unstructured.Unstructured) {
	for field := range status {
		if field != "loadBalancer" && field != "conditions" {
			delete(status, field)
		}
	}
}

// claimDown leaves the choice of the volume to the child.
func claimDown(childObj map[string]any) {
	if spec := mapAt(childObj, "spec"); spec != nil {
		delete(spec, "volumeName")
	}
}

// jobDown removes the selector that the hub generated: it holds the UID of the
// hub's Job, and the child generates its own. A selector written by the user
// stays.
func jobDown(childObj map[string]any) {
	podIn("spec", "template", "spec")(childObj)
	spec := mapAt(childObj, "spec")
	if spec == nil || spec["manualSelector"] == true {
		return
	}
	delete(spec, "selector")
	labels := mapAt(spec, "template", "metadata", "labels")
	for _, generated := range []string{"controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"} {
		delete(labels, generated)
	}
}

func cronJobDown(childObj map[string]any) {
	if template := mapAt(childObj, "spec", "jobTemplate"); template != nil {
		jobDown(template)
	}
}

// cronJobUp translates references to running Jobs, which exist in the child
// only: their names are of use, their UIDs and the child's namespace are not.
func cronJobUp(status map[string]any, hubObj *unstructured.Unstructured) {
	active, _ := status["active"].([]any)
	for _, ref := range active {
		if ref, ok := ref.(map[string]any); ok {
			ref["namespace"] = hubObj.GetNamespace()
			delete(ref, "uid")
			delete(ref, "resourceVersion")
		}
	}
}

// mapAt returns the map at a path, or nil. Changing it changes obj.
func mapAt(obj map[string]any, path ...string) map[string]any {
	for _, field := range path {
		next, ok := obj[field].(map[string]any)
		if !ok {
			return nil
		}
		obj = next
	}
	return obj
}
