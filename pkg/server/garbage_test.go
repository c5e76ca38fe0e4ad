package server

import "testing"

func TestGCPercent(t *testing.T) {
	for name, tc := range map[string]struct {
		live uint64
		want int
	}{
		"before the first collection": {0, 100},
		"very small":                  {1 << 20, 350},
		"an empty hub":                {36 << 20, 94},
		"thousands of workspaces":     {200 << 20, 58},
		"many thousands":              {4 << 30, 50},
	} {
		if got := gcPercent(tc.live); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}
