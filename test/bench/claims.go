package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	corev1 "k8s.io/api/core/v1"

	"github.com/atriumhub/atrium/pkg/claims"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// claimed is the export whose claim all workspaces have accepted.
const claimed = "bench-claims"

// mapsEach is how many ConfigMaps a new workspace has.
const mapsEach = 2

// measureClaims has an export claim the ConfigMaps of all workspaces, and withdraw
// the claim, while somebody works in one of them.
func measureClaims(ctx context.Context, l *lab) error {
	h, err := l.filled(ctx)
	if err != nil {
		return err
	}
	if err := l.acceptEverywhere(ctx, h); err != nil {
		return err
	}
	at, err := createAlone(ctx, h, l.unique("bystander"))
	if err != nil {
		return err
	}
	quiet, err := l.bystander(ctx, h, at, func(ctx context.Context) error { return pause(ctx, 5*time.Second) })
	if err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		kind watch.EventType
		to   []apisv1alpha2.PermissionClaim
	}{
		{"a claim of %d bindings comes into force", watch.Added, []apisv1alpha2.PermissionClaim{mapsClaim()}},
		{"and is withdrawn", watch.Deleted, nil},
	} {
		var took time.Duration
		l.say.printf("changing a claim that %d workspaces have accepted", l.workspaces)
		used := processTime(h.Pid())
		busy, err := l.bystander(ctx, h, at, func(ctx context.Context) error {
			took, err = l.changeClaims(ctx, h, step.kind, step.to)
			return err
		})
		if err != nil {
			return err
		}
		what := step.what
		if step.kind == watch.Added {
			what = fmt.Sprintf(step.what, l.workspaces)
		}
		l.table.add(row{
			what: what,
			measured: fmt.Sprintf("%s, each %s CPU; meanwhile a create elsewhere takes %s (before: %s), p50 / p99", seconds(took),
				milliseconds((processTime(h.Pid())-used)/time.Duration(l.workspaces)), busy, quiet),
			budget: "none", verdict: met,
		})
	}
	return nil
}

func mapsClaim() apisv1alpha2.PermissionClaim {
	return apisv1alpha2.PermissionClaim{GroupResource: apisv1alpha2.GroupResource{Resource: "configmaps"}, Verbs: []string{"*"}}
}

// acceptEverywhere makes an export, and bindings in all workspaces that accept a claim which
// it does not make yet.
func (l *lab) acceptEverywhere(ctx context.Context, h *hub) error {
	if _, err := client.APIExports(h.admin, root).Create(ctx, &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: claimed}}, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("failed to make an export: %w", err)
	}
	l.say.printf("binding it in %d workspaces", l.workspaces)
	count := l.say.count(l.workspaces, "bound")
	return share(ctx, l.options.clients, 0, l.workspaces, func(ctx context.Context, i int) error {
		defer count()
		return bindClaimed(ctx, client.APIBindings(h.admin, root.Join(workspaceName(i))))
	})
}

func bindClaimed(ctx context.Context, bindings *client.APIBindingClient) error {
	binding := &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: claimed}}
	binding.Spec.Reference.Export = &apisv1alpha2.ExportBindingReference{Path: root.String(), Name: claimed}
	binding.Spec.PermissionClaims = []apisv1alpha2.AcceptablePermissionClaim{{
		ScopedPermissionClaim: apisv1alpha2.ScopedPermissionClaim{PermissionClaim: mapsClaim(), Selector: apisv1alpha2.PermissionClaimSelector{MatchAll: true}},
		State:                 apisv1alpha2.ClaimAccepted,
	}}
	if _, err := bindings.Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("failed to bind: %w", err)
	}
	for {
		got, err := bindings.Get(ctx, claimed, metav1.GetOptions{})
		if err != nil || got.Status.Phase == apisv1alpha2.APIBindingPhaseBound {
			return err
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// changeClaims changes what the export claims and waits until that shows on the
// ConfigMaps of all workspaces.
func (l *lab) changeClaims(ctx context.Context, h *hub, kind watch.EventType, to []apisv1alpha2.PermissionClaim) (time.Duration, error) {
	everywhere, err := h.connect(asShardAdmin)
	if err != nil {
		return 0, err
	}
	label := claims.Export{Workspace: logicalcluster.Root, Name: claimed}.LabelKey()
	maps := everywhere.Dynamic(logicalcluster.Wildcard.Path()).Resource(corev1.SchemeGroupVersion.WithResource("configmaps"))
	before, err := maps.List(ctx, metav1.ListOptions{LabelSelector: label})
	if err != nil {
		return 0, fmt.Errorf("failed to list config maps: %w", err)
	}
	seen, err := maps.Watch(ctx, metav1.ListOptions{LabelSelector: label, ResourceVersion: before.GetResourceVersion()})
	if err != nil {
		return 0, fmt.Errorf("failed to watch config maps: %w", err)
	}
	defer seen.Stop()
	exports := client.APIExports(h.admin, root)
	export, err := exports.Get(ctx, claimed, metav1.GetOptions{})
	if err != nil {
		return 0, fmt.Errorf("failed to get the export: %w", err)
	}
	export.Spec.PermissionClaims = to
	began := time.Now()
	if _, err := exports.Update(ctx, export, metav1.UpdateOptions{}); err != nil {
		return 0, fmt.Errorf("failed to change the export: %w", err)
	}
	count := l.say.count(l.workspaces*mapsEach, "changed")
	for left := l.workspaces * mapsEach; left > 0; {
		event, open := <-seen.ResultChan()
		switch {
		case !open:
			return 0, errors.New("the watch of config maps ended")
		case event.Type == kind:
			left--
			count()
		}
	}
	return time.Since(began), nil
}

// bystander makes ConfigMaps in one workspace, one after the other, for as long as
// something lasts.
func (l *lab) bystander(ctx context.Context, h *hub, at logicalcluster.Path, during func(context.Context) error) (durations, error) {
	maps := h.admin.Kubernetes(at).CoreV1().ConfigMaps(namespace)
	until, stop := context.WithCancel(ctx)
	over := make(chan error, 1)
	go func() { over <- during(ctx); stop() }()
	var took durations
	for until.Err() == nil {
		began := time.Now()
		if _, err := maps.Create(ctx, configMap(l.unique("bystander"), 0), metav1.CreateOptions{}); err != nil {
			stop()
			return nil, fmt.Errorf("failed to create: %w", err)
		}
		took = append(took, time.Since(began))
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			stop()
			return nil, err
		}
	}
	return took, <-over
}
