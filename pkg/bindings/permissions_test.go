package bindings

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/claims"
	"github.com/atriumhub/atrium/pkg/inflight"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// claimed is a world with an export that claims config maps, a workspace that has
// bound it, and what was done about labels.
type claimed struct {
	*world
	swept   []string
	trouble error
	// pages is how many there are of each resource, slow what each takes.
	pages  int
	slow   time.Duration
	serves map[schema.GroupResource]claims.Served
}

var webKey = logicalcluster.Key{Workspace: "web", Name: "c"}

func newClaimed(t *testing.T, answers ...apisv1alpha2.AcceptablePermissionClaim) *claimed {
	c := &claimed{serves: map[schema.GroupResource]claims.Served{{Resource: "configmaps"}: {Nameless: true}}}
	c.world = newWorldWith(t, func(config *Config) {
		config.Permissions = Permissions{
			Served: func(_ logicalcluster.Name, gr schema.GroupResource) (claims.Served, bool) {
				s, ok := c.serves[gr]
				return s, ok
			},
			Relabel: func(_ context.Context, workspace logicalcluster.Name, gr schema.GroupResource, page string) (string, error) {
				c.swept = append(c.swept, workspace.String()+" "+gr.String())
				if page == "" && c.pages > 1 {
					page = "1"
				}
				if n, _ := strconv.Atoi(page); n > 0 && n < c.pages {
					c.clock.Step(c.slow)
					return strconv.Itoa(n + 1), c.trouble
				}
				return "", c.trouble
			},
			Writes: config.Permissions.Writes,
		}
	})
	export := nativeExport("claiming")
	export.Spec.PermissionClaims = []apisv1alpha2.PermissionClaim{configMapsClaim("*")}
	c.exports.Put("compute", export)
	c.bindings.Put("web", &apisv1alpha2.APIBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "c", Generation: 1},
		Spec: apisv1alpha2.APIBindingSpec{
			Reference:        apisv1alpha2.BindingReference{Export: &apisv1alpha2.ExportBindingReference{Path: "root:compute", Name: "claiming"}},
			PermissionClaims: answers,
		},
	})
	c.settle()
	return c
}

func configMapsClaim(verbs ...string) apisv1alpha2.PermissionClaim {
	return apisv1alpha2.PermissionClaim{GroupResource: apisv1alpha2.GroupResource{Resource: "configmaps"}, Verbs: verbs}
}

func accepting(verbs ...string) apisv1alpha2.AcceptablePermissionClaim {
	return apisv1alpha2.AcceptablePermissionClaim{
		ScopedPermissionClaim: apisv1alpha2.ScopedPermissionClaim{PermissionClaim: configMapsClaim(verbs...), Selector: apisv1alpha2.PermissionClaimSelector{MatchAll: true}},
		State:                 apisv1alpha2.ClaimAccepted,
	}
}

// answer changes what the binding says, as a user would.
func (c *claimed) answer(answers ...apisv1alpha2.AcceptablePermissionClaim) {
	c.bindings.Edit(webKey, func(b *apisv1alpha2.APIBinding) { b.Spec.PermissionClaims, b.Generation = answers, b.Generation+1 })
}

// expect compares what is noted down, what the condition says and what was swept
// since it was last asked.
func (c *claimed) expect(applied int, condition string, swept ...string) {
	c.t.Helper()
	b := c.binding("c")
	if got := len(b.Status.AppliedPermissionClaims); got != applied {
		c.t.Errorf("%d applied, want %d", got, applied)
	}
	text := ""
	if got := conditionsv1alpha1.Get(b.Status.Conditions, apisv1alpha2.PermissionClaimsApplied); got != nil {
		text = fmt.Sprintf("%s %s", got.Status, got.Reason)
	}
	if text != condition {
		c.t.Errorf("condition %q, want %q", text, condition)
	}
	if diff := cmp.Diff(swept, c.swept); diff != "" {
		c.t.Errorf("swept (-want +got):\n%s", diff)
	}
	c.swept = nil
}

