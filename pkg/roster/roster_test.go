package roster

import (
	"sync"
	"testing"
)

func TestRoster(t *testing.T) {
	var r Roster[string, int]
	r.Each("a", func(int) { t.Error("somebody is where nobody entered") })
	leave1, leave2, leave3 := r.Enter("a", 1), r.Enter("a", 2), r.Enter("b", 1)
	sum := 0
	r.Each("a", func(who int) { sum += who })
	if sum != 3 || r.Len() != 3 || !r.Any("a") || r.Any("c") {
		t.Errorf("sum %d, %d in all", sum, r.Len())
	}
	leave1()
	leave1() // a second time changes nothing
	if !r.Any("a") || r.Len() != 2 {
		t.Errorf("%d are left", r.Len())
	}
	leave2()
	leave3()
	if r.Any("a") || r.Len() != 0 || len(r.at) != 0 {
		t.Errorf("%d are left, at %d places", r.Len(), len(r.at))
	}
}

func TestManyComeAndGo(t *testing.T) {
	var r Roster[int, int]
	var running sync.WaitGroup
	for who := range 50 {
		running.Go(func() {
			for i := range 100 {
				leave := r.Enter(i%3, who)
				r.Each(i%3, func(int) {})
				leave()
			}
		})
	}
	running.Wait()
	if r.Len() != 0 || len(r.at) != 0 {
		t.Errorf("%d are left, at %d places", r.Len(), len(r.at))
	}
}
