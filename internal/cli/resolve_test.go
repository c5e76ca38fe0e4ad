package cli

import (
	"strings"
	"testing"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func TestDestinationPath(t *testing.T) {
	const current, home = "root:org:team", "root:users:ab:cd:bob"
	cases := []struct {
		typed string
		from  logicalcluster.Path // current, unless the case says otherwise
		want  logicalcluster.Path
		err   string
	}{
		{typed: "a", want: "root:org:team:a"},
		{typed: "a:b", want: "root:org:team:a:b"},
		{typed: "a/b", want: "root:org:team:a:b"},
		{typed: "a/", want: "root:org:team:a"},
		{typed: "a:", want: "root:org:team:a"},
		{typed: "./a", want: "root:org:team:a"},
		{typed: ".:a:.:b:.", want: "root:org:team:a:b"},
		{typed: "..", want: "root:org"},
		{typed: "../", want: "root:org"},
		{typed: "..:..", want: "root"},
		{typed: "../..", want: "root"},
		{typed: "..:other", want: "root:org:other"},
		{typed: "a:..:b", want: "root:org:team:b"},
		{typed: "..:..:..", err: "cannot go up from root"},
		{typed: "..", from: "root", err: "cannot go up from root"},
		{typed: "..", from: "2xk8p9f3a7c1d5e0", err: `cannot go up from "2xk8p9f3a7c1d5e0": it is an ID`},
		{typed: ":", want: "root"},
		{typed: ":", from: "system:admin", want: "system"},
		{typed: "/", want: "root"},
		{typed: ":root", want: "root"},
		{typed: ":root:a", want: "root:a"},
		{typed: "/root/a", want: "root:a"},
		{typed: ":root:a:..:b", want: "root:b"},
		{typed: ":..", err: "cannot go up from root"},
		{typed: ":system:admin", want: "system:admin"},
		{typed: ":2xk8p9f3a7c1d5e0", want: "2xk8p9f3a7c1d5e0"},
		{typed: "root", want: "root"},
		{typed: "root:a", want: "root:a"},
		{typed: "rooter", want: "root:org:team:rooter"},
		{typed: "~", want: home},
		{typed: "", want: home},
		{typed: "~/a", want: "root:users:ab:cd:bob:a"},
		{typed: "~:..", want: "root:users:ab:cd"},
		{typed: "/home/bob", want: home},
		{typed: "/home/bob/a", want: "root:users:ab:cd:bob:a"},
		{typed: "/home/bobby", want: "home:bobby"},
		{typed: "~bob", err: "invalid workspace path: ~bob"},
		{typed: "ju:nk§", err: "invalid workspace path: ju:nk§"},
		{typed: "Team", err: "invalid workspace path: Team: every name"},
		{typed: "a::b", err: "invalid workspace path: a::b"},
		{typed: "::a", err: "invalid workspace path: ::a"},
		{typed: "*", err: "invalid workspace path: *"},
		{typed: "a.b", err: "invalid workspace path: a.b"},
		{typed: "a%2fb", err: "invalid workspace path: a%2fb"},
		{typed: "...", err: "invalid workspace path: ..."},
		{typed: "-a", err: "invalid workspace path: -a"},
		{typed: strings.Repeat("a", 64), err: "invalid workspace path"},
		{typed: strings.Repeat("a:", 5000) + "a", err: "invalid workspace path"},
		{typed: ".", err: `"." is not a workspace path`},
		{typed: "-", err: `"-" is not a workspace path`},
	}
	for _, tc := range cases {
		from := tc.from
		if from == "" {
			from = current
		}
		got, err := ParseDestination(tc.typed, "/home/bob").Path(from, home)
		switch {
		case tc.err == "" && err != nil:
			t.Errorf("%q in %s: %v, want %s", tc.typed, from, err, tc.want)
		case tc.err != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.err)):
			t.Errorf("%q in %s: %q, %v; want error %q", tc.typed, from, got, err, tc.err)
		case got != tc.want:
			t.Errorf("%q in %s: %q, want %q", tc.typed, from, got, tc.want)
		}
	}
}

func TestParseDestinationWhere(t *testing.T) {
	for typed, want := range map[string]Where{
		"-": ToPrevious, ".": ToCurrent, "./": ToCurrent, "": ToHome, "~": ToHome, "~/a": ToHome,
		"a": ToPath, ":": ToPath, "..": ToPath, "root": ToPath,
	} {
		if got := ParseDestination(typed, "").Where; got != want {
			t.Errorf("%q goes to %v, want %v", typed, got, want)
		}
	}
	for typed, want := range map[string]bool{"root": true, "root:a": true, ":root": false, "rooter": false, ".:root": false} {
		if got := ParseDestination(typed, "").LegacyRoot; got != want {
			t.Errorf("%q: legacy %v, want %v", typed, got, want)
		}
	}
}

// Whatever is typed, what comes out is a path or an error, and never something
// that could reach outside of /clusters.
func FuzzDestination(f *testing.F) {
	for _, typed := range []string{"", "a", "..", ":root:a", "~/x", "a/../../..", "%2e%2e", "\x00", "*"} {
		f.Add(typed, "root:org")
	}
	f.Fuzz(func(t *testing.T, typed, current string) {
		path, err := ParseDestination(typed, "/home/bob").Path(logicalcluster.Path(current), "root:home")
		if err == nil && !path.IsValid() {
			t.Errorf("%q in %q: %q", typed, current, path)
		}
	})
}
