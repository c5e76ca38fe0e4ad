package bindings

import (
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// queue is the part of a loop that asks for work.
type queue interface {
	Enqueue(logicalcluster.Key)
	EnqueueAfter(logicalcluster.Key, time.Duration)
}

// listen turns what happens to objects into keys for the loops. Both queues must
// be set.
func (k *keeper) listen() {
	k.APIBindings.OnChange(func(before, after *apisv1alpha2.APIBinding, key logicalcluster.Key) {
		if after != nil {
			k.bindings.Enqueue(key)
			return
		}
		// What it held may be free for another one now (B3).
		for _, other := range k.APIBindings.In(key.Workspace) {
			k.bindings.Enqueue(client.KeyOf(other))
		}
	})
	k.APIExports.OnChange(func(before, after *apisv1alpha2.APIExport, key logicalcluster.Key) {
		if after != nil {
			k.exports.Enqueue(key)
		}
		if before != nil && after != nil && equality.Semantic.DeepEqual(before.Spec, after.Spec) &&
			before.Status.IdentityHash == after.Status.IdentityHash {
			return
		}
		k.wakeBindingsTo(key)
	})
}

// wakeBindingsTo enqueues the bindings that refer to an export.
func (k *keeper) wakeBindingsTo(export logicalcluster.Key) {
	for _, binding := range k.APIBindings.All() {
		reference := binding.Spec.Reference.Export
		if reference == nil || reference.Name != export.Name {
			continue
		}
		if where, ok := k.Resolve(referencePath(binding)); ok && where.Name == export.Workspace {
			k.bindings.Enqueue(client.KeyOf(binding))
		}
	}
}
