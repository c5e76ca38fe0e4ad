package main

import (
	"context"
	"fmt"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

const (
	// somebody is a user whom a role of the workspace lets in, and nothing else.
	somebody = "bench-user"
	// In each round so many requests are measured.
	requestRounds, requestsARound = 10, 100
)

// visitor asks for little, as a user whom the roles of one workspace allow it.
type visitor struct {
	namespaces typedcorev1.NamespaceInterface
	took       durations
}

// newVisitor makes a workspace in h with an administrator of its own.
func (l *lab) newVisitor(ctx context.Context, h *hub, name string) (*visitor, error) {
	path, err := createAlone(ctx, h, name)
	if err != nil {
		return nil, err
	}
	_, err = h.admin.Kubernetes(path).RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "bench"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: somebody}},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("failed to make an administrator: %w", err)
	}
	as, err := h.connectAs(asShardAdmin, somebody)
	if err != nil {
		return nil, err
	}
	v := &visitor{namespaces: as.Kubernetes(path).CoreV1().Namespaces()}
	return v, v.awaitEntry(ctx)
}

// awaitEntry returns when the hub knows of the binding.
func (v *visitor) awaitEntry(ctx context.Context) error {
	for {
		_, err := v.namespaces.Get(ctx, namespace, metav1.GetOptions{})
		if err == nil {
			return nil
		}
		if pauseErr := pause(ctx, garbagePause); pauseErr != nil {
			return fmt.Errorf("failed to enter: %w", err)
		}
	}
}

// round sends one request after the other.
func (v *visitor) round(ctx context.Context) error {
	for range requestsARound {
		began := time.Now()
		if _, err := v.namespaces.Get(ctx, namespace, metav1.GetOptions{}); err != nil {
			return fmt.Errorf("failed to get a namespace: %w", err)
		}
		v.took = append(v.took, time.Since(began))
	}
	return nil
}

// measureAuthorize compares a request in the shared hub with the same one in a
// hub that has few workspaces.
func measureAuthorize(ctx context.Context, l *lab) error {
	crowded, err := l.filled(ctx)
	if err != nil {
		return err
	}
	l.say.printf("starting a hub with %d workspaces", few)
	small, err := l.startHub(ctx, "few")
	if err != nil {
		return err
	}
	defer small.Kill()
	workspaces := l.workspaces
	if _, err := l.create(ctx, small, 0, few); err != nil {
		return err
	}
	l.workspaces = workspaces // those of the shared hub
	among, err := l.newVisitor(ctx, crowded, "visited")
	if err != nil {
		return err
	}
	alone, err := l.newVisitor(ctx, small, "visited")
	if err != nil {
		return err
	}
	l.say.printf("sending requests in turns")
	roundOf := func(v *visitor) func() error { return func() error { return v.round(ctx) } }
	if err := alternately(1, roundOf(alone), roundOf(among)); err != nil { // does not count
		return err
	}
	alone.took, among.took = nil, nil
	if err := alternately(requestRounds, roundOf(alone), roundOf(among)); err != nil {
		return err
	}
	l.table.add(slowdown(fmt.Sprintf("an authorized request with %d workspaces / %d, p50", l.workspaces, few), among.took, alone.took))
	return nil
}
