package inflight

import (
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	maps    = schema.GroupResource{Resource: "configmaps"}
	secrets = schema.GroupResource{Resource: "secrets"}
)

func TestOver(t *testing.T) {
	var w Writes
	if !w.Over(w.Mark(), "a", maps) {
		t.Error("nothing is not over")
	}
	first := w.Begin(Place{"a", maps})
	before := w.Mark()
	second := w.Begin(Place{"a", maps})
	other := w.Begin(Place{"b", maps})
	if w.Over(before, "a", secrets, maps) || !w.Over(before, "a", secrets) || !w.Over(before, "b", maps) || w.Over(w.Mark(), "b", maps) {
		t.Error("while all write")
	}
	first()
	if !w.Over(before, "a", maps) || w.Over(w.Mark(), "a", maps) {
		t.Error("when the first is over")
	}
	first() // a second time changes nothing
	second()
	other()
	if !w.Over(w.Mark(), "a", maps) || len(w.at) != 0 {
		t.Errorf("%d places are left", len(w.at))
	}
}

func TestManyWrites(t *testing.T) {
	var w Writes
	var running sync.WaitGroup
	for range 20 {
		running.Go(func() {
			for range 100 {
				end := w.Begin(Place{"a", maps})
				w.Over(w.Mark(), "a", maps)
				end()
			}
		})
	}
	running.Wait()
	if !w.Over(w.Mark(), "a", maps) || len(w.at) != 0 {
		t.Errorf("%d places are left", len(w.at))
	}
}
