package keyspace_test

import (
	"strings"
	"testing"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func mustLayout(t testing.TB, prefix string) keyspace.Layout {
	t.Helper()
	layout, err := keyspace.NewLayout(prefix)
	if err != nil {
		t.Fatal(err)
	}
	return layout
}

func TestNewLayout(t *testing.T) {
	for prefix, want := range map[string]string{
		"/pods":                               "/pods/",
		"/pods/":                              "/pods/",
		"/services/specs":                     "/services/specs/",
		"/example.io/widgets/customresources": "/example.io/widgets/customresources/",
		"/rbac.authorization.k8s.io/roles":    "/rbac.authorization.k8s.io/roles/",
		"":                                    "", "/": "", "//": "", "pods": "", "/pods//": "", "/../pods": "", "/pods/..": "", "/pods/./x": "", "/po\x00ds": "",
	} {
		layout, err := keyspace.NewLayout(prefix)
		if (err != nil) != (want == "") || layout.Prefix() != want {
			t.Errorf("NewLayout(%q) = %q, %v, want %q", prefix, layout.Prefix(), err, want)
		}
	}
}

// K1, K2, K4
func TestKey(t *testing.T) {
	layout := mustLayout(t, "/pods")
	tests := map[string]struct {
		scope keyspace.Scope
		key   string
		want  string // "" is an error
	}{
		"namespaced":         {keyspace.In("one"), "/pods/ns/a", "/pods/one/ns/a"},
		"not namespaced":     {keyspace.In("one"), "/pods/a", "/pods/one/a"},
		"collection":         {keyspace.In("one"), "/pods", "/pods/one/"},
		"collection, slash":  {keyspace.In("one"), "/pods/", "/pods/one/"},
		"namespace, slash":   {keyspace.In("one"), "/pods/ns/", "/pods/one/ns/"},
		"no namespace":       {keyspace.In("one"), "/pods//a", "/pods/one//a"},
		"system":             {keyspace.In("system:admin"), "/pods/a", "/pods/system:admin/a"},
		"names with colons":  {keyspace.In("one"), "/pods/system:node:x", "/pods/one/system:node:x"},
		"upper case":         {keyspace.In("one"), "/pods/A", "/pods/one/A"},
		"a star is a letter": {keyspace.In("one"), "/pods/*", "/pods/one/*"},
		"percent is too":     {keyspace.In("one"), "/pods/%2e%2e/x", "/pods/one/%2e%2e/x"},
		"nowhere":            {keyspace.Nowhere(), "/pods/ns/a", "/pods/-/ns/a"},
		"everywhere":         {keyspace.Everywhere(), "/pods/ns/a", ""},
		"another resource":   {keyspace.In("one"), "/secrets/ns/a", ""},
		"a longer name":      {keyspace.In("one"), "/podsx/ns/a", ""},
		"no slash":           {keyspace.In("one"), "pods/ns/a", ""},
		"empty":              {keyspace.In("one"), "", ""},
		"dots":               {keyspace.In("one"), "/pods/../two/a", ""},
		"dots at the end":    {keyspace.In("one"), "/pods/a/..", ""},
		"dot":                {keyspace.In("one"), "/pods/./a", ""},
		"zero byte":          {keyspace.In("one"), "/pods/a\x00", ""},
		"line feed":          {keyspace.In("one"), "/pods/a\nb", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := layout.Key(test.scope, test.key)
			if got != test.want || (err != nil) != (test.want == "") {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestMessagesAreShort(t *testing.T) {
	layout := mustLayout(t, "/pods")
	for _, key := range []string{strings.Repeat("x", 10_000), "/pods/" + strings.Repeat("\x01", 10_000)} {
		if _, err := layout.Key(keyspace.In("one"), key); err == nil || len(err.Error()) > 1200 {
			t.Errorf("the error has %d bytes", len(err.Error()))
		}
	}
}

// K2, K4: cached objects find their workspace by their stamp, and an invalid
// stamp leads out of every workspace.
func TestStamped(t *testing.T) {
	layout := mustLayout(t, "/pods")
	for stamp, want := range map[logicalcluster.Name]string{
		"one":      "/pods/one/ns/a",
		"":         "/pods/!/ns/a",
		"*":        "/pods/!/ns/a",
		"-":        "/pods/!/ns/a",
		"!":        "/pods/!/ns/a",
		"../two":   "/pods/!/ns/a",
		"root:org": "/pods/!/ns/a",
	} {
		got, err := layout.Stamped(stamp, "/pods/ns/a")
		if got != want || err != nil {
			t.Errorf("Stamped(%q) = %q, %v, want %q", stamp, got, err, want)
		}
		name, rest, ok := layout.Split(got)
		if valid := stamp.IsValid(); ok != valid || valid && (name != stamp || rest != "ns/a") {
			t.Errorf("Split(%q) = %q, %q, %v", got, name, rest, ok)
		}
	}
	if _, err := layout.Stamped("", "/other/ns/a"); err == nil {
		t.Error("a key of another resource was accepted")
	}
}

func TestSplit(t *testing.T) {
	layout := mustLayout(t, "/pods")
	for _, stored := range []string{"", "/pods", "/pods/", "/pods/one", "/pods/-/a", "/pods/!/a", "/pods//a", "/pods/A/a", "/podsx/one/a", "/secrets/one/a"} {
		if name, rest, ok := layout.Split(stored); ok {
			t.Errorf("Split(%q) = %q, %q", stored, name, rest)
		}
	}
}

func TestSplitRest(t *testing.T) {
	for rest, want := range map[string][2]string{
		"": {}, "ns": {"", "ns"}, "ns/": {"", "ns"}, "ns/a": {"ns", "a"}, "/a": {"", "a"}, "x/ns/a": {"x/ns", "a"},
	} {
		first, last := keyspace.SplitRest(rest)
		if got := [2]string{first, last}; got != want {
			t.Errorf("SplitRest(%q) = %q, want %q", rest, got, want)
		}
	}
}

func TestHome(t *testing.T) {
	layout := mustLayout(t, "/pods/")
	for want, scope := range map[string]keyspace.Scope{
		"/pods/":     keyspace.Everywhere(),
		"/pods/one/": keyspace.In("one"),
		"/pods/-/":   keyspace.Nowhere(),
	} {
		if got := layout.Home(scope); got != want {
			t.Errorf("Home(%v) = %q, want %q", scope, got, want)
		}
	}
	if got := layout.Workspace("one"); got != "/pods/one/" {
		t.Errorf("Workspace = %q", got)
	}
}
