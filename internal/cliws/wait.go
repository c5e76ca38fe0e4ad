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

// vigil waits for something to become of a workspace, by watching.
type vigil struct {
	workspaces *client.WorkspaceClient
	after      func(time.Duration) <-chan time.Time
	progress   io.Writer
	// timeout bounds the wait; zero means forever.
	timeout time.Duration

	// over judges a workspace, or nil when it is gone: is the wait over, and well?
	over func(*tenancyv1alpha1.Workspace) (bool, error)
	// tell says what one waits for, in a line.
	tell func(*tenancyv1alpha1.Workspace) string
	// late is the error for a wait that took too long.
	late func(*tenancyv1alpha1.Workspace) error
	// left is the error for one that was given up with Ctrl-C.
	left error

	// slow is set once patience is over; said is what was printed last.
	slow bool
	said string
}

// errBroken means that a watch ended without an answer.
var errBroken = errors.New("watch ended")

// until returns the workspace that ended the wait, nil when it is gone. last is
// what is known of it.
func (v *vigil) until(ctx context.Context, last *tenancyv1alpha1.Workspace) (*tenancyv1alpha1.Workspace, error) {
	current, err := v.follow(ctx, last)
	if errors.Is(err, context.Canceled) {
		return nil, v.left
	}
	return current, err
}

// follow watches again and again.
func (v *vigil) follow(ctx context.Context, last *tenancyv1alpha1.Workspace) (*tenancyv1alpha1.Workspace, error) {
	deadline, impatient := v.deadline(), v.after(patience)
	for {
		current, err := v.watch(ctx, last, deadline, impatient)
		if !errors.Is(err, errBroken) {
			return current, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-deadline:
			return nil, v.late(current)
		case <-v.after(reconnect):
		}
		if last, err = v.look(ctx, current.Name); err != nil {
			return nil, err
		}
		if over, err := v.over(last); over || err != nil {
			return last, err
		}
	}
}

func (v *vigil) deadline() <-chan time.Time {
	if v.timeout == 0 {
		return nil
	}
	return v.after(v.timeout)
}

// look asks for the workspace, which is nil when it is gone.
func (v *vigil) look(ctx context.Context, name string) (*tenancyv1alpha1.Workspace, error) {
	workspace, err := v.workspaces.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return workspace, err
}

// watch follows one watch. It returns what ended the wait, or the last state
// seen with errBroken, or an error that waiting does not mend.
func (v *vigil) watch(ctx context.Context, last *tenancyv1alpha1.Workspace, deadline, impatient <-chan time.Time) (*tenancyv1alpha1.Workspace, error) {
	events, err := v.workspaces.Watch(ctx, metav1.ListOptions{
		FieldSelector:   fields.OneTermEqualSelector(metav1.ObjectNameField, last.Name).String(),
		ResourceVersion: last.ResourceVersion,
	})
	if apierrors.IsGone(err) || apierrors.IsResourceExpired(err) || apierrors.IsForbidden(err) {
		return last, errBroken // Who may not watch can still look now and then.
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
			return nil, v.late(last)
		case <-impatient:
			v.slow = true
			v.report(last)
		case event, ok := <-events.ResultChan():
			current, isWorkspace := event.Object.(*tenancyv1alpha1.Workspace)
			if !ok || !isWorkspace {
				return last, errBroken
			}
			if over, err := v.over(unlessDeleted(event.Type, current)); over || err != nil {
				return current, err
			}
			last = current
			v.report(last)
		}
	}
}

func unlessDeleted(what watch.EventType, workspace *tenancyv1alpha1.Workspace) *tenancyv1alpha1.Workspace {
	if what == watch.Deleted {
		return nil
	}
	return workspace
}

// report prints what a slow workspace waits for, when that is news.
func (v *vigil) report(workspace *tenancyv1alpha1.Workspace) {
	text := v.tell(workspace)
	if !v.slow || text == v.said {
		return
	}
	v.said = text
	fmt.Fprintln(v.progress, text)
}

// awaitReady makes a vigil one for a workspace that is to be ready.
func (v vigil) awaitReady(name string) *vigil {
	v.over = func(workspace *tenancyv1alpha1.Workspace) (bool, error) {
		if workspace == nil || workspace.DeletionTimestamp != nil {
			return false, fmt.Errorf("workspace %q was deleted while waiting for it to be ready", name)
		}
		return isReady(workspace), nil
	}
	v.left = fmt.Errorf("interrupted: workspace %q is there and goes on by itself; 'kubectl ws delete %s' takes it away", name, name)
	v.tell = func(workspace *tenancyv1alpha1.Workspace) string {
		return fmt.Sprintf("Workspace %q is not ready yet: %s", name, waitsFor(workspace))
	}
	v.late = func(workspace *tenancyv1alpha1.Workspace) error {
		return fmt.Errorf("workspace %q is not ready after %s: %s; it goes on by itself, see 'kubectl describe workspace %s'", name, v.timeout, waitsFor(workspace), name)
	}
	return &v
}

// waitsFor says why a workspace is not ready, as far as it tells.
func waitsFor(workspace *tenancyv1alpha1.Workspace) string {
	phase := string(workspace.Status.Phase)
	if phase == "" {
		phase = "not seen by the hub's controllers"
	}
	parts := []string{phase}
	for _, condition := range workspace.Status.Conditions {
		if condition.Status != corev1.ConditionTrue && condition.Message != "" {
			parts = append(parts, condition.Message)
		}
	}
	if len(parts) == 1 && len(workspace.Status.Initializers) > 0 {
		parts = append(parts, "waiting for initializers "+join(workspace.Status.Initializers))
	}
	return strings.Join(parts, ": ")
}