const mapsOfWeb = "web configmaps"

func TestClaimsComeIntoForce(t *testing.T) {
	c := newClaimed(t)
	c.expect(0, "True ")
	c.answer(accepting("*"))
	c.settle()
	c.expect(1, "True ", mapsOfWeb)
	if got := c.binding("c"); got.Annotations[claims.AcceptedIdentityAnnotation] == "" || got.Labels[apisv1alpha2.InternalAPIBindingExportLabelKey] == "" {
		t.Errorf("metadata %+v", got.ObjectMeta)
	}
	c.answer(accepting("get", "list", "watch"))
	c.settle()
	// The answer has changed: whether labels did in between, nobody knows.
	c.expect(1, "True ", mapsOfWeb)
	c.answer()
	c.settle()
	c.expect(0, "True ", mapsOfWeb)
	c.clock.Step(time.Hour)
	c.settle()
	c.expect(0, "True ")
}

// Back and forth before anybody looked: labels may have changed with it.
func TestAnswersThatChangeBack(t *testing.T) {
	c := newClaimed(t, accepting("*"))
	c.expect(1, "True ", mapsOfWeb)
	c.answer()
	c.answer(accepting("*"))
	c.settle()
	c.expect(1, "True ", mapsOfWeb)
	c.exports.Edit(logicalcluster.Key{Workspace: "compute", Name: "claiming"}, func(e *apisv1alpha2.APIExport) { e.Spec.PermissionClaims = nil })
	c.exports.Edit(logicalcluster.Key{Workspace: "compute", Name: "claiming"}, func(e *apisv1alpha2.APIExport) {
		e.Spec.PermissionClaims = []apisv1alpha2.PermissionClaim{configMapsClaim("*")}
	})
	c.settle()
	c.expect(1, "True ", mapsOfWeb)
}

// B9: a write that is under way may give a label that was withdrawn.
func TestWithdrawnWhileSomethingIsWritten(t *testing.T) {
	c := newClaimed(t, accepting("*"))
	c.expect(1, "True ", mapsOfWeb)
	place := inflight.Place{Workspace: "web", Resource: schema.GroupResource{Resource: "configmaps"}}
	ended := c.writes.Begin(place)
	defer c.writes.Begin(inflight.Place{Workspace: "other", Resource: schema.GroupResource{Resource: "configmaps"}})()
	defer c.writes.Begin(inflight.Place{Workspace: "web", Resource: schema.GroupResource{Resource: "secrets"}})()
	c.answer()
	c.settle()
	c.expect(1, "False ApplyingPermissionClaims", mapsOfWeb)
	c.driver.Advance(context.Background(), 10*writesRetry)
	c.expect(1, "False ApplyingPermissionClaims")
	later := c.writes.Begin(place)
	defer later()
	ended()
	c.driver.Advance(context.Background(), writesRetry)
	c.expect(0, "True ", mapsOfWeb)
}

func TestLabelsThatCannotBeChanged(t *testing.T) {
	c := newClaimed(t)
	c.trouble = errors.New("that does not go")
	c.answer(accepting("*"))
	if errs := c.driver.Settle(context.Background()); len(errs) == 0 {
		t.Error("no error")
	}
	c.expect(1, "False ApplyingPermissionClaims", mapsOfWeb)
	want := "the labels of existing objects are being put right, which will be tried again: failed to label the configmaps of workspace web: that does not go"
	if got := conditionsv1alpha1.Get(c.binding("c").Status.Conditions, apisv1alpha2.PermissionClaimsApplied).Message; got != want {
		t.Errorf("%s", got)
	}
	c.trouble = nil
	c.driver.Advance(context.Background(), time.Second)
	c.expect(1, "True ", mapsOfWeb)
}

