package bindings

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/atriumhub/atrium/pkg/inflight"
	"github.com/atriumhub/atrium/pkg/partition"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// migratory is a world in which objects lie in versions.
type migratory struct {
	*world
	// lying are the versions of objects, by workspace and name.
	lying map[logicalcluster.Name]map[string]string
	// stuck are the names of those that cannot be rewritten.
	stuck map[string]bool
	// rewriting is called before an object is rewritten.
	rewriting func(workspace logicalcluster.Name, name string)
}

// Schemas in the order in which one follows the other: a stores v1, b and those
// after it v2.
var (
	storesV1 = widget("a", sizeOnly, "v1", "v2")
	storesV2 = widget("b", sizeOnly, "v2", "v1")
	onlyV2   = widget("c", sizeOnly, "v2")
)

// newMigratory has n workspaces that were bound to a and are bound to b, with two
// objects each from the time of a.
func newMigratory(t *testing.T, n int) *migratory {
	m := &migratory{lying: map[logicalcluster.Name]map[string]string{}, stuck: map[string]bool{}}
	m.world = newWorldWith(t, func(config *Config) {
		storesIn := config.Migration.StoresIn
		config.Migration = Migration{Rate: config.Migration.Rate, StoresIn: storesIn, Stored: m.storedAs, Rewrite: m.rewrite}
	})
	m.offer("acme", storesV1)
	m.tenants(n)
	m.settle()
	for i := range n {
		m.lying[workspaceNo(i)] = map[string]string{"one": "v1", "two": "v1"}
	}
	m.offer("acme", storesV2)
	m.settle()
	return m
}

func workspaceNo(i int) logicalcluster.Name { return logicalcluster.Name(fmt.Sprintf("ws-%02d", i)) }

func (m *migratory) storedAs(_ context.Context, workspace logicalcluster.Name, _ schema.GroupResource, _, after string, limit int) ([]partition.Stored, error) {
	var out []partition.Stored
	for name, version := range m.lying[workspace] {
		if name > after {
			out = append(out, partition.Stored{Place: name, Name: name, APIVersion: "example.io/" + version})
		}
	}
	slices.SortFunc(out, func(a, b partition.Stored) int { return strings.Compare(a.Place, b.Place) })
	return out[:min(limit, len(out))], nil
}

func (m *migratory) rewrite(_ context.Context, workspace logicalcluster.Name, gvr schema.GroupVersionResource, identity, _, name string) error {
	if rewriting := m.rewriting; rewriting != nil {
		rewriting(workspace, name)
	}
	switch {
	case m.storesIn(workspace, gvr.GroupResource(), identity) != gvr.Version:
		return ErrStoresOtherwise
	case m.stuck[name]:
		return errors.New("it has a size of -1" + strings.Repeat(" and what a tenant writes", 100_000))
	}
	m.lying[workspace][name] = gvr.Version
	return nil
}

// migrate asks for the objects to be stored as the export's schema says.
func (m *migratory) migrate() {
	m.rollOut(func(r *publicationv1alpha1.SchemaRollout) {
		r.Spec.Resources[0].Percent, r.Spec.Resources[0].MigrateStorage = ptr.To[int32](100), true
	})
}

func (m *migratory) pass(d time.Duration) { m.driver.Advance(context.Background(), d) }

func (m *migratory) versionsAt(workspace logicalcluster.Name) string {
	b, _ := m.bindings.Get(logicalcluster.Key{Workspace: workspace, Name: "b"})
	return m.boundWidgets(workspace) + " " + strings.Join(b.Status.BoundResources[0].StorageVersions, ",")
}

func (m *migratory) expectVersions(when, want string) {
	m.t.Helper()
	if got := m.versionsAt("ws-00"); got != want {
		m.t.Errorf("%s: bound is %s, want %s", when, got, want)
	}
}

func (m *migratory) migrated() string {
	c := conditionsv1alpha1.Get(m.rollout().Status.Conditions, publicationv1alpha1.SchemaRolloutStorageMigrated)
	if c == nil {
		return "none"
	}
	return strings.TrimSpace(string(c.Status) + " " + c.Reason + " " + c.Message)
}

