package nodes

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
)

// Register creates the first count nodes of the template, or brings those of an earlier start up to
// date. It must come before RunKwok, because it also takes away the leases of the kwok that ran then: a
// new one would wait for them to expire.
func Register(ctx context.Context, childClient kubernetes.Interface, template Template, count int) error {
	leases := childClient.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	if err := leases.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		return fmt.Errorf("failed to delete the node leases of an earlier start: %w", err)
	}
	for index := range count {
		if err := ensureNode(ctx, childClient, template.Node(index)); err != nil {
			return err
		}
	}
	return nil
}

func ensureNode(ctx context.Context, childClient kubernetes.Interface, wanted *corev1.Node) error {
	nodes := childClient.CoreV1().Nodes()
	_, err := nodes.Create(ctx, wanted, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("failed to create node %s: %w", wanted.Name, err)
	}
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		node, err := nodes.Get(ctx, wanted.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		conditions := node.Status.Conditions
		node.Status = wanted.Status
		node.Status.Conditions = conditions
		_, err = nodes.UpdateStatus(ctx, node, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("failed to update the status of node %s: %w", wanted.Name, err)
	}
	return nil
}
