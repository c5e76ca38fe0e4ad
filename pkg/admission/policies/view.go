package policies

import (
	"context"
	"errors"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/informers"
	registration "k8s.io/client-go/informers/admissionregistration"
	registrationv1 "k8s.io/client-go/informers/admissionregistration/v1"
	core "k8s.io/client-go/informers/core"
	corev1informers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	registrationlisters "k8s.io/client-go/listers/admissionregistration/v1"
	corev1listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// view is what a webhook plugin of upstream sees of the world while it is lent
// out: the configurations of a snapshot, and the namespaces of the workspace that
// is written to. It comes as the SharedInformerFactory that upstream wants; of the
// rest of one there is nothing.
type view struct {
	informers.SharedInformerFactory
	config *Config

	judged     *judgement
	authorizer authorizer.UnconditionalAuthorizer
	snapshot   *snapshot
	handlers   []cache.ResourceEventHandler
}

// changed tells upstream to look again. It does not ask what was added.
func (v *view) changed() {
	for _, handler := range v.handlers {
		handler.OnAdd(nil, false)
	}
}

func (v *view) authorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	if v.authorizer == nil {
		return authorizer.DecisionDeny, "", errors.New("the write has been judged")
	}
	return v.authorizer.Authorize(ctx, a)
}

func (v *view) workspace() logicalcluster.Name { return v.judged.in }

func (v *view) client() kubernetes.Interface {
	return storedNamespaces{hub: v.config.Hub, workspace: v.workspace}
}

// Core implements informers.SharedInformerFactory.
func (v *view) Core() core.Interface { return viewedCore{view: v} }

// Admissionregistration implements informers.SharedInformerFactory.
func (v *view) Admissionregistration() registration.Interface { return viewedRegistration{view: v} }

type (
	viewedCore struct {
		core.Interface
		view *view
	}
	viewedCoreV1 struct {
		corev1informers.Interface
		view *view
	}
	viewedRegistration struct {
		registration.Interface
		view *view
	}
	viewedRegistrationV1 struct {
		registrationv1.Interface
		view *view
	}
	viewedNamespaces struct {
		corev1informers.TypedNamespaceInformer
		view *view
	}
	viewedMutating struct {
		registrationv1.TypedMutatingWebhookConfigurationInformer
		view *view
	}
	viewedValidating struct {
		registrationv1.TypedValidatingWebhookConfigurationInformer
		view *view
	}
	listedMutating struct {
		registrationlisters.MutatingWebhookConfigurationLister
		view *view
	}
	listedValidating struct {
		registrationlisters.ValidatingWebhookConfigurationLister
		view *view
	}
)

func (c viewedCore) V1() corev1informers.Interface { return viewedCoreV1{view: c.view} }

func (c viewedCoreV1) Namespaces() corev1informers.TypedNamespaceInformer {
	return viewedNamespaces{view: c.view}
}

func (r viewedRegistration) V1() registrationv1.Interface { return viewedRegistrationV1{view: r.view} }

func (r viewedRegistrationV1) MutatingWebhookConfigurations() registrationv1.TypedMutatingWebhookConfigurationInformer {
	return viewedMutating{view: r.view}
}

func (r viewedRegistrationV1) ValidatingWebhookConfigurations() registrationv1.TypedValidatingWebhookConfigurationInformer {
	return viewedValidating{view: r.view}
}

func (n viewedNamespaces) Informer() cache.SharedIndexInformer { return heard{} }

func (n viewedNamespaces) Lister() corev1listers.NamespaceLister {
	return namespaces{find: n.view.config.Namespace, workspace: n.view.workspace}
}

func (m viewedMutating) Informer() cache.SharedIndexInformer { return heard{view: m.view} }

func (m viewedMutating) Lister() registrationlisters.MutatingWebhookConfigurationLister {
	return listedMutating{view: m.view}
}

func (m listedMutating) List(labels.Selector) ([]*admissionregistrationv1.MutatingWebhookConfiguration, error) {
	return slices.Clone(m.view.snapshot.mutatingWebhooks), nil
}

func (m viewedValidating) Informer() cache.SharedIndexInformer { return heard{view: m.view} }

func (m viewedValidating) Lister() registrationlisters.ValidatingWebhookConfigurationLister {
	return listedValidating{view: m.view}
}

func (m listedValidating) List(labels.Selector) ([]*admissionregistrationv1.ValidatingWebhookConfiguration, error) {
	return slices.Clone(m.view.snapshot.validatingWebhooks), nil
}

// heard is an informer that has synced, and whose handlers are the view's.
type heard struct {
	cache.SharedIndexInformer
	view *view
}

func (heard) HasSynced() bool { return true }

func (h heard) AddEventHandler(handler cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	h.view.handlers = append(h.view.handlers, handler)
	return registered{}, nil
}

type registered struct {
	cache.ResourceEventHandlerRegistration
}

func (registered) HasSynced() bool { return true }