// All is rewritten, and after that the old version can go.
func TestMigrate(t *testing.T) {
	m := newMigratory(t, 3)
	m.schemas.Put("compute", onlyV2)
	m.accept("c.widgets.example.io")
	m.rollOut(func(r *publicationv1alpha1.SchemaRollout) {})
	m.expectVersions("before", "b v1,v2")
	if got := m.migrated(); got != "none" {
		t.Errorf("before: %s", got)
	}
	m.migrate()
	for i := range 3 {
		if got := m.versionsAt(workspaceNo(i)); got != "b v2" {
			t.Errorf("%s is bound to %s", workspaceNo(i), got)
		}
	}
	m.pass(surveyPause)
	want := &publicationv1alpha1.StorageMigrationStatus{Version: "v2", Migrated: 3, Objects: 6}
	if diff := cmp.Diff(want, m.rollout().Status.Resources[0].Migration); diff != "" || m.migrated() != "True" {
		t.Errorf("%s, status (-want +got):\n%s", m.migrated(), diff)
	}
	if left := m.keeper.migrations.passes; len(left) > 0 {
		t.Errorf("passes are kept: %v", left)
	}
	m.stored = map[logicalcluster.Name][]map[string]any{"ws-00": {widgetObject(nil)}}
	m.rollouts.Delete(logicalcluster.Key{Workspace: "compute", Name: "r"})
	m.offer("acme", onlyV2)
	m.settle()
	m.expectVersions("without the old version", "c v2")
}

// Nothing is forgotten that may still be stored.
func TestMigrateForgetsNothing(t *testing.T) {
	back := func(m *migratory, to *apisv1alpha1.APIResourceSchema) {
		m.offer("acme", to)
		if _, err := m.keeper.reconcileBinding(context.Background(), logicalcluster.Key{Workspace: "ws-00", Name: "b"}); err != nil {
			m.t.Error(err)
		}
	}
	for name, tc := range map[string]struct {
		arrange func(m *migratory)
		// want is what is bound at first, and after relief and half a minute.
		want   string
		relief func(m *migratory)
		then   string
		// says is part of the condition, at first.
		says string
	}{
		"paused": {
			func(m *migratory) {
				m.rollOut(func(r *publicationv1alpha1.SchemaRollout) { r.Spec.Paused = true })
			}, "b v1,v2",
			func(m *migratory) {
				m.rollOut(func(r *publicationv1alpha1.SchemaRollout) { r.Spec.Paused = false })
			}, "b v2", "False Paused",
		},
		"an object cannot be converted": {
			func(m *migratory) { m.stuck["one"] = true }, "b v1,v2",
			func(m *migratory) { m.stuck = nil }, "b v2",
			"False ObjectsNotRewritten widgets.example.io: the objects of 1 of 1 bindings may not be stored in v2; 1 objects cannot be rewritten, for example one in workspace root:acme:ws-00: it has a size of -1",
		},
		"it never can": {
			func(m *migratory) { m.stuck["one"] = true }, "b v1,v2",
			func(m *migratory) {}, "b v1,v2", "False ObjectsNotRewritten",
		},
		"it is deleted": {
			func(m *migratory) { m.stuck["one"] = true }, "b v1,v2",
			func(m *migratory) { delete(m.lying["ws-00"], "one") }, "b v2", "False ObjectsNotRewritten",
		},
		"objects of a definition are still taken over": {
			func(m *migratory) {
				m.definitions.Put("ws-00", &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{
					Name: "widgets.example.io", Annotations: map[string]string{apisv1alpha2.AdoptedByAnnotationKey: "b/x"},
				}})
			}, "b v1,v2",
			func(m *migratory) {
				m.definitions.Delete(logicalcluster.Key{Workspace: "ws-00", Name: "widgets.example.io"})
			}, "b v2", "False Migrating",
		},
		"the old schema comes back meanwhile": {
			func(m *migratory) {
				m.rewriting = func(_ logicalcluster.Name, name string) {
					if m.rewriting = nil; name == "one" {
						m.rollouts.Delete(logicalcluster.Key{Workspace: "compute", Name: "r"})
						back(m, storesV1)
					}
				}
			}, "a v1,v2", func(*migratory) {}, "a v1,v2", "",
		},
		"the old schema comes and goes meanwhile, and leaves an object": {
			func(m *migratory) {
				m.rewriting = func(_ logicalcluster.Name, name string) {
					if name != "two" {
						return
					}
					m.rewriting = nil
					m.rollOutLater(func(r *publicationv1alpha1.SchemaRollout) {
						r.Spec.Resources[0].MigrateStorage, r.Spec.Resources[0].Schema = false, storesV1.Name
					})
					back(m, storesV1)
					m.lying["ws-00"]["a-late-one"] = "v1"
					m.rollOutLater(func(r *publicationv1alpha1.SchemaRollout) {
						r.Spec.Resources[0].MigrateStorage, r.Spec.Resources[0].Schema = true, storesV2.Name
					})
					back(m, storesV2)
				}
			}, "b v2", func(*migratory) {}, "b v2", "True",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMigratory(t, 1)
			tc.arrange(m)
			m.migrate()
			m.pass(surveyPause)
			m.expectVersions("at first", tc.want)
			if said := m.rollout(); said != nil && (!strings.HasPrefix(m.migrated(), tc.says) || len(m.migrated()) > 1000) {
				t.Errorf("condition %s", m.migrated())
			}
			tc.relief(m)
			m.pass(30 * time.Second)
			m.expectVersions("then", tc.then)
			if strings.HasSuffix(tc.then, " v2") && slices.Contains(versionsOf(m.lying["ws-00"]), "v1") {
				t.Errorf("lying are %v", m.lying["ws-00"])
			}
		})
	}
}

