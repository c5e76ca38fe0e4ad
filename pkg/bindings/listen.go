package bindings

import (
	"slices"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// queue is the part of a loop that asks for work.
type queue interface {
	Enqueue(logicalcluster.Key)
	EnqueueAfter(logicalcluster.Key, time.Duration)
}

// listen turns what happens to objects into keys for the loops. All queues must
// be set.
func (k *keeper) listen() {
	k.APIBindings.OnChange(func(before, after *apisv1alpha2.APIBinding, key logicalcluster.Key) {
		k.ahead.observe(key, after)
		k.noteAnswers(before, after, key)
		if after != nil {
			k.bindings.Enqueue(key)
			return
		}
		k.index.drop(key)
		k.wakeWaiting(key.Workspace)
	})
	k.APIExports.OnChange(func(before, after *apisv1alpha2.APIExport, key logicalcluster.Key) {
		if after != nil {
			k.exports.Enqueue(key)
		}
		k.noteClaims(before, after, key)
		if before != nil && after != nil && equality.Semantic.DeepEqual(before.Spec, after.Spec) &&
			before.Status.IdentityHash == after.Status.IdentityHash {
			return
		}
		k.wakeBindingsTo(key)
	})
	if k.OnServed != nil {
		k.OnServed(k.servedChanged)
	}
	k.Schemas.OnChange(func(before, after *apisv1alpha1.APIResourceSchema, key logicalcluster.Key) {
		switch {
		case key.Workspace == logicalcluster.SystemBoundCRDs:
			k.copies.seen(key.Name)
		case before == nil || after == nil:
			k.wakeExportsOf(key)
		}
	})
	k.listenToCached()
	k.CustomResourceDefinitions.OnChange(func(before, after *apiextensionsv1.CustomResourceDefinition, key logicalcluster.Key) {
		k.servedChanged(key.Workspace)
		if after == nil {
			k.adoptions.forget(key)
		}
		if before == nil || after == nil || before.Generation != after.Generation ||
			!equality.Semantic.DeepEqual(before.Status.AcceptedNames, after.Status.AcceptedNames) {
			k.wakeWaiting(key.Workspace)
		}
	})
}

// wakeWaiting enqueues the bindings of a workspace that are not what they should
// be: names may be free now (B3).
func (k *keeper) wakeWaiting(workspace logicalcluster.Name) {
	for _, binding := range k.APIBindings.In(workspace) {
		if !conditionsv1alpha1.IsTrue(binding.Status.Conditions, apisv1alpha2.BindingUpToDate) {
			k.bindings.Enqueue(client.KeyOf(binding))
		}
	}
}

// wakeExportsOf enqueues the exports that name a schema, and the bindings to them.
func (k *keeper) wakeExportsOf(schema logicalcluster.Key) {
	for _, export := range k.APIExports.In(schema.Workspace) {
		if slices.ContainsFunc(export.Spec.Resources, func(r apisv1alpha2.ResourceSchema) bool { return r.Schema == schema.Name }) {
			k.exports.Enqueue(client.KeyOf(export))
			k.wakeBindingsTo(client.KeyOf(export))
		}
	}
}

// wakeBindingsTo enqueues the bindings that refer to an export.
func (k *keeper) wakeBindingsTo(export logicalcluster.Key) {
	for _, binding := range k.index.of(export) {
		k.followers.Enqueue(binding)
	}
}
