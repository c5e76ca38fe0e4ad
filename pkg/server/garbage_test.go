package server

import "testing"

func TestGCPercent(t *testing.T) {
	for name, tc := range map[string]struct {
		live uint64
		want int
	}{
		"before the first collection": {0, 100},
		"very small":                  {1 << 20, 365},
		"an empty hub":                {30 << 20, 91},
		"thousands of workspaces":     {200 << 20, 69},
		"many thousands":              {4 << 30, 65},
	} {
		if got := gcPercent(tc.live); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}

func TestTide(t *testing.T) {
	for name, tc := range map[string]struct {
		live []uint64
		want int // how often memory is given back
	}{
		"nothing happens":               {[]uint64{40, 40, 40, 40, 40, 40}, 0},
		"more and more":                 {[]uint64{40, 60, 80, 100, 100, 100, 100}, 0},
		"a little less":                 {[]uint64{100, 90, 90, 90, 90, 90}, 0},
		"deletion goes on":              {[]uint64{100, 90, 80, 70, 60, 50, 40, 30}, 0},
		"deletion ends":                 {[]uint64{100, 80, 60, 40, 40, 40, 40}, 1},
		"it has not ended for long":     {[]uint64{100, 80, 60, 40, 40, 40}, 0},
		"given back once":               {[]uint64{100, 40, 40, 40, 40, 40, 40, 40, 40, 40}, 1},
		"the history goes later":        {[]uint64{184, 100, 45, 45, 45, 45, 36, 36, 36, 36}, 2},
		"large lists come and go":       {[]uint64{40, 100, 40, 100, 40, 40, 100, 40, 100}, 0},
		"what is read may fluctuate":    {[]uint64{100, 40, 41, 40, 41}, 0},
		"and is calm when that is less": {[]uint64{1000, 400, 401, 400, 401}, 1},
	} {
		var tide tide
		got := 0
		for _, live := range tc.live {
			if tide.out(live) {
				got++
			}
		}
		if got != tc.want {
			t.Errorf("%s: %d times, want %d", name, got, tc.want)
		}
	}
}