func versionsOf(lying map[string]string) []string {
	var out []string
	for _, version := range lying {
		out = append(out, version)
	}
	return out
}

// rollOutLater writes a rollout, and leaves to others what follows.
func (m *migratory) rollOutLater(edit func(*publicationv1alpha1.SchemaRollout)) {
	m.rollouts.Edit(logicalcluster.Key{Workspace: "compute", Name: "r"}, edit)
}

// A write that was under way may store what it was judged by.
func TestMigrateWaitsForWrites(t *testing.T) {
	m := newMigratory(t, 1)
	place := inflight.Place{Workspace: "ws-00", Resource: schema.GroupResource{Group: "example.io", Resource: "widgets"}}
	end := m.writes.Begin(place)
	m.migrate()
	m.pass(time.Minute)
	m.expectVersions("while it is written", "b v1,v2")
	m.writes.Begin(place) // it goes by what there is now, and keeps nobody waiting
	end()
	m.pass(time.Second)
	m.expectVersions("when that is over", "b v2")
}

// deaf is a queue whose worker is held by a webhook.
type deaf struct{}

func (deaf) Enqueue(logicalcluster.Key)                     {}
func (deaf) EnqueueAfter(logicalcluster.Key, time.Duration) {}

// Whose objects a webhook converts waits for webhooks; nobody else does.
func TestMigrateByWebhooks(t *testing.T) {
	for name, test := range map[string]struct {
		strategy apisv1alpha1.ConversionStrategyType
		hangs    func(*keeper) *queue
		want     string
	}{
		"converted by the hub, while webhooks hang": {apisv1alpha1.ConversionStrategyNone, func(k *keeper) *queue { return &k.callingOut }, "c v2"},
		"converted by a webhook, while they hang":   {apisv1alpha1.ConversionStrategyWebhook, func(k *keeper) *queue { return &k.callingOut }, "c v1,v2"},
		"converted by a webhook":                    {apisv1alpha1.ConversionStrategyWebhook, func(k *keeper) *queue { return &k.migrating }, "c v2"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMigratory(t, 1)
			*test.hangs(m.keeper) = deaf{}
			converted := widget("c", sizeOnly, "v2", "v1")
			converted.Spec.Conversion = &apisv1alpha1.CustomResourceConversion{Strategy: test.strategy}
			m.offer("acme", converted)
			m.settle()
			m.rollOut(func(r *publicationv1alpha1.SchemaRollout) {
				r.Spec.Resources[0].Schema, r.Spec.Resources[0].MigrateStorage = converted.Name, true
			})
			m.pass(time.Minute)
			m.expectVersions("at the end", test.want)
		})
	}
}

// A pass that was dropped says nothing of the one that has begun since.
func TestPassesThatWereDropped(t *testing.T) {
	m, key := newMigrations(), passKey{binding: logicalcluster.Key{Workspace: "w", Name: "b"}}
	old := pass{passTarget: passTarget{"u", "s", "v1"}, since: 1}
	m.begin(key, old)
	old.after = "m"
	if m.put(key, old); !m.lasts(key, old) {
		t.Error("a pass does not last")
	}
	m.drop(key.binding)
	if m.put(key, old); m.lasts(key, old) {
		t.Error("what was dropped lasts")
	}
	for what, other := range map[string]pass{"later": {passTarget: old.passTarget, since: 2}, "for another version": {passTarget: passTarget{"u", "s", "v2"}, since: 1}} {
		m.begin(key, other)
		m.put(key, old)
		if now, _ := m.of(key); m.lasts(key, old) || now.after != "" {
			t.Errorf("one that began %s is at %q", what, now.after)
		}
	}
}

// The binding is changed by its owner all the time.
func TestMigrateBesideWriters(t *testing.T) {
	m := newMigratory(t, 1)
	key := logicalcluster.Key{Workspace: "ws-00", Name: "b"}
	amended := 0
	m.meanwhile = func(*apisv1alpha2.APIBinding) {
		if amended++; amended < 3 {
			m.bindings.Edit(key, func(b *apisv1alpha2.APIBinding) { b.Annotations = map[string]string{"n": fmt.Sprint(amended)} })
		}
	}
	m.migrate()
	m.pass(time.Second)
	m.expectVersions("at the end", "b v2")
	if amended < 3 {
		t.Errorf("it was written %d times", amended)
	}
}

