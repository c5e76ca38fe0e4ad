package storagemigrations

import (
	"fmt"
	"strings"
	"testing"
	"time"

	svmv1 "k8s.io/api/storagemigration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var start = time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)

func migration(name string, age time.Duration, conditions ...svmv1.MigrationConditionType) *svmv1.StorageVersionMigration {
	m := &svmv1.StorageVersionMigration{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(start.Add(-age))}}
	m.Spec.Resource = metav1.GroupResource{Group: "example.io", Resource: "gears"}
	for _, c := range conditions {
		m.Status.Conditions = append(m.Status.Conditions, metav1.Condition{Type: string(c), Status: metav1.ConditionTrue})
	}
	return m
}

func TestJudge(t *testing.T) {
	gears := func(edits ...func(*apiextensionsv1.CustomResourceDefinition)) *apiextensionsv1.CustomResourceDefinition {
		crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "gears.example.io"}}
		for _, edit := range edits {
			edit(crd)
		}
		return crd
	}
	deleted := func(crd *apiextensionsv1.CustomResourceDefinition) {
		crd.DeletionTimestamp = &metav1.Time{Time: start}
	}
	adopted := func(crd *apiextensionsv1.CustomResourceDefinition) {
		crd.Annotations = map[string]string{apisv1alpha2.AdoptedByAnnotationKey: "gears/abc"}
	}
	local := &schemas.API{Origin: schemas.Local}
	for name, tc := range map[string]struct {
		facts facts
		age   time.Duration
		want  step
		why   string
	}{
		"a definition":             {facts: facts{api: local, definition: gears()}, want: migrate},
		"compiled in":              {facts: facts{builtin: true}, want: succeed},
		"compiled in, and bound":   {facts: facts{api: &schemas.API{Origin: schemas.Native}}, want: succeed},
		"of the hub":               {facts: facts{api: &schemas.API{Origin: schemas.System}}, want: succeed},
		"bound":                    {facts: facts{api: &schemas.API{Origin: schemas.Bound, Export: "root:a:gears"}}, want: fail, why: "gears.example.io comes from APIExport root:a:gears: "},
		"bound, over a definition": {facts: facts{api: &schemas.API{Origin: schemas.Bound}, definition: gears()}, want: fail, why: "gears.example.io comes from"},
		"not served yet":           {facts: facts{}, age: patience - 1, want: wait},
		"not served":               {facts: facts{}, age: patience, want: fail, why: "gears.example.io is not served in this workspace"},
		"not established":          {facts: facts{definition: gears()}, want: wait},
		"just gone":                {facts: facts{api: local}, want: wait},
		"gone":                     {facts: facts{api: local}, age: patience, want: fail, why: "gears.example.io is not served"},
		"being deleted":            {facts: facts{api: local, definition: gears(deleted)}, want: fail, why: "CustomResourceDefinition gears.example.io is being deleted"},
		"being adopted":            {facts: facts{api: local, definition: gears(adopted)}, age: time.Hour, want: wait},
		"adopted until just now":   {facts: facts{api: &schemas.API{Origin: schemas.Local, Closed: true}, definition: gears()}, want: wait},
	} {
		t.Run(name, func(t *testing.T) {
			tc.facts.migration, tc.facts.now = migration("m", tc.age), start
			got, why := judge(tc.facts)
			if got != tc.want || !strings.HasPrefix(why, tc.why) || (why == "") != (tc.why == "") {
				t.Errorf("got %v (%q), want %v (%q)", got, why, tc.want, tc.why)
			}
		})
	}
}

