package cliws

import "testing"

func TestSplitTyped(t *testing.T) {
	for typed, want := range map[string][2]string{
		"":            {"", "."},
		"te":          {"", "."},
		"org:te":      {"org:", "org"},
		"org/te":      {"org/", "org"},
		"..:te":       {"..:", ".."},
		"~/te":        {"~/", "~"},
		":":           {":", ""},
		":ro":         {":", ""},
		":root:":      {":root:", ":root"},
		":root:org:t": {":root:org:", ":root:org"},
		"../../te":    {"../../", "../.."},
	} {
		stem, start := splitTyped(typed)
		if got := [2]string{stem, start}; got != want {
			t.Errorf("splitTyped(%q) = %q, want %q", typed, got, want)
		}
	}
}
