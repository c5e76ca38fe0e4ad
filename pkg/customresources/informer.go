package customresources

import (
	"sync"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	listers "k8s.io/apiextensions-apiserver/pkg/client/listers/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/cache"
)

// single is an informer, its lister and its factory for a world with one
// definition, which ends when the definition is withdrawn.
type single struct {
	// SharedIndexInformer is nil: the upstream handler registers its event
	// handler and asks the lister, and does nothing else with an informer.
	cache.SharedIndexInformer
	listers.CustomResourceDefinitionListerExpansion

	mu       sync.RWMutex
	crd      *apiextensionsv1.CustomResourceDefinition // nil once withdrawn
	handlers []cache.ResourceEventHandler
}

// Informer returns s.
func (s *single) Informer() cache.SharedIndexInformer { return s }

// Lister returns s.
func (s *single) Lister() listers.CustomResourceDefinitionLister { return s }

// AddEventHandler remembers handler for withdraw. There is no Add event: the
// upstream handler reads the lister when it is first asked.
func (s *single) AddEventHandler(handler cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers = append(s.handlers, handler)
	return nil, nil
}

// Get returns the definition, or NotFound once it was withdrawn.
func (s *single) Get(name string) (*apiextensionsv1.CustomResourceDefinition, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.crd == nil || s.crd.Name != name {
		return nil, apierrors.NewNotFound(apiextensionsv1.Resource("customresourcedefinitions"), name)
	}
	return s.crd, nil
}

// List returns the definition, or nothing once it was withdrawn.
func (s *single) List(labels.Selector) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.crd == nil {
		return nil, nil
	}
	return []*apiextensionsv1.CustomResourceDefinition{s.crd}, nil
}

// withdraw makes the definition disappear, upon which the upstream handler
// destroys its storage. Only the first call does anything.
func (s *single) withdraw() {
	s.mu.Lock()
	crd, handlers := s.crd, s.handlers
	s.crd = nil
	s.mu.Unlock()
	if crd == nil {
		return
	}
	for _, handler := range handlers {
		handler.OnDelete(crd)
	}
}
