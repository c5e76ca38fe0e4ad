package keyspace_test

import (
	"path"
	"strings"
	"testing"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// hostile is what strangers put where a name should be.
var hostile = []string{
	"", "/", "//", ".", "..", "../", "/..", "../..", "./a", "a/..", "a/../b", "a/./b", "...", "*", "**", "-", "!", ":", "a:b",
	"root", "root:org", "system:admin", "ROOT", "Ns/Name", "%2e%2e", "%2E%2E%2F", "%2f", "..%2fother", "%00", "%", "a%b",
	"\x00", "a\x00b", "\x7f", "\n", "a\r\nb", "\xff", "\xc0\xae\xc0\xae", "．．", "∕", "a b", " ", "clusters/other", "/clusters/*/x",
	"ns/name", "ns//name", "ns/name/", "ns/name/sub", "\\..\\", "..\\", "~", "$HOME", "{a,b}", "[a-z]", "?", "#", "&", "=",
	strings.Repeat("a", 10_000), strings.Repeat("../", 3_000), strings.Repeat("/", 10_000), strings.Repeat("A%2f", 2_500),
}

// K1, K2, K3: whatever is thrown at a key, what comes out lies under the
// workspace's prefix and leads back to the workspace, or there is an error.
func FuzzKey(f *testing.F) {
	for _, h := range hostile {
		f.Add("one", h)
		f.Add(h, "ns/name")
		f.Add(h, h)
	}
	layout := mustLayout(f, "/pods")
	f.Fuzz(func(t *testing.T, workspace, rest string) {
		name := logicalcluster.Name(workspace)
		scope := keyspace.Nowhere()
		if name.IsValid() {
			scope = keyspace.In(name)
		}
		for _, key := range []string{rest, "/pods" + rest, "/pods/" + rest} {
			got, err := layout.Key(scope, key)
			if err != nil {
				if got != "" {
					t.Fatalf("an error came with the key %q", got)
				}
				continue
			}
			home := layout.Home(scope)
			if !strings.HasPrefix(got, home) {
				t.Fatalf("Key(%v, %q) = %q is outside of %q", scope, key, got, home)
			}
			if cleaned := path.Clean(got) + "/"; !strings.HasPrefix(cleaned, home) {
				t.Fatalf("Key(%v, %q) = %q means %q to those who clean paths", scope, key, got, cleaned)
			}
			back, left, ok := layout.Split(got)
			if ok != name.IsValid() || ok && (back != name || home+left != got) {
				t.Fatalf("Split(%q) = %q, %q, %v, made for %v", got, back, left, ok, scope)
			}
		}
	})
}

// K2, K3: a stamp is data that once came from a client.
func FuzzStamped(f *testing.F) {
	for _, h := range hostile {
		f.Add(h, "ns/name")
		f.Add("one", h)
	}
	layout := mustLayout(f, "/example.io/widgets/customresources")
	f.Fuzz(func(t *testing.T, stamp, rest string) {
		got, err := layout.Stamped(logicalcluster.Name(stamp), layout.Prefix()+rest)
		if err != nil {
			return
		}
		if !strings.HasPrefix(got, layout.Prefix()) {
			t.Fatalf("Stamped(%q, %q) = %q", stamp, rest, got)
		}
		name, _, ok := layout.Split(got)
		valid := logicalcluster.Name(stamp).IsValid()
		if ok != valid || ok && string(name) != stamp {
			t.Fatalf("Stamped(%q, %q) = %q belongs to %q, %v", stamp, rest, got, name, ok)
		}
	})
}

// K2: the prefixes of two workspaces never contain one another.
func FuzzWorkspacesAreDisjoint(f *testing.F) {
	for _, pair := range [][2]string{{"a", "b"}, {"a", "aa"}, {"a", "a-a"}, {"root", "system:root"}, {"system:admin", "system:admi"}} {
		f.Add(pair[0], pair[1])
	}
	layout := mustLayout(f, "/pods")
	f.Fuzz(func(t *testing.T, a, b string) {
		one, two := logicalcluster.Name(a), logicalcluster.Name(b)
		if one == two || !one.IsValid() || !two.IsValid() {
			return
		}
		if strings.HasPrefix(layout.Workspace(one), layout.Workspace(two)) || strings.HasPrefix(layout.Workspace(two), layout.Workspace(one)) {
			t.Fatalf("%q and %q share keys", one, two)
		}
	})
}

// NewLayout gives a prefix that no other resource's keys can start with, or an
// error.
func FuzzNewLayout(f *testing.F) {
	for _, h := range hostile {
		f.Add(h)
		f.Add("/" + h)
	}
	f.Fuzz(func(t *testing.T, prefix string) {
		layout, err := keyspace.NewLayout(prefix)
		if err != nil {
			return
		}
		got := layout.Prefix()
		if path.Clean(got)+"/" != got || !strings.HasPrefix(got, "/") || got == "//" || got == "/" {
			t.Fatalf("NewLayout(%q) has the prefix %q", prefix, got)
		}
	})
}
