package child

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/atriumhub/atrium/test/childk8s/internal/nodes"
)

const (
	// startTimeout is many times what a start takes, for machines that are busy with builds.
	startTimeout = 2 * time.Minute
	askInterval  = 50 * time.Millisecond
)

// question returns what the child is still waiting for, in the reader's words; "" when it is there.
type question func(ctx context.Context) string

// await asks until the answer is "", the context ends, or a component fails.
func await(ctx context.Context, failed <-chan error, ask question) error {
	ticker := time.NewTicker(askInterval)
	defer ticker.Stop()
	for {
		missing := ask(ctx)
		if missing == "" {
			return nil
		}
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("not ready (%w): %s", context.Cause(ctx), missing)
		case <-ticker.C:
		}
	}
}

// apiReady asks whether the API server has finished its own start.
func apiReady(childClient kubernetes.Interface) question {
	return func(ctx context.Context) string {
		_, err := childClient.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		if err != nil {
			return fmt.Sprintf("the API server is not ready: %v", err)
		}
		return ""
	}
}

// usable asks whether pods can be created and would be scheduled, see C1. The nodes must have reported
// since the given time.
func usable(childClient kubernetes.Interface, nodeNames []string, since time.Time) question {
	return func(ctx context.Context) string {
		if missing := serviceAccountMissing(ctx, childClient); missing != "" {
			return missing
		}
		for _, name := range nodeNames {
			if missing := nodeMissing(ctx, childClient, name, since); missing != "" {
				return missing
			}
		}
		return ""
	}
}

func serviceAccountMissing(ctx context.Context, childClient kubernetes.Interface) string {
	_, err := childClient.CoreV1().ServiceAccounts(corev1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
	if err != nil {
		return fmt.Sprintf("the default service account is not there: %v", err)
	}
	return ""
}

func nodeMissing(ctx context.Context, childClient kubernetes.Interface, name string, since time.Time) string {
	node, err := childClient.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Sprintf("node %s is not there: %v", name, err)
	}
	lease, err := childClient.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nodes.NotReadyReason(node, nil, since)
	}
	if err != nil {
		return fmt.Sprintf("the lease of node %s cannot be read: %v", name, err)
	}
	return nodes.NotReadyReason(node, lease, since)
}
