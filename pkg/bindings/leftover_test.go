package bindings

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func (w *world) copyNames() []string {
	var names []string
	for _, copied := range w.schemas.In(logicalcluster.SystemBoundCRDs) {
		names = append(names, copied.Name)
	}
	return names
}

// Copies stay while somebody has bound them, and for a while after; who binds again
// makes them again.
func TestLeftovers(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
	w.bindTo("b", "acme")
	w.settle()
	w.offer("acme", schemaOf("v2", "widgets", "example.io", "v1"))
	w.settle()
	for _, step := range []struct {
		name string
		do   func()
		want []string
	}{
		{"both are new", func() {}, []string{"uid-v1.widgets.example.io", "uid-v2.widgets.example.io"}},
		{"the first is old", func() { w.clock.Step(leftoverAfter) }, []string{"uid-v2.widgets.example.io"}},
		{"unbound", func() { w.bindings.Delete(logicalcluster.Key{Workspace: "web", Name: "b"}); w.settle() }, nil},
		{"bound again", func() { w.bindTo("b", "acme"); w.settle() }, []string{"uid-v2.widgets.example.io"}},
	} {
		step.do()
		if err := w.keeper.removeLeftovers(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, w.copyNames()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
	w.expectBound("b")
}

// A copy that was removed is made again by who binds it before the removal is seen.
func TestRemovedAndNotSeen(t *testing.T) {
	w := newWorld(t)
	w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
	w.bindTo("b", "acme")
	w.settle()
	w.keeper.copies.remove("uid-v1.widgets.example.io")
	if w.keeper.hasCopy("uid-v1.widgets.example.io") {
		t.Error("a copy that was removed is there")
	}
	w.keeper.copies.seen("uid-v1.widgets.example.io")
	if !w.keeper.hasCopy("uid-v1.widgets.example.io") {
		t.Error("a copy that was made again is not there")
	}
}

// An export that cannot be given an identity says why.
func TestNoIdentity(t *testing.T) {
	w := newWorld(t)
	w.noSecrets = errors.New("namespace kcp-system is being terminated")
	w.offer("acme", schemaOf("v1", "widgets", "example.io", "v1"))
	if errs := w.driver.Settle(t.Context()); len(errs) == 0 {
		t.Error("no error")
	}
	export, _ := w.exports.Get(acmeKey)
	if c := export.Status.Conditions; len(c) != 1 || c[0].Type != apisv1alpha2.APIExportIdentityValid || c[0].Reason != "IdentityGenerationFailed" || !strings.Contains(c[0].Message, "is being terminated") {
		t.Errorf("conditions %+v", c)
	}
}
