package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/atriumhub/atrium/test/harness"
)

// holding says how many pods of which app a cluster is to hold, and no others.
type holding map[string]map[string]int

// await waits until a cluster holds exactly these pods, all of them ready.
func (d *demo) await(ctx context.Context, region string, want map[string]int) error {
	pods := d.clusters[region].CoreV1().Pods("")
	if err := harness.Await(ctx, pods, func(found []*corev1.Pod) string { return compare(found, want) }); err != nil {
		return fmt.Errorf("%s does not hold just %s: %w", region, list(want), err)
	}
	return nil
}

// compare says what is wrong with the pods found, or nothing.
func compare(found []*corev1.Pod, want map[string]int) string {
	ready := map[string]int{}
	for _, pod := range found {
		app := pod.Labels["app"]
		switch {
		case want[app] == 0:
			return fmt.Sprintf("pod %s does not belong here", pod.Name)
		case !isReady(pod):
			return fmt.Sprintf("pod %s is not ready", pod.Name)
		}
		ready[app]++
	}
	if !maps.Equal(ready, want) && len(ready)+len(want) > 0 {
		return fmt.Sprintf("it holds %s, not %s", list(ready), list(want))
	}
	return ""
}

func isReady(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// list writes a holding as "2 pods of shop and 3 pods of billing".
func list(pods map[string]int) string {
	var words []string
	for _, app := range slices.Sorted(maps.Keys(pods)) {
		words = append(words, fmt.Sprintf("%d pods of %s", pods[app], app))
	}
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, " and ")
}

// awaitClean waits until a cluster holds nothing that came from the hub.
func (d *demo) awaitClean(ctx context.Context, region string) error {
	cluster := d.clusters[region]
	d.stage.wait("waiting for " + region)
	if err := d.await(ctx, region, nil); err != nil {
		return err
	}
	if err := harness.Await(ctx, cluster.AppsV1().Deployments(""), func(found []*appsv1.Deployment) string {
		return nothing(found, func(*appsv1.Deployment) bool { return true })
	}); err != nil {
		return fmt.Errorf("%s still holds Deployments: %w", region, err)
	}
	if err := harness.Await(ctx, cluster.CoreV1().Namespaces(), func(found []*corev1.Namespace) string {
		return nothing(found, func(n *corev1.Namespace) bool { return strings.HasPrefix(n.Name, "kcp-") })
	}); err != nil {
		return fmt.Errorf("%s still holds namespaces of workspaces: %w", region, err)
	}
	return nil
}

// nothing counts the objects that should be gone.
func nothing[T any](found []T, counts func(T) bool) string {
	left := 0
	for _, object := range found {
		if counts(object) {
			left++
		}
	}
	if left == 0 {
		return ""
	}
	return fmt.Sprintf("%d are left", left)
}
