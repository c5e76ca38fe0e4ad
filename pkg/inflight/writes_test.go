package inflight

import (
	"sync"
	"testing"
)

func TestOver(t *testing.T) {
	var w Writes
	if !w.Over("a", w.Mark()) {
		t.Error("nothing is not over")
	}
	first := w.Begin("a")
	before := w.Mark()
	second := w.Begin("a")
	other := w.Begin("b")
	if w.Over("a", before) || !w.Over("b", before) || w.Over("b", w.Mark()) {
		t.Error("while all write")
	}
	first()
	if !w.Over("a", before) || w.Over("a", w.Mark()) {
		t.Error("when the first is over")
	}
	first() // a second time changes nothing
	second()
	other()
	if !w.Over("a", w.Mark()) || len(w.at) != 0 {
		t.Errorf("%d workspaces are left", len(w.at))
	}
}

func TestManyWrites(t *testing.T) {
	var w Writes
	var running sync.WaitGroup
	for range 20 {
		running.Go(func() {
			for range 100 {
				end := w.Begin("a")
				w.Over("a", w.Mark())
				end()
			}
		})
	}
	running.Wait()
	if !w.Over("a", w.Mark()) || len(w.at) != 0 {
		t.Errorf("%d workspaces are left", len(w.at))
	}
}