// Who gets the objects of a binding that is gone does not know less of them.
func TestVersionsGoOver(t *testing.T) {
	m := newMigratory(t, 1)
	m.clock.Step(time.Minute)
	m.bindings.Put("ws-00", &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: "heir"}, Spec: apisv1alpha2.APIBindingSpec{
		Reference: apisv1alpha2.BindingReference{Export: &apisv1alpha2.ExportBindingReference{Path: "root:compute", Name: "acme"}},
	}})
	m.settle()
	m.bindings.Delete(logicalcluster.Key{Workspace: "ws-00", Name: "b"})
	m.settle()
	heir, _ := m.bindings.Get(logicalcluster.Key{Workspace: "ws-00", Name: "heir"})
	if bound := heir.Status.BoundResources; len(bound) != 1 || !slices.Equal(bound[0].StorageVersions, []string{"v1", "v2"}) {
		t.Errorf("the heir has %+v", bound)
	}
}

// Whose objects take long to convert has few turns.
func TestMigrateByWebhooksThatHang(t *testing.T) {
	m := newMigratory(t, 1)
	m.lying["ws-00"] = map[string]string{}
	for i := range 50 {
		m.lying["ws-00"][fmt.Sprintf("o-%02d", i)] = "v1"
	}
	var calls []time.Time
	m.rewriting = func(logicalcluster.Name, string) {
		calls = append(calls, m.clock.Now())
		m.clock.Step(10 * time.Second)
	}
	outside := storesV2.DeepCopy()
	outside.Name, outside.UID = "d.widgets.example.io", "d-1"
	outside.Spec.Conversion = &apisv1alpha1.CustomResourceConversion{Strategy: "Webhook", Webhook: &apisv1alpha1.WebhookConversion{
		ClientConfig: &apisv1alpha1.WebhookClientConfig{URL: "https://slow.example.org"}, ConversionReviewVersions: []string{"v1"},
	}}
	m.offer("acme", outside)
	m.settle()
	m.rollOut(func(r *publicationv1alpha1.SchemaRollout) {
		r.Spec.Resources[0].Schema = outside.Name
		r.Spec.Resources[0].Percent, r.Spec.Resources[0].MigrateStorage = ptr.To[int32](100), true
	})
	for range 120 {
		m.pass(30 * time.Second)
	}
	for i, wait := range []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, slowRetry, slowRetry} {
		if i+1 >= len(calls) {
			t.Fatalf("%d calls", len(calls))
		}
		if got := calls[i+1].Sub(calls[i]); got < wait || got > wait+time.Minute {
			t.Errorf("%s after call %d came the next, want %s", got, i, wait)
		}
	}
	m.rewriting = nil
	m.pass(slowRetry)
	m.pass(time.Minute)
	m.expectVersions("when the webhook answers", "d v2")
}

// A hub that is started again goes on counting.
func TestMigrateGoesOn(t *testing.T) {
	m := newMigratory(t, 2)
	m.stuck["one"] = true
	m.migrate()
	m.keeper.migrations = newMigrations()
	m.stuck = nil
	want := &publicationv1alpha1.StorageMigrationStatus{Version: "v2", Migrated: 2, Objects: 4}
	m.keeper.rollouts.Enqueue(logicalcluster.Key{Workspace: "compute", Name: "r"})
	m.settle()
	m.pass(time.Minute)
	if diff := cmp.Diff(want, m.rollout().Status.Resources[0].Migration); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

// What is held back on the way down is told, and what all resources sum up to.
func TestRolloutSaysWhoCannotGoBack(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", widget("a", sizeOnly, "v1"))
	w.schemas.Put("compute", widget("b", withColour, "v1"))
	having := w.tenants(4)
	w.settle()
	w.percent(100)
	w.stored = map[logicalcluster.Name][]map[string]any{"ws-01": {widgetObject(map[string]any{"colour": "red"})}}
	w.percent(0)
	if got := having("b"); !slices.Equal(got, []string{"ws-01"}) {
		t.Errorf("held back are %v", got)
	}
	status := w.rollout().Status
	if status.Percent != 0 || status.Total != 4 || status.Updated != 0 || status.Lagging != 1 {
		t.Errorf("in one line %+v", status)
	}
	if r := status.Resources[0]; r.Lagging != 1 || r.Incompatible != 1 || len(r.Examples) != 1 || r.Examples[0].Workspace != "root:acme:ws-01" {
		t.Errorf("status %+v", r)
	}
	if c := conditionsv1alpha1.Get(status.Conditions, publicationv1alpha1.SchemaRolloutComplete); c.Message != "widgets.example.io: 1 lag, 1 of them incompatible" {
		t.Errorf("condition %+v", c)
	}
}