// One with many objects takes turns with others, and an object that fails keeps
// none from its turn.
func TestManyObjects(t *testing.T) {
	c := newClaimed(t)
	c.pages, c.slow = 4, 600*time.Millisecond
	c.answer(accepting("*"))
	c.settle()
	c.expect(1, "False ApplyingPermissionClaims", mapsOfWeb, mapsOfWeb)
	c.driver.Advance(context.Background(), nextTurn)
	c.expect(1, "True ", mapsOfWeb, mapsOfWeb)
	c.trouble = errors.New("that does not go")
	c.answer()
	c.driver.Settle(context.Background())
	c.expect(1, "False ApplyingPermissionClaims", mapsOfWeb, mapsOfWeb)
	c.driver.Advance(context.Background(), nextTurn)
	c.expect(1, "False ApplyingPermissionClaims", mapsOfWeb, mapsOfWeb)
	c.trouble = nil
	c.driver.Advance(context.Background(), 5*time.Second)
	c.expect(0, "True ", mapsOfWeb, mapsOfWeb, mapsOfWeb, mapsOfWeb)
}

// After a restart the status says what has to be looked at again, and only that.
func TestRestartAmidst(t *testing.T) {
	c := newClaimed(t, accepting("*"))
	c.expect(1, "True ", mapsOfWeb)
	stored := c.binding("c").DeepCopy()
	for what, test := range map[string]struct {
		change func(*apisv1alpha2.APIBinding)
		left   int
		swept  []string
	}{
		"settled": {func(*apisv1alpha2.APIBinding) {}, 1, nil},
		"labels under way": {func(b *apisv1alpha2.APIBinding) {
			b.Status.Conditions = conditionsv1alpha1.Set(b.Status.Conditions, time.Unix(0, 0), applying(""))
		}, 1, []string{mapsOfWeb}},
		"rejected": {func(b *apisv1alpha2.APIBinding) { b.Spec.PermissionClaims[0].State = apisv1alpha2.ClaimRejected }, 0, []string{mapsOfWeb}},
	} {
		t.Run(what, func(t *testing.T) {
			again := newClaimed(t)
			b := stored.DeepCopy()
			test.change(b)
			again.bindings.Delete(webKey)
			again.settle()
			again.swept = nil
			b.Annotations[claims.AcceptedIdentityAnnotation] = again.identity("claiming")
			b.ResourceVersion = ""
			again.bindings.Put("web", b)
			again.settle()
			again.expect(test.left, "True ", test.swept...)
		})
	}
}

func (w *world) identity(export string) string {
	e, _ := w.exports.Get(logicalcluster.Key{Workspace: "compute", Name: export})
	return e.Status.IdentityHash
}

func TestClaimsEndWithTheBinding(t *testing.T) {
	c := newClaimed(t, accepting("*"))
	c.expect(1, "True ", mapsOfWeb)
	c.trouble = errors.New("that does not go")
	c.bindings.Delete(webKey)
	c.driver.Settle(context.Background())
	c.expect(1, "False ApplyingPermissionClaims", mapsOfWeb)
	if !claims.Ended(c.binding("c")) {
		t.Error("claims are in force still")
	}
	c.trouble = nil
	c.driver.Advance(context.Background(), time.Second)
	if _, still := c.bindings.Get(webKey); still {
		t.Error("the binding is still there")
	}
	if diff := cmp.Diff([]string{mapsOfWeb}, c.swept); diff != "" {
		t.Errorf("swept (-want +got):\n%s", diff)
	}
}

func TestClaimedResourcesTurnUp(t *testing.T) {
	c := newClaimed(t)
	delete(c.serves, schema.GroupResource{Resource: "configmaps"})
	c.answer(accepting("*"))
	c.settle()
	c.expect(0, "False ClaimedResourcesNotServed")
	c.serves[schema.GroupResource{Resource: "configmaps"}] = claims.Served{Nameless: true}
	c.keeper.servedChanged("other")
	c.settle()
	c.expect(0, "False ClaimedResourcesNotServed")
	c.keeper.servedChanged("web")
	c.settle()
	c.expect(1, "True ", mapsOfWeb)
}
