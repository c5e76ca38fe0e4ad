package server

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
)

// TestManyRollouts: an export has no more than it needs, and one that sways all the
// time keeps nobody else waiting.
func TestManyRollouts(t *testing.T) {
	const group = "sways.evolution.test"
	e := newEvolving(t, group, 6, gizmoOf("old", group, gizmoSize, "v1"))
	e.store(gizmoOf("new", group, gizmoColour, "v1"))
	rollouts := client.SchemaRollouts(withToken(t, "alice-token"), e.provider)
	rollout := func(name string) *publicationv1alpha1.SchemaRollout {
		return &publicationv1alpha1.SchemaRollout{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: publicationv1alpha1.SchemaRolloutSpec{
			Export:    publicationv1alpha1.LocalExportReference{Name: "gizmos"},
			Resources: []publicationv1alpha1.ResourceRollout{{Group: group, Resource: "gizmos", Schema: "new.gizmos." + group, Percent: ptr.To[int32](100)}},
		}}
	}
	made := 0
	await(e.ctx, t, "a refusal", func() error {
		_, err := rollouts.Create(e.ctx, rollout(fmt.Sprint("r", made)), metav1.CreateOptions{})
		switch {
		case err == nil:
			made++
			return fmt.Errorf("%d are made", made)
		case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "delete those that are done"):
			return nil
		}
		return err
	})
	if made < 64 || made > 70 {
		t.Errorf("%d rollouts of one export", made)
	}
	e.awaitHas(e.consumers[0], "new")

	swaying, stop := context.WithCancel(e.ctx)
	ended := make(chan int, 1)
	go func() {
		turns := 0
		for ; swaying.Err() == nil; turns++ {
			patch := fmt.Sprintf(`{"spec":{"resources":[{"group":%q,"resource":"gizmos","schema":"new.gizmos.%s","percent":%d}]}}`, group, group, turns%2*100)
			if _, err := rollouts.Patch(e.ctx, "r0", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil && swaying.Err() == nil {
				t.Error(err)
			}
		}
		ended <- turns
	}()
	began := time.Now()
	other := newMarket(e.ctx, t, "calm.evolution.test", 2)
	createGizmo(e.ctx, t, e.admin, other.consumers[1], other.group, "one")
	took := time.Since(began)
	stop()
	if turns := <-ended; took > 10*time.Second {
		t.Errorf("others took %v to publish and to bind, while it swayed %d times", took, turns)
	}
}
