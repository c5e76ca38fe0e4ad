package publications

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/atriumhub/atrium/pkg/loop"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// tell has the status of publications written soon, each once a second at most.
func (p *Publisher) tell(keys ...logicalcluster.Key) {
	now := p.Clock.Now()
	for _, key := range keys {
		p.statuses.EnqueueAfter(key, p.board.due(key, now))
	}
}

// tellLocked is tell while the board is locked.
func (p *Publisher) tellLocked(keys ...logicalcluster.Key) {
	now := p.Clock.Now()
	for _, key := range keys {
		p.statuses.EnqueueAfter(key, p.board.dueLocked(key, now))
	}
}

// report writes the status of one publication.
func (p *Publisher) report(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	publication, found := p.Publications.Get(key)
	if !found {
		return loop.Result{}, nil
	}
	said, known := p.board.say(key, p.Clock.Now())
	if !known || said.UID != publication.UID {
		return loop.Result{}, nil
	}
	status := p.statusOf(said, publication.Status, p.Clock.Now())
	if equality.Semantic.DeepEqual(status, publication.Status) {
		return loop.Result{}, nil
	}
	err := p.clerk.AmendPublication(ctx, key, publication.UID, func(stored *publicationv1alpha1.APIPublication) {
		stored.Status = status
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return loop.Result{}, fmt.Errorf("failed to report how far the publication is: %w", err)
	}
	return loop.Result{}, nil
}

func (p *Publisher) statusOf(t tally, before publicationv1alpha1.APIPublicationStatus, now time.Time) publicationv1alpha1.APIPublicationStatus {
	status := publicationv1alpha1.APIPublicationStatus{
		ObservedGeneration: t.generation,
		Bound:              t.counts[publicationv1alpha1.PublicationBound],
		Pending:            t.counts[publicationv1alpha1.PublicationPending],
		Conflicting:        t.counts[publicationv1alpha1.PublicationConflicting],
		Failed:             t.counts[publicationv1alpha1.PublicationFailed],
	}
	status.Matched = status.Bound + status.Pending + status.Conflicting + status.Failed
	for _, e := range t.examples {
		status.Examples = append(status.Examples, publicationv1alpha1.PublicationExample{
			Workspace: p.pathOf(e.id).String(), State: e.state, Message: e.message,
		})
	}
	export := valid(publicationv1alpha1.PublicationExportValid, t.exportTrouble)
	subtree := valid(publicationv1alpha1.PublicationSubtreeValid, t.subtreeTrouble)
	conditions := conditionsv1alpha1.Set(before.DeepCopy().Conditions, now, export, subtree, complete(t, status, export, subtree))
	status.Conditions = conditionsv1alpha1.Set(conditions, now,
		conditionsv1alpha1.Summary(conditions, conditionsv1alpha1.ReadyCondition, export.Type, subtree.Type))
	return status
}

func valid(t conditionsv1alpha1.ConditionType, trouble trouble) conditionsv1alpha1.Condition {
	if trouble.reason == "" {
		return conditionsv1alpha1.True(t)
	}
	return conditionsv1alpha1.False(t, conditionsv1alpha1.ConditionSeverityError, trouble.reason, "%s", trouble.message)
}

// complete says what is missing until all workspaces are bound. Who waits for that
// waits for what the publication says, so it is not while nobody can tell which they
// are, or what of.
func complete(t tally, status publicationv1alpha1.APIPublicationStatus, valid ...conditionsv1alpha1.Condition) conditionsv1alpha1.Condition {
	if t.Ending {
		return conditionsv1alpha1.False(publicationv1alpha1.PublicationComplete, conditionsv1alpha1.ConditionSeverityInfo,
			publicationv1alpha1.PublicationWithdrawingReason, "%d APIBindings are still to be withdrawn; each says in its conditions what it waits for", t.left)
	}
	for _, c := range valid {
		if c.Reason != "" {
			c.Type = publicationv1alpha1.PublicationComplete
			return c
		}
	}
	if status.Bound == status.Matched {
		return conditionsv1alpha1.True(publicationv1alpha1.PublicationComplete)
	}
	severity, reason := conditionsv1alpha1.ConditionSeverityInfo, publicationv1alpha1.PublicationPendingReason
	switch {
	case status.Failed > 0:
		severity, reason = conditionsv1alpha1.ConditionSeverityError, publicationv1alpha1.PublicationFailuresReason
	case status.Conflicting > 0:
		severity, reason = conditionsv1alpha1.ConditionSeverityWarning, publicationv1alpha1.PublicationConflictsReason
	}
	return conditionsv1alpha1.False(publicationv1alpha1.PublicationComplete, severity, reason,
		"%d of %d workspaces are bound%s; status.examples has some of the others", status.Bound, status.Matched, others(status))
}

func others(status publicationv1alpha1.APIPublicationStatus) string {
	var text strings.Builder
	for _, part := range []struct {
		n    int64
		what string
	}{{status.Pending, "pending"}, {status.Conflicting, "conflicting"}, {status.Failed, "failed"}} {
		if part.n > 0 {
			fmt.Fprintf(&text, ", %d %s", part.n, part.what)
		}
	}
	return text.String()
}

func (p *Publisher) pathOf(id logicalcluster.Name) logicalcluster.Path {
	if entry, ok := p.Directory.ByName(id); ok {
		return entry.Path
	}
	return id.Path()
}
