package copy

import (
	"context"
	"errors"
	"fmt"
)

// ErrTaken says that the place of a copy is taken by an object that somebody
// else made.
var ErrTaken = errors.New("taken by an object that this agent did not make")

// Step is what Reconcile did.
type Step string

const (
	// Nothing was to be done.
	Nothing Step = "nothing"
	// Applied wrote the copy.
	Applied Step = "apply"
	// Deleted asked for the deletion of the copy. Another look has to follow.
	Deleted Step = "delete"
	// Waiting means that the copy is on its way out.
	Waiting Step = "wait"
	// Released let go of the object.
	Released Step = "release"
	// Reported wrote the status back.
	Reported Step = "report"
	// Refused found the place taken.
	Refused Step = "refuse"
)

// Copier copies the objects of one resource.
type Copier struct {
	rules Rules
	from  From
	to    To
}

// New returns a Copier.
func New(rules Rules, from From, to To) *Copier {
	return &Copier{rules: rules, from: from, to: to}
}

// Reconcile takes the next step for the object called key.
func (c *Copier) Reconcile(ctx context.Context, key Key) (Step, error) {
	obj, err := c.from.Seen(key)
	if err != nil {
		return Nothing, fmt.Errorf("failed to read object: %w", err)
	}
	have, err := c.to.Seen(key)
	if err != nil {
		return Nothing, fmt.Errorf("failed to read copy: %w", err)
	}
	if obj == nil {
		return c.clear(ctx, key, have)
	}
	switch c.rules.Intent(obj) {
	case Keep:
		return c.keep(ctx, key, obj, have)
	case Remove:
		return c.remove(ctx, key, obj, have)
	default:
		return Nothing, nil
	}
}

// clear removes a copy that no object asks for.
func (c *Copier) clear(ctx context.Context, key Key, have *Object) (Step, error) {
	if have == nil || !c.rules.Mine(have) {
		return Nothing, nil
	}
	return c.delete(ctx, key, have)
}

func (c *Copier) keep(ctx context.Context, key Key, obj, have *Object) (Step, error) {
	want, err := c.rules.Make(obj)
	if err != nil {
		return Nothing, fmt.Errorf("failed to make the copy: %w", err)
	}
	if want == nil {
		return c.clear(ctx, key, have)
	}
	have, err = c.found(ctx, key, have)
	if err != nil {
		return Nothing, err
	}
	if have == nil {
		return c.apply(ctx, key, want)
	}
	switch c.rules.Compare(want, have) {
	case Foreign:
		return Refused, fmt.Errorf("failed to copy %s to %s/%s: %w", key, want.GetNamespace(), want.GetName(), ErrTaken)
	case Stale:
		return c.delete(ctx, key, have)
	case Differs:
		return c.renew(ctx, key, want, have)
	default:
		return c.report(ctx, obj, have)
	}
}

// renew writes a copy again, unless it is on its way out: then its successor is
// made once it is gone.
func (c *Copier) renew(ctx context.Context, key Key, want, have *Object) (Step, error) {
	if have.GetDeletionTimestamp() != nil {
		return Waiting, nil
	}
	want.SetUID(have.GetUID())
	return c.apply(ctx, key, want)
}

func (c *Copier) remove(ctx context.Context, key Key, obj, have *Object) (Step, error) {
	have, err := c.found(ctx, key, have)
	if err != nil {
		return Nothing, err
	}
	if have != nil && c.rules.Mine(have) {
		return c.delete(ctx, key, have)
	}
	if err := c.from.Release(ctx, obj); err != nil {
		return Nothing, fmt.Errorf("failed to release object: %w", err)
	}
	return Released, nil
}

// found returns what stands in the place of the copy. Absence is believed only
// from the server.
func (c *Copier) found(ctx context.Context, key Key, seen *Object) (*Object, error) {
	if seen != nil {
		return seen, nil
	}
	have, err := c.to.Read(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("failed to look for the copy: %w", err)
	}
	return have, nil
}

func (c *Copier) apply(ctx context.Context, key Key, want *Object) (Step, error) {
	if err := c.to.Apply(ctx, key, want); err != nil {
		return Nothing, fmt.Errorf("failed to apply the copy: %w", err)
	}
	return Applied, nil
}

func (c *Copier) delete(ctx context.Context, key Key, have *Object) (Step, error) {
	if have.GetDeletionTimestamp() != nil {
		return Waiting, nil
	}
	if err := c.to.Delete(ctx, key, have); err != nil {
		return Nothing, fmt.Errorf("failed to delete the copy: %w", err)
	}
	return Deleted, nil
}

func (c *Copier) report(ctx context.Context, obj, have *Object) (Step, error) {
	status, differs := c.rules.Status(obj, have)
	if !differs {
		return Nothing, nil
	}
	if err := c.from.WriteStatus(ctx, obj, status); err != nil {
		return Nothing, fmt.Errorf("failed to report the status: %w", err)
	}
	return Reported, nil
}
