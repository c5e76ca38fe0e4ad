package cliws

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadKeys(t *testing.T) {
	cases := map[string][]key{
		"\x1b":              {keyQuit},
		"\x1b[A\x1bOB":      {keyUp, keyDown},
		"jk\x1b[Cl\x1b[Dh ": {keyDown, keyUp, keyOpen, keyOpen, keyClose, keyClose, keyToggle},
		"x\r\x03":           {keyEnter, keyQuit},
		"gG\x1b[H\x1b[F":    {keyFirst, keyLast, keyFirst, keyLast},
	}
	for input, want := range cases {
		if diff := cmp.Diff(want, readKeys(input)); diff != "" {
			t.Errorf("readKeys(%q) (-want +got):\n%s", input, diff)
		}
	}
}

// A walk about: what the hub answers, what keys are pressed, what is shown.
func TestBrowser(t *testing.T) {
	b := newBrowser("root:org")
	b.root.load([]*node{{path: "root:alpha"}, {path: "root:org", phase: "Ready"}, {path: "root:mounted", mount: true}}, "")
	b.at.load([]*node{{path: "root:org:team"}}, "")
	steps := []struct {
		keys  string
		wish  wish
		shows string
	}{
		{"", wishNothing, `
- root
  + alpha
    mounted [m]
>  - org  <- you are here
    + team

root:org  Ready`},
		{"l", wishNothing, `
- root
  + alpha
    mounted [m]
  - org  <- you are here
>    + team

root:org:team`},
		{"l", wishLoad, ""},
		{"h", wishNothing, ""},
		{"h", wishNothing, `
- root
  + alpha
    mounted [m]
>  + org  <- you are here

root:org  Ready`},
		{"hh", wishNothing, `
>+ root

root`},
		{"\r", wishEnter, ""},
		{"q", wishQuit, ""},
	}
	for _, step := range steps {
		got := wishNothing
		for _, k := range readKeys(step.keys) {
			if got = b.press(k); got == wishLoad {
				b.at.load(nil, "")
			}
		}
		if got != step.wish {
			t.Errorf("after %q the wish is %v, want %v", step.keys, got, step.wish)
		}
		if step.shows == "" {
			continue
		}
		lines := b.view(80, 24)
		shown := strings.NewReplacer(reverseVideo, ">", plainVideo, "").Replace(strings.Join(lines[:len(lines)-1], "\n"))
		if diff := cmp.Diff(strings.TrimPrefix(step.shows, "\n"), shown); diff != "" {
			t.Errorf("after %q (-want +got):\n%s", step.keys, diff)
		}
	}
}

// On a small screen the cursor is always seen.
func TestBrowserScrolls(t *testing.T) {
	b := newBrowser("root")
	var many []*node
	for _, letter := range "abcdefghij" {
		many = append(many, &node{path: b.root.path.Join(string(letter))})
	}
	b.at.load(many, "")
	for _, keys := range []string{"", "jjjj", "G", "k", "g"} {
		for _, k := range readKeys(keys) {
			b.press(k)
		}
		lines := b.view(6, 7)
		if shown := strings.Join(lines, "\n"); !strings.Contains(shown, reverseVideo) || len(lines) > 7 {
			t.Errorf("after %q it shows\n%s", keys, shown)
		}
	}
}
