package logicalcluster

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestValidity(t *testing.T) {
	cases := []struct {
		s          string
		name, path bool
	}{
		{"root", true, true},
		{"2xk8p9f3a7c1d5e0", true, true},
		{"a", true, true},
		{"system:admin", true, true},
		{"root:org:team", false, true},
		{"a-b", true, true},
		{strings.Repeat("a", 63), true, true},
		{strings.Repeat("a", 64), false, false},
		{"root:" + strings.Repeat("a", 64), false, false},
		{strings.Repeat("a:", 2047) + "a", false, true},
		{strings.Repeat("a:", 2048) + "a", false, false},
		{"", false, false},
		{"*", false, false},
		{"root:*", false, false},
		{"..", false, false},
		{"a/b", false, false},
		{"a%2fb", false, false},
		{"Root", false, false},
		{"-a", false, false},
		{"a-", false, false},
		{"a.b", false, false},
		{":root", false, false},
		{"root:", false, false},
		{"root::a", false, false},
		{"root\n", false, false},
		{"ro\x00ot", false, false},
		{"rööt", false, false},
		{"system:", false, false},
		{"system:a:b", false, true},
	}
	for _, tc := range cases {
		if got := Name(tc.s).IsValid(); got != tc.name {
			t.Errorf("Name(%.20q).IsValid() = %v", tc.s, got)
		}
		if got := Path(tc.s).IsValid(); got != tc.path {
			t.Errorf("Path(%.20q).IsValid() = %v", tc.s, got)
		}
		if name, ok := Path(tc.s).Name(); ok != tc.name || ok && string(name) != tc.s {
			t.Errorf("Path(%.20q).Name() = %q, %v", tc.s, name, ok)
		}
	}
}

func TestPathParts(t *testing.T) {
	type parts struct {
		Parent    Path
		HasParent bool
		Base      string
		Segments  []string
	}
	for path, want := range map[Path]parts{
		"":         {},
		"root":     {"", false, "root", []string{"root"}},
		"root:a":   {"root", true, "a", []string{"root", "a"}},
		"root:a:b": {"root:a", true, "b", []string{"root", "a", "b"}},
	} {
		parent, ok := path.Parent()
		got := parts{parent, ok, path.Base(), path.Segments()}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", path, diff)
		}
		if joined := NewPath(path.Segments()...); joined != path {
			t.Errorf("%q taken apart and joined is %q", path, joined)
		}
		if child := path.Join("x"); child.Base() != "x" || !child.HasPrefix(path) {
			t.Errorf("%q with a child is %q", path, child)
		}
	}
}

func TestHasPrefix(t *testing.T) {
	for _, tc := range []struct {
		path, prefix Path
		want         bool
	}{
		{"root:org", "root", true},
		{"root:org", "root:org", true},
		{"root:org", "", true},
		{"root:organization", "root:org", false},
		{"root", "root:org", false},
	} {
		if got := tc.path.HasPrefix(tc.prefix); got != tc.want {
			t.Errorf("%q below %q: %v", tc.path, tc.prefix, got)
		}
	}
}

type stamped map[string]string

func (s stamped) GetAnnotations() map[string]string { return s }

func TestFrom(t *testing.T) {
	if got := From(stamped{"kcp.io/cluster": "abc"}); got != "abc" {
		t.Errorf("From = %q", got)
	}
	if got := From(stamped(nil)); !got.Empty() {
		t.Errorf("From an unstamped object = %q", got)
	}
}

func TestKeyString(t *testing.T) {
	for want, key := range map[string]Key{
		"abc|default/x": {Workspace: "abc", Namespace: "default", Name: "x"},
		"abc|x":         {Workspace: "abc", Name: "x"},
	} {
		if got := key.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// No valid path can leave the part of the URL that belongs to its workspace.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"root", "root:a", "..", "a/b", "*", "%2e", "system:admin"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if Path(s).IsValid() && strings.ContainsAny(s, "/.%*?#\\ \x00") {
			t.Errorf("%q is a valid path", s)
		}
		if Name(s).IsValid() && !Path(s).IsValid() {
			t.Errorf("%q is a name but no path", s)
		}
	})
}
