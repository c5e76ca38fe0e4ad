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
	// settled reports whether a hub object has come to its end. A copy of it that
	// is gone must not be made again.
	settled func(hubObj *unstructured.Unstructured) bool
}

var kinds = map[schema.GroupResource]kind{
	{Resource: "pods"}:                        {down: podIn("spec")},
	{Resource: "services"}:                    {down: serviceDown, up: serviceUp},
	{Resource: "persistentvolumeclaims"}:      {down: claimDown},
	{Group: "apps", Resource: "daemonsets"}:   {down: podIn("spec", "template", "spec")},
	{Group: "apps", Resource: "deployments"}:  {down: podIn("spec", "template", "spec")},
	{Group: "apps", Resource: "replicasets"}:  {down: podIn("spec", "template", "spec")},
	{Group: "apps", Resource: "statefulsets"}: {down: podIn("spec", "template", "spec")},
	{Group: "batch", Resource: "jobs"}:        {down: jobDown, up: jobUp, settled: jobFinished},
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

// jobDown removes what would make a Job of the hub misbehave in the child: the
// selector that the hub generated, which holds the UID of the hub's Job while the
// child generates its own (one written by the user stays), and the order to
// delete the finished Job, which is the hub's to carry out: a child that does it
// before the end was reported would be given the Job once more.
func jobDown(childObj map[string]any) {
	jobTemplateDown(childObj)
	delete(mapAt(childObj, "spec"), "ttlSecondsAfterFinished")
}

// jobTemplateDown adapts a Job, or a template of Jobs that will exist in the
// child only.
func jobTemplateDown(childObj map[string]any) {
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

// jobUp keeps what the status of a Job may not take back. A Job that was moved
// starts over in the new child.
func jobUp(status map[string]any, hubObj *unstructured.Unstructured) {
	reported := mapAt(hubObj.Object, "status")
	if started, ok := reported["startTime"]; ok && status["startTime"] != nil {
		status["startTime"] = started
	}
	for _, counter := range []string{"succeeded", "failed"} {
		was, _ := reported[counter].(int64)
		is, _ := status[counter].(int64)
		if was > is {
			status[counter] = was
		}
	}
}

// jobFinished finds Jobs that must not run again.
func jobFinished(hubObj *unstructured.Unstructured) bool {
	for kind, condition := range conditionsByType(mapAt(hubObj.Object, "status")) {
		if (kind == "Complete" || kind == "Failed") && condition["status"] == "True" {
			return true
		}
	}
	return false
}

func cronJobDown(childObj map[string]any) {
	if template := mapAt(childObj, "spec", "jobTemplate"); template != nil {
		jobTemplateDown(template)
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
