package cliatrium

import (
	"context"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// revokeFormer takes away what agents of former sync targets of the same name
// have: their roles name the sync target, not its UID, and their tokens last.
func (r *registrar) revokeFormer(ctx context.Context, workspace kubernetes.Interface, a *agent) error {
	bindings, err := workspace.RbacV1().ClusterRoleBindings().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range bindings.Items {
		binding := &bindings.Items[i]
		if !isFormer(binding.Name, a) {
			continue
		}
		r.say("Removing service account, cluster role and binding %q of a former synctarget %q", binding.Name, a.target.Name)
		if err := removeAgent(ctx, workspace, binding); err != nil {
			return err
		}
	}
	return nil
}

// isFormer reports whether id is that of another sync target of a's name.
func isFormer(id string, a *agent) bool {
	hash, ok := strings.CutPrefix(id, syncerIDPrefix+a.target.Name+"-")
	return ok && id != a.id && len(hash) == hashLength && !strings.Contains(hash, "-")
}

func removeAgent(ctx context.Context, workspace kubernetes.Interface, binding *rbacv1.ClusterRoleBinding) error {
	removals := []func() error{
		func() error {
			return workspace.RbacV1().ClusterRoleBindings().Delete(ctx, binding.Name, metav1.DeleteOptions{})
		},
		func() error {
			return workspace.RbacV1().ClusterRoles().Delete(ctx, binding.Name, metav1.DeleteOptions{})
		},
	}
	for _, subject := range binding.Subjects {
		if subject.Kind == rbacv1.ServiceAccountKind && subject.Name == binding.Name {
			removals = append(removals, func() error {
				return workspace.CoreV1().ServiceAccounts(subject.Namespace).Delete(ctx, subject.Name, metav1.DeleteOptions{})
			})
		}
	}
	for _, remove := range removals {
		if err := remove(); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}
