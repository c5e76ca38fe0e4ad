package decide

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Facts are what is known of one workspace.
type Facts struct {
	// Path is where the workspace lies.
	Path logicalcluster.Path
	// Lost is whether it is not known where the workspace lies (D5).
	Lost bool
	// Open is whether anything is put into it: it is being initialized, or ready.
	Open bool
	// Bindings are all there are.
	Bindings []*apisv1alpha2.APIBinding
	// Matching are the active publications that are for it, the oldest first.
	Matching []*Publication
	// Known finds any publication by its ID, also those that are not for this
	// workspace or are ending.
	Known func(id string) (*Publication, bool)
	// Export returns which export a binding refers to, and false when there is no
	// workspace that it could be in.
	Export func(*apisv1alpha2.APIBinding) (logicalcluster.Key, bool)
	// Had are the publications whose turn this workspace has had, by UID.
	Had []types.UID
	// Trouble is what went wrong when the binding of a publication was made last
	// time, or "".
	Trouble func(id string) string
}

// Outcome is how far a workspace is with one publication.
type Outcome struct {
	Publication *Publication
	State       publicationv1alpha1.PublicationState
	// Message says why it is no further.
	Message string
	// Soon is whether that is about to change by itself.
	Soon bool
}

// Creation is a binding to make, and for whom.
type Creation struct {
	For     *Publication
	Binding *apisv1alpha2.APIBinding
}

// Plan is what to do in one workspace.
type Plan struct {
	Create []Creation
	// Amend are bindings as they ought to be. Metadata and spec are meant.
	Amend  []*apisv1alpha2.APIBinding
	Delete []*apisv1alpha2.APIBinding
	// Had are publications to be added to Facts.Had.
	Had []types.UID
	// Outcomes are those of all publications that count the workspace.
	Outcomes []Outcome
}

// room is a workspace while it is decided on. What is asked for each publication is
// in maps: an author can have as many publications and exports as he likes.
type room struct {
	Facts
	plan Plan
	// matching are Facts.Matching by export, the oldest first.
	matching map[logicalcluster.Key][]*Publication
	// bindings are those to an export, a living one if there is one.
	bindings map[logicalcluster.Key]*apisv1alpha2.APIBinding
	names    sets.Set[string]
	had      sets.Set[types.UID]
	// held are the marked bindings that stay, by the key of their publication, and
	// inherited are those of them that change hands.
	held      map[logicalcluster.Key]*apisv1alpha2.APIBinding
	inherited sets.Set[string]
	// made are the exports that the plan has a binding to.
	made sets.Set[logicalcluster.Key]
	// taken says which export has a resource here.
	taken map[schema.GroupResource]logicalcluster.Key
}

func newRoom(facts Facts) *room {
	r := &room{
		Facts: facts, matching: map[logicalcluster.Key][]*Publication{}, bindings: map[logicalcluster.Key]*apisv1alpha2.APIBinding{},
		names: sets.New[string](), had: sets.New(facts.Had...), held: map[logicalcluster.Key]*apisv1alpha2.APIBinding{},
		inherited: sets.New[string](), made: sets.New[logicalcluster.Key](), taken: map[schema.GroupResource]logicalcluster.Key{},
	}
	for _, p := range facts.Matching {
		r.matching[p.Export()] = append(r.matching[p.Export()], p)
	}
	for _, binding := range facts.Bindings {
		r.names.Insert(binding.Name)
		export, ok := facts.Export(binding)
		if found := r.bindings[export]; ok && (found == nil || found.DeletionTimestamp != nil) {
			r.bindings[export] = binding
		}
	}
	return r
}

// Decide makes the plan for one workspace.
func Decide(facts Facts) Plan {
	r := newRoom(facts)
	for _, binding := range r.keep() {
		r.part(binding)
	}
	if !facts.Open {
		return r.plan
	}
	var rest []*Publication
	for _, p := range facts.Matching {
		if !r.served(p) {
			rest = append(rest, p)
		}
	}
	for _, p := range rest {
		r.bind(p)
	}
	return r.plan
}

// keep finds the marked bindings of publications that are for this workspace, and
// returns the other marked ones.
func (r *room) keep() []*apisv1alpha2.APIBinding {
	var others []*apisv1alpha2.APIBinding
	for _, binding := range r.Bindings {
		if Mark(binding) == "" {
			continue
		}
		if p, known := r.maker(binding); known && slices.ContainsFunc(r.matching[p.Export()], p.is) {
			r.held[p.Key] = binding
			continue
		}
		others = append(others, binding)
	}
	return others
}

// maker returns the publication that a marked binding is of, and false when there
// is none any more.
func (r *room) maker(binding *apisv1alpha2.APIBinding) (*Publication, bool) {
	p, known := r.Known(Mark(binding))
	if export, ok := r.Export(binding); known && ok && export != p.Export() {
		return nil, false // another one has its name now
	}
	return p, known
}

