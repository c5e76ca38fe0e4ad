package naming

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/pkg/identity"
)

func TestOf(t *testing.T) {
	long := strings.Repeat("long-", 40)
	for name, want := range map[string]string{
		"alice":                 "alice",
		"kcp-admin":             "kcp-admin",
		"Alice":                 "alice-" + suffix("Alice"),
		"alice@example.org":     "alice-example-org-" + suffix("alice@example.org"),
		"alice.example.org":     "alice-example-org-" + suffix("alice.example.org"),
		"oidc:alice":            "oidc-alice-" + suffix("oidc:alice"),
		"alice-":                "alice-" + suffix("alice-"),
		"-":                     "user-" + suffix("-"),
		"жанна":                 "user-" + suffix("жанна"),
		"Zoë Müller":            "zo-m-ller-" + suffix("Zoë Müller"),
		"../../root":            "root-" + suffix("../../root"),
		"a/b%2f\x00":            "a-b-2f-" + suffix("a/b%2f\x00"),
		"\u0130x":               Of("\u0130x").Name,
		long:                    strings.TrimRight(long[:readable], "-") + "-" + suffix(long),
		strings.Repeat("a", 63): strings.Repeat("a", 63),
		strings.Repeat("a", 64): strings.Repeat("a", readable) + "-" + suffix(strings.Repeat("a", 64)),
	} {
		t.Run(name, func(t *testing.T) {
			place := Of(name)
			if diff := cmp.Diff(want, place.Name); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !place.Path().IsValid() || len(place.Name) > 63 {
				t.Errorf("%q is no path", place.Path())
			}
		})
	}
}

// suffix is the part of the hash that a changed name ends with.
func suffix(name string) string {
	made := Of(name).Name
	return made[strings.LastIndex(made, "-")+1:]
}

// Where homes are may never change: this is the one place they are found at.
func TestPlacesStay(t *testing.T) {
	got := map[string]string{}
	for _, name := range []string{"alice", "alice@example.org"} {
		got[name] = Of(name).Path().String()
	}
	want := map[string]string{
		"alice":             "root:users:5f:c0:alice",
		"alice@example.org": "root:users:f9:ia:alice-example-org-rsk76vl90s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Nobody gets somebody else's home by taking the name it ended up with.
func TestNamedLikeAnothersHome(t *testing.T) {
	victim := Of("alice@example.org")
	impostor := Of(victim.Name)
	if impostor.Name == victim.Name {
		t.Errorf("user %q has the name of the home of alice@example.org", victim.Name)
	}
	if again := Of(impostor.Name); again.Name == impostor.Name {
		t.Errorf("user %q has the name of the home of %q", impostor.Name, victim.Name)
	}
}

func TestRefusal(t *testing.T) {
	for name, c := range map[string]struct {
		user user.DefaultInfo
		says string
	}{
		"a user":                    {user.DefaultInfo{Name: "alice", Groups: []string{"team"}}, ""},
		"an administrator":          {user.DefaultInfo{Name: "kcp-admin", Groups: []string{"system:kcp:admin"}}, ""},
		"with other extra":          {user.DefaultInfo{Name: "alice", Extra: map[string][]string{"example.org/a": {"b"}}}, ""},
		"nobody":                    {user.DefaultInfo{}, "not logged in"},
		"anonymous":                 {user.DefaultInfo{Name: "system:anonymous"}, "not logged in"},
		"service account":           {user.DefaultInfo{Name: "system:serviceaccount:default:default"}, "service accounts"},
		"foreign service account":   {user.DefaultInfo{Name: "system:kcp:serviceaccount:abc:default:default"}, "service accounts"},
		"the hub":                   {user.DefaultInfo{Name: "system:apiserver"}, "users of the system"},
		"impersonated":              {user.DefaultInfo{Name: "alice", Extra: map[string][]string{identity.ScopesExtraKey: {"cluster:abc"}}}, "impersonated"},
		"known in one workspace":    {user.DefaultInfo{Name: "alice", Extra: map[string][]string{identity.ClusterExtraKey: {"abc"}}}, "only some workspaces"},
		"a name that is a document": {user.DefaultInfo{Name: strings.Repeat("a", 1025)}, "1024"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Refusal(&c.user)
			if (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
				t.Errorf("Refusal = %q, expected it to say %q", got, c.says)
			}
		})
	}
}

func FuzzOf(f *testing.F) {
	for _, name := range []string{"alice", "Alice", "a--b", "ſ", "K", "\xff", "", "x-0123456789"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		place := Of(name)
		if !place.Path().IsValid() {
			t.Fatalf("%q has the home %q", name, place.Path())
		}
		if place.Name == name && suffixed.MatchString(name) {
			t.Fatalf("N2: %q is used as it is", name)
		}
		if place.Name != name && !suffixed.MatchString(place.Name) {
			t.Fatalf("N2: %q became %q", name, place.Name)
		}
	})
}
