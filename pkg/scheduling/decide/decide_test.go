package decide

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var (
	noon        = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	deployments = schema.GroupResource{Group: "apps", Resource: "deployments"}
	jobs        = schema.GroupResource{Group: "batch", Resource: "jobs"}
)

func target(name, region string, edit ...func(*Target)) Target {
	t := Target{
		Workspace: "infra", Name: name, Key: "key-" + name, Labels: labels.Set{"region": region},
		Ready: true, Accepted: map[schema.GroupResource]bool{deployments: true},
	}
	for _, e := range edit {
		e(&t)
	}
	return t
}

func notReady(since time.Time) func(*Target) {
	return func(t *Target) { t.Ready, t.NotReadySince, t.NotReadyWhy = false, since, "no heartbeat" }
}
func cordoned(t *Target) { t.Unschedulable = true }
func evicting(at time.Time) func(*Target) {
	return func(t *Target) { t.EvictAfter, t.Unschedulable = at, true }
}
func assigned(n int) func(*Target) { return func(t *Target) { t.Assigned = n } }
func accepting(grs ...schema.GroupResource) func(*Target) {
	return func(t *Target) {
		t.Accepted = map[schema.GroupResource]bool{}
		for _, gr := range grs {
			t.Accepted[gr] = true
		}
	}
}
func allowing(paths ...logicalcluster.Path) func(*Target) {
	return func(t *Target) { t.AllowedSet, t.Allowed = true, paths }
}

// infra is a workspace with locations eu and us and the given targets.
func infra(targets ...Target) Snapshot {
	location := func(name string) Location {
		set := labels.Set{"region": name}
		return Location{Name: name, Labels: set, Instances: set.AsSelector()}
	}
	return Snapshot{Workspace: "infra", Path: "root:infra", Locations: []Location{location("eu"), location("us")}, Targets: targets}
}

func parse(t *testing.T, text string) labels.Selector {
	t.Helper()
	selector, err := labels.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return selector
}

// outcome is what the table compares.
type outcome struct {
	Verdict  Verdict
	Target   string
	Location string
	Reason   string
	Message  string
	Recheck  time.Duration
}

func outcomeOf(d Decision) outcome {
	o := outcome{Verdict: d.Verdict, Location: d.Location, Reason: d.Reason, Message: d.Message}
	if d.Target != nil {
		o.Target = d.Target.Name
	}
	if !d.RecheckAt.IsZero() {
		o.Recheck = d.RecheckAt.Sub(noon)
	}
	return o
}

