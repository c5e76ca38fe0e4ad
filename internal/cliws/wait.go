package cliws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
)

const (
	// patience is how long a workspace may take before progress is printed. One
	// that is quicker needs no words.
	patience = 2 * time.Second
	// reconnect is how long to wait before watching again after a watch broke.
	reconnect = 500 * time.Millisecond
)

// readiness waits for a workspace, by watching.
type readiness struct {
	workspaces *client.WorkspaceClient
	after      func(time.Duration) <-chan time.Time
	progress   io.Writer

	// slow is set once patience is over; said is what was printed last.
	slow bool
	said string
}

// errBroken means that a watch ended without an answer.
var errBroken = errors.New("watch ended")

// until returns the workspace when it is ready. last is what is known of it.
func (r *readiness) until(ctx context.Context, last *tenancyv1alpha1.Workspace) (*tenancyv1alpha1.Workspace, error) {
	deadline, impatient := r.after(readyTimeout), r.after(patience)
	for {
		current, err := r.watch(ctx, last, deadline, impatient)
		if !errors.Is(err, errBroken) {
			return current, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-deadline:
			return nil, notReady(current)
		case <-r.after(reconnect):
		}
		if last, err = r.workspaces.Get(ctx, current.Name, metav1.GetOptions{}); err != nil {
			return nil, err
		}
		if isReady(last) {
			return last, nil
		}
	}
}

// watch follows one watch. It returns the ready workspace, or the last one seen
// with errBroken, or an error that waiting does not mend.
func (r *readiness) watch(ctx context.Context, last *tenancyv1alpha1.Workspace, deadline, impatient <-chan time.Time) (*tenancyv1alpha1.Workspace, error) {
	events, err := r.workspaces.Watch(ctx, metav1.ListOptions{
		FieldSelector:   fields.OneTermEqualSelector(metav1.ObjectNameField, last.Name).String(),
		ResourceVersion: last.ResourceVersion,
	})
	if apierrors.IsGone(err) || apierrors.IsResourceExpired(err) {
		return last, errBroken
	}
	if err != nil {
		return nil, err
	}
	defer events.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-deadline:
			return nil, notReady(last)
		case <-impatient:
			r.slow = true
			r.report(last)
		case event, ok := <-events.ResultChan():
			current, isWorkspace := event.Object.(*tenancyv1alpha1.Workspace)
			if !ok || !isWorkspace {
				return last, errBroken
			}
			if event.Type == watch.Deleted {
				return nil, fmt.Errorf("workspace %q was deleted while waiting for it to be ready", current.Name)
			}
			if isReady(current) {
				return current, nil
			}
			last = current
			r.report(last)
		}
	}
}

// report prints what a slow workspace waits for, when that is news.
func (r *readiness) report(workspace *tenancyv1alpha1.Workspace) {
	text := fmt.Sprintf("Workspace %q is not ready yet: %s", workspace.Name, waitsFor(workspace))
	if !r.slow || text == r.said {
		return
	}
	r.said = text
	fmt.Fprintln(r.progress, text)
}

func notReady(workspace *tenancyv1alpha1.Workspace) error {
	return fmt.Errorf("workspace %q is not ready after %s: %s; it goes on by itself, see 'kubectl describe workspace %s'", workspace.Name, readyTimeout, waitsFor(workspace), workspace.Name)
}

// waitsFor says why a workspace is not ready, as far as it tells.
func waitsFor(workspace *tenancyv1alpha1.Workspace) string {
	phase := string(workspace.Status.Phase)
	if phase == "" {
		phase = "not seen by the hub's controllers"
	}
	parts := []string{phase}
	if len(workspace.Status.Initializers) > 0 {
		names := make([]string, len(workspace.Status.Initializers))
		for i, initializer := range workspace.Status.Initializers {
			names[i] = string(initializer)
		}
		parts = append(parts, "waiting for initializers "+strings.Join(names, ", "))
	}
	for _, condition := range workspace.Status.Conditions {
		if condition.Status != corev1.ConditionTrue && condition.Message != "" {
			parts = append(parts, condition.Message)
		}
	}
	return strings.Join(parts, ": ")
}
