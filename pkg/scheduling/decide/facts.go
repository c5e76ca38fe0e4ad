package decide

import (
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Target is what a decision may know of one SyncTarget.
type Target struct {
	// Workspace and Name say which SyncTarget it is, Key how labels name it.
	Workspace logicalcluster.Name
	Name      string
	Key       string
	// Labels are those of the SyncTarget; locations select by them.
	Labels labels.Set
	// Ready is the Ready condition. NotReadySince is when it last turned from
	// true, NotReadyWhy what it says; both are empty while Ready.
	Ready         bool
	NotReadySince time.Time
	NotReadyWhy   string
	// Unschedulable keeps newcomers away.
	Unschedulable bool
	// EvictAfter is the moment from which nobody may stay; zero means never.
	EvictAfter time.Time
	// Accepted are the resources that the agent says the cluster can take.
	Accepted map[schema.GroupResource]bool
	// AllowedSet says that the owner of the target listed who may use it, in
	// Allowed. AnyWorkspace in that list admits everybody.
	AllowedSet bool
	Allowed    []logicalcluster.Path
	// Assigned is the number of Placements that have chosen the target.
	Assigned int
}

// Drained reports whether the moment has come from which nobody may stay.
func (t *Target) Drained(now time.Time) bool {
	return !t.EvictAfter.IsZero() && !now.Before(t.EvictAfter)
}

// AnyWorkspace in Target.Allowed admits every workspace of the hub.
const AnyWorkspace logicalcluster.Path = "*"

// Location is a named group of sync targets of one workspace.
type Location struct {
	Name string
	// Labels are what Placements select by.
	Labels labels.Set
	// Instances selects the sync targets. It is never nil.
	Instances labels.Selector
}

// Snapshot is one workspace's locations and sync targets, each sorted by name.
// It is shared between decisions and must not be changed.
type Snapshot struct {
	Workspace logicalcluster.Name
	// Path is how people call the workspace.
	Path      logicalcluster.Path
	Locations []Location
	Targets   []Target
}

// Consumer is the workspace whose objects are to be placed.
type Consumer struct {
	Workspace logicalcluster.Name
	Path      logicalcluster.Path
	// Computes are the workspaces of whose compute exports the consumer has a
	// binding. Binding needs a permission that the owner of the export gives.
	Computes []logicalcluster.Name
}

// Request is what Decide is asked about one Placement.
type Request struct {
	// ID tells Placements apart and stays the same for ever. It only breaks
	// ties.
	ID       string
	Consumer Consumer
	// LocationSelectors are ORed. An empty list selects nothing, an empty
	// selector in it selects everything: that is what clients of this API were
	// built against.
	LocationSelectors []labels.Selector
	// Requires are the resources the target has to accept.
	Requires []schema.GroupResource
	// Current is the key of the target chosen before, or "". CurrentLocation is
	// the location it was chosen through.
	Current         string
	CurrentLocation string
	// InUse says that namespaces are placed through the Placement, so that
	// leaving the current target moves workloads.
	InUse bool
	// Now is the moment of the decision, Grace how long a target in use may be
	// not ready before its workloads move (see D3).
	Now   time.Time
	Grace time.Duration
}

// Verdict is the outcome of Decide.
type Verdict string

const (
	// Chosen is a target that the Placement did not have before.
	Chosen Verdict = "Chosen"
	// Kept is the current target, and all is well with it.
	Kept Verdict = "Kept"
	// Stranded is the current target for want of a better one: something is
	// wrong with it, and nothing else fits.
	Stranded Verdict = "Stranded"
	// Nowhere means that no target fits.
	Nowhere Verdict = "Nowhere"
)

// Reasons, as Placement conditions carry them.
const (
	// ReasonNoLocationMatch means that the selectors match no location.
	ReasonNoLocationMatch = schedulingv1alpha1.LocationNotMatchReason
	// ReasonLocationNotFound means that the location workspace is not there, or
	// not for this workspace.
	ReasonLocationNotFound = schedulingv1alpha1.LocationNotFoundReason
	// ReasonLocationInvalid means that the target in use ought to be left.
	ReasonLocationInvalid = schedulingv1alpha1.LocationInvalidReason
	// ReasonNoValidTarget means that locations match but none of their sync
	// targets can take workloads.
	ReasonNoValidTarget = schedulingv1alpha1.ScheduleNoValidTargetReason
)

// Decision is the answer of Decide.
type Decision struct {
	Verdict Verdict
	// Target is nil when the verdict is Nowhere. It points into the snapshot.
	Target *Target
	// Location is the name of the location that Target was found through. It is
	// empty when Target is nil, and when a stranded target is in none.
	Location string
	// Reason is one of the Reason constants, or empty when all is well.
	Reason string
	// Message is for a person: what was decided and why, or what is missing.
	// It holds no relative times, so it changes only when the facts do.
	Message string
	// RecheckAt is when time alone can change the decision; zero means never.
	RecheckAt time.Time
}
