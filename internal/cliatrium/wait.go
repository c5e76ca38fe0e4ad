package cliatrium

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/atriumhub/atrium/sdk/client"
)

const (
	// patience is how long something may take before progress is printed.
	patience = 2 * time.Second
	// reconnect is how long to wait before watching again after a watch ended.
	reconnect = 500 * time.Millisecond
)

// errTimeout means that the time was up; what was last seen tells why.
var errTimeout = errors.New("timed out")

// waiting is one object to wait for.
type waiting[T client.Object, L runtime.Object] struct {
	objects *client.Typed[T, L]
	name    string
	// judge says whether the object is as it should be, and if not, why not.
	judge func(T) (done bool, why string)
	// deadline ends the wait; it may be shared by several.
	deadline <-chan time.Time
	after    func(time.Duration) <-chan time.Time
	// slow is told once, when patience is over, and then whatever is new.
	slow func(why string)
	// left says how things stand when the user does not wait any more.
	left string
}

// wait watches until the object is as it should be. When the time is up it
// returns why it is not, with errTimeout.
func (w waiting[T, L]) wait(ctx context.Context) (why string, err error) {
	why, err = w.watch(ctx)
	if err != nil && ctx.Err() != nil {
		return why, fmt.Errorf("interrupted: %s", w.left)
	}
	return why, err
}

func (w waiting[T, L]) watch(ctx context.Context) (why string, err error) {
	impatient, told := w.after(patience), false
	why = "the hub has not looked at it yet"
	for {
		events, err := w.objects.Watch(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, w.name).String()})
		if err != nil {
			return why, err
		}
		done, err := w.follow(ctx, events, &why, &impatient, &told)
		events.Stop()
		if done || err != nil {
			return why, err
		}
		select {
		case <-ctx.Done():
			return why, ctx.Err()
		case <-w.deadline:
			return why, errTimeout
		case <-w.after(reconnect):
		}
	}
}

// follow reads one watch to its end, or until there is an answer.
func (w waiting[T, L]) follow(ctx context.Context, events watch.Interface, why *string, impatient *<-chan time.Time, told *bool) (bool, error) {
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-w.deadline:
			return false, errTimeout
		case <-*impatient:
			*impatient, *told = nil, true
			w.slow(*why)
		case event, open := <-events.ResultChan():
			object, ok := event.Object.(T)
			if !open || !ok {
				return false, nil
			}
			if event.Type == watch.Deleted {
				return false, fmt.Errorf("%q was deleted while waiting for it", w.name)
			}
			done, now := w.judge(object)
			if done {
				return true, nil
			}
			if now != *why && *told {
				w.slow(now)
			}
			*why = now
		}
	}
}

// printSlow prints progress as "<what> is not ready yet: <why>".
func printSlow(to io.Writer, what string) func(string) {
	return func(why string) { fmt.Fprintf(to, "%s is not ready yet: %s\n", what, why) }
}
