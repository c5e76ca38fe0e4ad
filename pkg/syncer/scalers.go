package syncer

import (
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/syncer/remote"
	"github.com/atriumhub/atrium/pkg/syncer/transform"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var autoscalers = schema.GroupResource{Group: "autoscaling", Resource: "horizontalpodautoscalers"}

// scalers knows which hub objects have their number of replicas decided by a
// HorizontalPodAutoscaler, which works in the child: sending the number from the
// hub as well would be a tug-of-war.
type scalers struct {
	mu        sync.RWMutex
	pipelines map[schema.GroupResource]*pipeline
}

func newScalers() *scalers {
	return &scalers{pipelines: map[schema.GroupResource]*pipeline{}}
}

func (s *scalers) add(l *pipeline) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pipelines[l.resource.GroupResource()] = l
}

func (s *scalers) pipeline(resource schema.GroupResource) *pipeline {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.pipelines[resource]
}

// changed returns what to do when a hub object of a resource changes: a scaler
// calls for another look at what could be scaled in its namespace.
func (s *scalers) changed(resource schema.GroupResource) func(logicalcluster.Key) {
	if resource != autoscalers {
		return func(logicalcluster.Key) {}
	}
	return func(key logicalcluster.Key) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		for _, l := range s.pipelines {
			if !scalable(l.resource.Kind) {
				continue
			}
			for _, scaled := range l.hub.In(key.Workspace, key.Namespace) {
				l.loop.Enqueue(scaled)
			}
		}
	}
}

func scalable(kind string) bool {
	return kind == "Deployment" || kind == "StatefulSet" || kind == "ReplicaSet"
}

// hints returns what scalers say about objects of a resource.
func (s *scalers) hints(resource remote.Resource) func(*unstructured.Unstructured) transform.Hints {
	if !scalable(resource.Kind) {
		return func(*unstructured.Unstructured) transform.Hints { return transform.Hints{} }
	}
	return func(hubObj *unstructured.Unstructured) transform.Hints {
		return transform.Hints{Autoscaled: s.scales(resource.Kind, hubObj)}
	}
}

func (s *scalers) scales(kind string, hubObj *unstructured.Unstructured) bool {
	l := s.pipeline(autoscalers)
	if l == nil {
		return false
	}
	for _, key := range l.hub.In(logicalcluster.From(hubObj), hubObj.GetNamespace()) {
		scaler, err := l.hub.Get(key)
		if err != nil || scaler == nil {
			continue
		}
		ref, _, _ := unstructured.NestedStringMap(scaler.Object, "spec", "scaleTargetRef")
		if ref["kind"] == kind && ref["name"] == hubObj.GetName() {
			return true
		}
	}
	return false
}