// part finds out what becomes of a marked binding whose publication is not for this
// workspace.
func (r *room) part(binding *apisv1alpha2.APIBinding) {
	heir, inherited := r.heir(binding)
	if inherited {
		r.held[heir.Key] = binding
	}
	p, known := r.maker(binding)
	switch {
	case binding.DeletionTimestamp != nil:
		// It goes.
	case inherited:
		r.handOver(heir, binding)
	case !known:
		// Its publication left without taking it along: its finalizer was removed.
		r.plan.Amend = append(r.plan.Amend, unmarked(binding))
	case p.Ending || p.Root != "" && !r.Lost:
		r.withdraw(p, binding)
	}
}

// heir is the publication of the same export that takes a binding over, because it
// is for this workspace and has none yet (D3).
func (r *room) heir(binding *apisv1alpha2.APIBinding) (*Publication, bool) {
	export, ok := r.Export(binding)
	if !ok {
		return nil, false
	}
	for _, other := range r.matching[export] {
		if _, has := r.held[other.Key]; !has {
			return other, true
		}
	}
	return nil, false
}

func (r *room) handOver(heir *Publication, binding *apisv1alpha2.APIBinding) {
	changed := binding.DeepCopy()
	heir.mark(changed)
	if heir.maintains() {
		changed.Spec.PermissionClaims = heir.claims()
	}
	r.inherited.Insert(binding.Name)
	r.plan.Amend = append(r.plan.Amend, changed)
}

// withdraw takes p's binding along, or leaves it, as p says.
func (r *room) withdraw(p *Publication, binding *apisv1alpha2.APIBinding) {
	if p.Spec.Withdrawal == publicationv1alpha1.PublicationLeave {
		r.plan.Amend = append(r.plan.Amend, unmarked(binding))
		return
	}
	r.plan.Delete = append(r.plan.Delete, binding)
}

// served reports whether the workspace has a binding to the export of p, and looks
// after it.
func (r *room) served(p *Publication) bool {
	binding, held := r.held[p.Key]
	if !held {
		binding = r.bindings[p.Export()] // somebody else's is enough (D1)
	}
	if binding == nil {
		return false
	}
	r.turn(p)
	if held && p.maintains() && binding.DeletionTimestamp == nil {
		r.maintain(p, binding)
	}
	r.report(p, binding)
	return true
}

// turn notes that the workspace has had what it gets but once.
func (r *room) turn(p *Publication) {
	if !p.maintains() && !r.had.Has(p.UID) {
		r.plan.Had = append(r.plan.Had, p.UID)
	}
}

// maintain puts back what the publication says.
func (r *room) maintain(p *Publication, binding *apisv1alpha2.APIBinding) {
	if r.inherited.Has(binding.Name) {
		return // as it was handed over
	}
	claims := p.claims()
	if p.Offer.Trouble != "" || equality.Semantic.DeepEqual(claims, binding.Spec.PermissionClaims) {
		return
	}
	changed := binding.DeepCopy()
	changed.Spec.PermissionClaims = claims
	p.mark(changed)
	r.plan.Amend = append(r.plan.Amend, changed)
}

func (r *room) report(p *Publication, binding *apisv1alpha2.APIBinding) {
	if binding.DeletionTimestamp != nil && !p.maintains() {
		return // the workspace has decided otherwise (D6)
	}
	outcome := Outcome{Publication: p}
	if binding.DeletionTimestamp != nil {
		outcome.State = publicationv1alpha1.PublicationPending
		outcome.Message = about(binding, "it is being deleted, and comes back when it is gone")
	} else {
		outcome.State, outcome.Message = stateOf(binding)
		outcome.Soon = outcome.State == publicationv1alpha1.PublicationPending
	}
	if outcome.State != publicationv1alpha1.PublicationConflicting {
		for _, resource := range p.Offer.Resources {
			r.taken[resource] = p.Export()
		}
	}
	r.plan.Outcomes = append(r.plan.Outcomes, outcome)
}

// bind makes the binding of p, unless there is a reason not to.
func (r *room) bind(p *Publication) {
	if !p.maintains() && r.had.Has(p.UID) {
		return // the workspace has decided otherwise since (D6)
	}
	outcome := Outcome{Publication: p, State: publicationv1alpha1.PublicationPending}
	resource, conflict := r.conflict(p)
	switch {
	case r.made.Has(p.Export()):
		outcome.Soon = true // by the publication before
	case p.Offer.Trouble != "":
		outcome.Message = p.Offer.Trouble
	case conflict:
		outcome.State = publicationv1alpha1.PublicationConflicting
		outcome.Message = fmt.Sprintf("another publication binds an export with %s here; it was first", resource)
	default:
		r.plan.Create = append(r.plan.Create, Creation{For: p, Binding: p.newBinding(r.Path, r.names)})
		r.made.Insert(p.Export())
		for _, resource := range p.Offer.Resources {
			r.taken[resource] = p.Export()
		}
		outcome.Soon = true
		if outcome.Message = r.Trouble(p.ID); outcome.Message != "" {
			outcome.State, outcome.Soon = publicationv1alpha1.PublicationFailed, false
		}
	}
	r.plan.Outcomes = append(r.plan.Outcomes, outcome)
}

// conflict finds a resource that another export has here by a publication (D4).
func (r *room) conflict(p *Publication) (schema.GroupResource, bool) {
	for _, resource := range p.Offer.Resources {
		if export, taken := r.taken[resource]; taken && export != p.Export() {
			return resource, true
		}
	}
	return schema.GroupResource{}, false
}