func TestNext(t *testing.T) {
	running, succeeded, failed := svmv1.MigrationRunning, svmv1.MigrationSucceeded, svmv1.MigrationFailed
	for name, tc := range map[string]struct {
		migrations []*svmv1.StorageVersionMigration
		want       string
	}{
		"none":                   {},
		"none left":              {migrations: []*svmv1.StorageVersionMigration{migration("a", 2, succeeded), migration("b", 1, running, failed)}},
		"the oldest":             {migrations: []*svmv1.StorageVersionMigration{migration("a", 1), migration("b", 3), migration("c", 2)}, want: "b"},
		"of two as old":          {migrations: []*svmv1.StorageVersionMigration{migration("b", 1), migration("a", 1)}, want: "a"},
		"what runs goes on":      {migrations: []*svmv1.StorageVersionMigration{migration("a", 3), migration("b", 1, running)}, want: "b"},
		"what ran comes no more": {migrations: []*svmv1.StorageVersionMigration{migration("a", 1), migration("b", 2, running, succeeded)}, want: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if m := next(tc.migrations); m != nil {
				got = m.Name
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestWithMark: the other conditions stay, and a time means that the status changed.
func TestWithMark(t *testing.T) {
	m := &Migrator{Config: Config{Clock: clock.RealClock{}}}
	established := apiextensionsv1.CustomResourceDefinitionCondition{Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionTrue}
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Generation: 3}}
	crd.Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{established}
	mark := func(status apiextensionsv1.ConditionStatus, message string) apiextensionsv1.CustomResourceDefinitionCondition {
		return apiextensionsv1.CustomResourceDefinitionCondition{Type: apiextensionsv1.StorageMigrating, Status: status, Message: message}
	}
	for i, step := range []struct {
		mark           apiextensionsv1.CustomResourceDefinitionCondition
		generation     int64
		changed, timed bool
	}{
		{mark(apiextensionsv1.ConditionTrue, "a"), 3, true, true},
		{mark(apiextensionsv1.ConditionTrue, "a"), 3, false, false},
		{mark(apiextensionsv1.ConditionTrue, "b"), 3, true, false},
		{mark(apiextensionsv1.ConditionTrue, "b"), 4, true, false},
		{mark(apiextensionsv1.ConditionFalse, "b"), 4, true, true},
	} {
		var before metav1.Time
		if len(crd.Status.Conditions) > 1 {
			before = crd.Status.Conditions[1].LastTransitionTime
		}
		crd.Generation = step.generation
		conditions, changed := m.withMark(crd, step.mark)
		if changed != step.changed || len(conditions) != 2 || conditions[0] != established || conditions[1].ObservedGeneration != step.generation ||
			conditions[1].LastTransitionTime.Equal(&before) == step.timed {
			t.Errorf("step %d: changed %v: %+v", i, changed, conditions)
		}
		crd.Status.Conditions = conditions
	}
}

func TestToldIsShort(t *testing.T) {
	if got := told("ns/one", fmt.Errorf("%s", strings.Repeat("ä", 1000))); len(got) > maxTold+len("…") || !strings.HasPrefix(got, "ns/one: ä") || !strings.HasSuffix(got, "ä…") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

// TestForget: who has failed waits, whatever he does to his migrations meanwhile.
func TestForget(t *testing.T) {
	now := clocktesting.NewFakeClock(start)
	m := &Migrator{Config: Config{Clock: now}, workspaces: map[logicalcluster.Name]*progress{}}
	m.progressOf("good")
	m.progressOf("bad").again = start.Add(attemptRetry)
	m.progressOf("slow").took(slowTurn, start)
	if good, bad := m.forget("good"), m.forget("bad"); good != 0 || bad != attemptRetry || m.busy("good") || !m.busy("bad") {
		t.Errorf("after %s and %s %d are remembered", good, bad, len(m.workspaces))
	}
	now.Step(attemptRetry)
	if bad, slow := m.forget("bad"), m.forget("slow"); bad != 0 || slow != maxPause || m.busy("bad") {
		t.Errorf("after %s and %s %d are remembered", bad, slow, len(m.workspaces))
	}
}

// TestTook: who has a slow webhook has few turns.
func TestTook(t *testing.T) {
	p := &progress{}
	now := start
	for i, tc := range []struct{ later, turn, want time.Duration }{
		{0, time.Second, 0}, {0, slowTurn, 15 * time.Second}, {time.Minute, time.Second, 0}, {0, time.Minute, 30 * time.Second}, {time.Minute, slowTurn, time.Minute},
		{maxPause + 2*time.Minute, slowTurn, 15 * time.Second},
	} {
		now = now.Add(tc.later)
		before := p.again
		if p.took(tc.turn, now); tc.want == 0 && p.again != before || tc.want != 0 && p.again.Sub(now) != tc.want {
			t.Errorf("turn %d: again at %s, want %s", i, p.again.Sub(now), tc.want)
		}
	}
	for range 10 {
		p.took(slowTurn, now)
	}
	if p.pause != maxPause {
		t.Errorf("at last %s", p.pause)
	}
}
