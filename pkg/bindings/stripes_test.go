package bindings

import (
	"testing"

	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// TestNobodyWaitsForABusyWorkspace: one workspace whose bindings take long does not
// hold those who look after all.
func TestNobodyWaitsForABusyWorkspace(t *testing.T) {
	k := &keeper{}
	unlock, ok := k.judging.try("a")
	if !ok {
		t.Fatal("nobody is at it")
	}
	key := logicalcluster.Key{Workspace: "a", Name: "one"}
	result, err := k.reconcileBinding(t.Context(), key)
	if want := (loop.Result{After: busyRetry}); err != nil || result != want {
		t.Errorf("%v, %v; expected %v", result, err, want)
	}
	unlock()
	if unlock, ok = k.judging.try("a"); !ok {
		t.Fatal("nobody is at it any more")
	}
	unlock()
}
