package cliatrium

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/atriumhub/atrium/internal/cli"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
)

// serviceFunc decides what to write into the spec of a SyncTarget, and what to
// say. An empty change means that there is nothing to do.
type serviceFunc func(spec workloadv1alpha1.SyncTargetSpec, now time.Time) (change map[string]any, said string)

// cordon keeps newcomers away.
func cordon(spec workloadv1alpha1.SyncTargetSpec, _ time.Time) (map[string]any, string) {
	if spec.Unschedulable {
		return nil, "already cordoned"
	}
	return map[string]any{"unschedulable": true}, "cordoned"
}

// uncordon undoes cordon and drain.
func uncordon(spec workloadv1alpha1.SyncTargetSpec, _ time.Time) (map[string]any, string) {
	if !spec.Unschedulable && spec.EvictAfter == nil {
		return nil, "already uncordoned"
	}
	return map[string]any{"unschedulable": false, "evictAfter": nil}, "uncordoned"
}

// drain sends everybody away from now on.
func drain(spec workloadv1alpha1.SyncTargetSpec, now time.Time) (map[string]any, string) {
	if spec.Unschedulable && spec.EvictAfter != nil && !spec.EvictAfter.After(now) {
		return nil, "already draining"
	}
	return map[string]any{"unschedulable": true, "evictAfter": metav1.NewTime(now.UTC())}, "draining"
}

// serviceCommand is "kubectl atrium workload cordon", "uncordon" and "drain".
type serviceCommand struct {
	env     environment
	options cli.Options
	decide  serviceFunc
}

func (c *serviceCommand) run(ctx context.Context, name string) error {
	s, err := open(ctx, c.env, &c.options)
	if err != nil {
		return err
	}
	targets := client.SyncTargets(s.hub, s.path)
	target, err := targets.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("synctarget %q not found in workspace %q: 'kubectl get synctargets' lists those there are; choose another workspace with --workspace", name, s.path)
	}
	if err != nil {
		return s.explain(err)
	}
	change, said := c.decide(target.Spec, c.env.now())
	if len(change) > 0 {
		patch, err := json.Marshal(map[string]any{"spec": change})
		if err != nil {
			return fmt.Errorf("writing a patch of synctarget %q: %w", name, err)
		}
		if _, err := targets.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return s.explain(err)
		}
	}
	fmt.Fprintln(c.env.streams.Out, name, said)
	return nil
}