func TestDecide(t *testing.T) {
	const grace = 5 * time.Minute
	tests := map[string]struct {
		selectors []string
		edit      func(*Request)
		snapshot  Snapshot
		want      outcome
	}{
		"the only target that matches": {
			selectors: []string{"region=eu"},
			snapshot:  infra(target("eu-1", "eu"), target("us-1", "us")),
			want:      outcome{Verdict: Chosen, Target: "eu-1", Location: "eu", Message: "sync target eu-1 through location eu"},
		},
		"selectors are alternatives": {
			selectors: []string{"region=mars", "region=us"},
			snapshot:  infra(target("eu-1", "eu"), target("us-1", "us")),
			want:      outcome{Verdict: Chosen, Target: "us-1", Location: "us", Message: "sync target us-1 through location us"},
		},
		"an empty selector matches everything, the emptier target wins": {
			selectors: []string{""},
			snapshot:  infra(target("eu-1", "eu", assigned(3)), target("us-1", "us", assigned(2))),
			want:      outcome{Verdict: Chosen, Target: "us-1", Location: "us", Message: "sync target us-1 through location us"},
		},
		"no selectors at all": {
			snapshot: infra(target("eu-1", "eu")),
			want: outcome{Verdict: Nowhere, Reason: ReasonNoLocationMatch,
				Message: "spec.locationSelectors is empty, which selects no location: add an empty selector ({}) to accept every location"},
		},
		"no location matches": {
			selectors: []string{"region=mars", "zone in (a,b)"},
			snapshot:  infra(target("eu-1", "eu")),
			want: outcome{Verdict: Nowhere, Reason: ReasonNoLocationMatch,
				Message: `no location in workspace "root:infra" matches region=mars or zone in (a,b); it has eu (region=eu), us (region=us)`},
		},
		"nothing was registered": {
			selectors: []string{"region=eu"},
			snapshot:  Snapshot{Workspace: "infra", Path: "root:infra"},
			want: outcome{Verdict: Nowhere, Reason: ReasonNoLocationMatch,
				Message: `workspace "root:infra" has no locations: register a cluster there with "kubectl atrium sync"`},
		},
		"a location without targets": {
			selectors: []string{"region=us"},
			snapshot:  infra(target("eu-1", "eu")),
			want: outcome{Verdict: Nowhere, Reason: ReasonNoValidTarget,
				Message: `location us matches, but no sync target in workspace "root:infra" that admits this workspace has the labels asked for: us selects region=us`},
		},
		"every reason against a newcomer": {
			selectors: []string{""},
			edit:      func(r *Request) { r.Requires = []schema.GroupResource{deployments, jobs} },
			snapshot: infra(
				target("eu-1", "eu", notReady(noon.Add(-time.Second)), accepting(deployments, jobs)),
				target("eu-2", "eu", cordoned, accepting(deployments, jobs)),
				target("eu-3", "eu", evicting(noon), accepting(deployments, jobs)),
				target("us-1", "us"),
			),
			want: outcome{Verdict: Nowhere, Reason: ReasonNoValidTarget,
				Message: "locations eu, us match, but no sync target there is available: eu-1: not ready since 2026-05-04T11:59:59Z (no heartbeat); " +
					"eu-2: cordoned; eu-3: drained since 2026-05-04T12:00:00Z; us-1: does not sync jobs.batch"},
		},
		"a choice stays although another is emptier": {
			selectors: []string{""},
			edit:      using("eu-1"),
			snapshot:  infra(target("eu-1", "eu", assigned(9)), target("us-1", "us")),
			want:      outcome{Verdict: Kept, Target: "eu-1", Location: "eu", Message: "sync target eu-1 through location eu"},
		},
		"cordon moves nobody": {
			selectors: []string{""},
			edit:      using("eu-1"),
			snapshot:  infra(target("eu-1", "eu", cordoned), target("us-1", "us")),
			want: outcome{Verdict: Kept, Target: "eu-1", Location: "eu",
				Message: "sync target eu-1 through location eu; it takes no new placements: cordoned"},
		},
		"cordon sends away who has nothing there": {
			selectors: []string{""},
			edit:      func(r *Request) { r.Current = "key-eu-1" },
			snapshot:  infra(target("eu-1", "eu", cordoned), target("us-1", "us")),
			want:      outcome{Verdict: Chosen, Target: "us-1", Location: "us", Message: "sync target us-1 through location us"},
		},
		"a missed heartbeat is forgiven for the grace period": {
			selectors: []string{""},
			edit:      using("eu-1"),
			snapshot:  infra(target("eu-1", "eu", notReady(noon.Add(-4*time.Minute))), target("us-1", "us")),
			want: outcome{Verdict: Kept, Target: "eu-1", Location: "eu", Recheck: time.Minute,
				Message: "sync target eu-1 through location eu; it takes no new placements: not ready since 2026-05-04T11:56:00Z (no heartbeat)"},
		},
		"and not longer": {
			selectors: []string{""},
			edit:      using("eu-1"),
			snapshot:  infra(target("eu-1", "eu", notReady(noon.Add(-grace))), target("us-1", "us")),
			want:      outcome{Verdict: Chosen, Target: "us-1", Location: "us", Message: "sync target us-1 through location us"},
		},
		"nobody is moved to nowhere by a fault": {
			selectors: []string{"region=eu"},
			edit:      using("eu-1"),
			snapshot:  infra(target("eu-1", "eu", notReady(noon.Add(-grace))), target("us-1", "us")),
			want: outcome{Verdict: Stranded, Target: "eu-1", Location: "eu", Reason: ReasonLocationInvalid,
				Message: "stays on sync target eu-1 (not ready since 2026-05-04T11:55:00Z (no heartbeat)) because nothing else fits: " +
					"location eu matches, but no sync target there is available: eu-1: not ready since 2026-05-04T11:55:00Z (no heartbeat)"},
		},
		"a drain moves": {
			selectors: []string{""},
			edit:      using("eu-1"),
			snapshot:  infra(target("eu-1", "eu", evicting(noon)), target("us-1", "us")),
			want:      outcome{Verdict: Chosen, Target: "us-1", Location: "us", Message: "sync target us-1 through location us"},
		},
		"a drain moves even to nowhere": {
			selectors: []string{"region=eu"},
			edit:      using("eu-1"),
			snapshot:  infra(target("eu-1", "eu", evicting(noon))),
			want: outcome{Verdict: Nowhere, Reason: ReasonNoValidTarget,
				Message: "location eu matches, but no sync target there is available: eu-1: drained since 2026-05-04T12:00:00Z"},
		},
		"a drain that is still to come is waited for": {
			selectors: []string{""},
			edit:      using("eu-1"),
			snapshot:  infra(target("eu-1", "eu", evicting(noon.Add(time.Hour))), target("us-1", "us")),
			want: outcome{Verdict: Kept, Target: "eu-1", Location: "eu", Recheck: time.Hour,
				Message: "sync target eu-1 through location eu; it takes no new placements: cordoned"},
		},
		"a changed selector moves": {
			selectors: []string{"region=us"},
			edit:      using("eu-1"),
			snapshot:  infra(target("eu-1", "eu"), target("us-1", "us")),
			want:      outcome{Verdict: Chosen, Target: "us-1", Location: "us", Message: "sync target us-1 through location us"},
		},
		"a changed selector waits for the new place to be ready": {
			selectors: []string{"region=us"},
			edit:      using("eu-1"),
			snapshot:  infra(target("eu-1", "eu"), target("us-1", "us", cordoned)),
			want: outcome{Verdict: Stranded, Target: "eu-1", Reason: ReasonLocationInvalid,
				Message: "stays on sync target eu-1 (no location that the placement selects contains it) because nothing else fits: " +
					"location us matches, but no sync target there is available: us-1: cordoned"},
		},
		"the current target is gone": {
			selectors: []string{""},
			edit:      using("eu-9"),
			snapshot:  infra(target("us-1", "us")),
			want:      outcome{Verdict: Chosen, Target: "us-1", Location: "us", Message: "sync target us-1 through location us"},
		},
		"a stranger is told nothing": {
			selectors: []string{""},
			edit:      func(r *Request) { r.Consumer = Consumer{Workspace: "evil", Path: "root:evil"} },
			snapshot:  infra(target("eu-1", "eu")),
			want: outcome{Verdict: Nowhere, Reason: ReasonLocationNotFound,
				Message: `location workspace "root:infra" does not exist or does not admit this workspace: ` +
					"correct spec.locationWorkspace, bind a compute export of it, or ask its owner to allow this workspace"},
		},
		"a stranger sees only what admits him": {
			selectors: []string{""},
			edit:      func(r *Request) { r.Consumer = Consumer{Workspace: "web", Path: "root:acme:web"} },
			snapshot:  infra(target("eu-1", "eu"), target("us-1", "us", cordoned, allowing("root:acme"))),
			want: outcome{Verdict: Nowhere, Reason: ReasonNoValidTarget,
				Message: "locations eu, us match, but no sync target there is available: us-1: cordoned"},
		},
		"admission withdrawn releases, even to nowhere": {
			selectors: []string{""},
			edit: func(r *Request) {
				using("eu-1")(r)
				r.Consumer = Consumer{Workspace: "web", Path: "root:acme:web", Computes: []logicalcluster.Name{"infra"}}
			},
			snapshot: infra(target("eu-1", "eu", allowing("root:other"))),
			want: outcome{Verdict: Nowhere, Reason: ReasonNoValidTarget,
				Message: `locations eu, us match, but no sync target in workspace "root:infra" that admits this workspace has the labels asked for: ` +
					"eu selects region=eu, us selects region=us"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := Request{ID: "web|p", Consumer: Consumer{Workspace: "infra", Path: "root:infra"}, Now: noon, Grace: grace}
			for _, text := range test.selectors {
				r.LocationSelectors = append(r.LocationSelectors, parse(t, text))
			}
			if test.edit != nil {
				test.edit(&r)
			}
			if diff := cmp.Diff(test.want, outcomeOf(Decide(r, test.snapshot))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// using says that namespaces are placed on the target.
func using(name string) func(*Request) {
	return func(r *Request) { r.Current, r.InUse = "key-"+name, true }
}

func TestDecideIsDeterministicAndSpreads(t *testing.T) {
	s := infra(target("eu-1", "eu"), target("eu-2", "eu"), target("us-1", "us"))
	used := map[string]int{}
	for i := range 300 {
		r := Request{ID: string(rune('a'+i%26)) + string(rune('a'+i/26)), Consumer: Consumer{Workspace: "infra"}, LocationSelectors: []labels.Selector{labels.Everything()}, Now: noon}
		first := Decide(r, s)
		if again := Decide(r, s); again.Target != first.Target {
			t.Fatalf("%s: chose %s, then %s", r.ID, first.Target.Name, again.Target.Name)
		}
		used[first.Target.Name]++
	}
	for _, tgt := range s.Targets {
		if n := used[tgt.Name]; n < 50 {
			t.Errorf("%s was chosen %d times of 300", tgt.Name, n)
		}
	}
}

func TestAdmits(t *testing.T) {
	web := Consumer{Workspace: "web", Path: "root:acme:web"}
	tests := map[string]struct {
		consumer Consumer
		where    logicalcluster.Path
		target   Target
		want     bool
	}{
		"own workspace":                        {consumer: Consumer{Workspace: "infra"}, target: target("a", ""), want: true},
		"own workspace although others listed": {consumer: Consumer{Workspace: "infra"}, target: target("a", "", allowing("root:x")), want: true},
		"below":                                {consumer: web, where: "root:acme", target: target("a", ""), want: true},
		"below, but not listed":                {consumer: web, where: "root:acme", target: target("a", "", allowing("root:acme:api"))},
		"above":                                {consumer: web, where: "root:acme:web:deep", target: target("a", "")},
		"beside, same beginning":               {consumer: web, where: "root:ac", target: target("a", "")},
		"compute bound":                        {consumer: Consumer{Workspace: "web", Path: "root:acme:web", Computes: []logicalcluster.Name{"infra"}}, where: "root:infra", target: target("a", ""), want: true},
		"another compute bound":                {consumer: Consumer{Workspace: "web", Path: "root:acme:web", Computes: []logicalcluster.Name{"other"}}, where: "root:infra", target: target("a", "")},
		"listed":                               {consumer: web, where: "root:infra", target: target("a", "", allowing("root:acme:web")), want: true},
		"listed above":                         {consumer: web, where: "root:infra", target: target("a", "", allowing("root:acme")), want: true},
		"everybody listed":                     {consumer: web, where: "root:infra", target: target("a", "", allowing(AnyWorkspace)), want: true},
		"empty list":                           {consumer: web, where: "root:acme", target: target("a", "", allowing())},
		"unknown path is below nothing":        {consumer: Consumer{Workspace: "web"}, where: "root:acme", target: target("a", "")},
		"unknown location path trusts nobody":  {consumer: web, target: target("a", "")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := Snapshot{Workspace: "infra", Path: test.where}
			if got := s.Admits(test.consumer, &test.target); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
