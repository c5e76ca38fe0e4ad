package identity

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// who is a user as a table writes it.
type who struct {
	Name   string
	Groups []string
	Extra  map[string][]string
}

func (w who) info() user.Info {
	return &user.DefaultInfo{Name: w.Name, Groups: w.Groups, Extra: w.Extra}
}

func seen(users ...user.Info) []who {
	var found []who
	for _, u := range users {
		found = append(found, who{u.GetName(), u.GetGroups(), u.GetExtra()})
	}
	return found
}

func scopes(values ...string) map[string][]string {
	return map[string][]string{ScopesExtraKey: values}
}

func homes(values ...string) map[string][]string {
	return map[string][]string{ClusterExtraKey: values}
}

func warranting(warrants ...string) map[string][]string {
	return map[string][]string{WarrantExtraKey: warrants}
}

func TestIn(t *testing.T) {
	authenticated := []string{user.AllAuthenticated}
	accountGroups := []string{"system:serviceaccounts", "system:serviceaccounts:ci", user.AllAuthenticated}
	for name, c := range map[string]struct {
		u    who
		in   logicalcluster.Name
		want who
	}{
		"a user":                      {who{"ann", []string{"devs"}, nil}, "a", who{"ann", []string{"devs"}, nil}},
		"a user in scope":             {who{"ann", authenticated, scopes("cluster:a")}, "a", who{"ann", authenticated, scopes("cluster:a")}},
		"a user in one of two scopes": {who{"ann", authenticated, scopes("cluster:b,cluster:a")}, "a", who{"ann", authenticated, scopes("cluster:b,cluster:a")}},
		"a user out of scope":         {who{"ann", []string{"devs", user.AllAuthenticated}, scopes("cluster:b")}, "a", who{user.Anonymous, authenticated, nil}},
		"a user out of one scope":     {who{"ann", authenticated, scopes("cluster:a,cluster:b", "cluster:b")}, "a", who{user.Anonymous, authenticated, nil}},
		"a scope that begins alike":   {who{"ann", authenticated, scopes("cluster:aa")}, "a", who{user.Anonymous, authenticated, nil}},
		"a scope of another kind":     {who{"ann", authenticated, scopes("a")}, "a", who{user.Anonymous, authenticated, nil}},
		"an empty scope":              {who{"ann", authenticated, scopes("")}, "a", who{user.Anonymous, authenticated, nil}},
		"no workspace":                {who{"ann", authenticated, scopes("cluster:a")}, "", who{user.Anonymous, authenticated, nil}},
		"somebody not logged in":      {who{"ann", nil, scopes("cluster:b")}, "a", who{user.Anonymous, []string{user.AllUnauthenticated}, nil}},
		"a local user elsewhere": {
			who{"ann", authenticated, map[string][]string{ScopesExtraKey: {"cluster:b"}, ClusterExtraKey: {"b"}}}, "a",
			who{user.Anonymous, []string{user.AllAuthenticated, "system:cluster:b"}, nil},
		},
		"a service account from nowhere": {who{"system:serviceaccount:ci:bot", accountGroups, nil}, "a", who{"system:serviceaccount:ci:bot", accountGroups, nil}},
		"a service account at home":      {who{"system:serviceaccount:ci:bot", accountGroups, homes("a")}, "a", who{"system:serviceaccount:ci:bot", accountGroups, homes("a")}},
		"a service account elsewhere": {
			who{"system:serviceaccount:ci:bot", accountGroups, homes("b")}, "a",
			who{"system:kcp:serviceaccount:b:ci:bot", []string{user.AllAuthenticated, "system:cluster:b"}, homes("b")},
		},
		"a service account of two homes":        {who{"system:serviceaccount:ci:bot", accountGroups, homes("a", "b")}, "a", who{user.Anonymous, authenticated, nil}},
		"a service account of an empty home":    {who{"system:serviceaccount:ci:bot", accountGroups, homes("")}, "a", who{user.Anonymous, authenticated, nil}},
		"an impersonated service account there": {who{"system:serviceaccount:ci:bot", accountGroups, scopes("cluster:b")}, "a", who{user.Anonymous, authenticated, nil}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff([]who{c.want}, seen(In(c.u.info(), c.in))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEffective(t *testing.T) {
	nobody := who{user.Anonymous, []string{user.AllUnauthenticated}, nil}
	for name, c := range map[string]struct {
		u    who
		want []who
	}{
		"a user": {who{"ann", nil, nil}, []who{{"ann", nil, nil}}},
		"a service account at home goes by both names": {
			who{"system:serviceaccount:ci:bot", nil, nil},
			[]who{{"system:serviceaccount:ci:bot", nil, nil}, {"system:kcp:serviceaccount:a:ci:bot", []string{user.AllAuthenticated}, nil}},
		},
		"warrants, one in another": {
			who{"ann", nil, warranting(`{"user":"bob","uid":"7","groups":["g"],"extra":{"authorization.kcp.io/warrant":["{\"user\":\"eve\"}"]}}`, `{"groups":["h"]}`)},
			[]who{{"ann", nil, map[string][]string{}}, {"bob", []string{"g"}, map[string][]string{}}, {"eve", nil, nil}, {"", []string{"h"}, nil}},
		},
		"out of scope with a warrant": {
			who{"ann", nil, map[string][]string{ScopesExtraKey: {"cluster:b"}, WarrantExtraKey: {`{"user":"bob"}`}}},
			[]who{nobody, {"bob", nil, nil}},
		},
		"a warrant out of scope": {
			who{"ann", nil, warranting(`{"user":"bob","extra":{"authentication.kcp.io/scopes":["cluster:b"]}}`)},
			[]who{{"ann", nil, map[string][]string{}}, nobody},
		},
		"a warrant of a service account": {
			who{"ann", nil, warranting(`{"user":"system:serviceaccount:ci:bot","extra":{"authentication.kcp.io/cluster-name":["b"]}}`)},
			[]who{{"ann", nil, map[string][]string{}}, {"system:kcp:serviceaccount:b:ci:bot", []string{user.AllAuthenticated, "system:cluster:b"}, homes("b")}},
		},
		"a warrant of a service account from nowhere": {
			who{"ann", nil, warranting(`{"user":"system:serviceaccount:ci:bot"}`)}, []who{{"ann", nil, map[string][]string{}}},
		},
		"nonsense": {who{"ann", nil, warranting("", "{", `[]`, `{"groups":7}`, `"x"`)}, []who{{"ann", nil, map[string][]string{}}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, seen(Effective(c.u.info(), "a")...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEffectiveIsBounded(t *testing.T) {
	nested := Warrant{User: "deep"}
	for range 20 {
		inner, _ := json.Marshal(nested)
		nested = Warrant{User: "deep", Extra: map[string][]string{WarrantExtraKey: {string(inner)}}}
	}
	outer, _ := json.Marshal(nested)
	deep := &user.DefaultInfo{Name: "ann", Extra: warranting(string(outer))}
	if got := len(Effective(deep, "a")); got != 1+maxWarrantDepth {
		t.Errorf("%d users in a deep warrant, expected %d", got, 1+maxWarrantDepth)
	}
	wide := &user.DefaultInfo{Name: "ann", Extra: warranting(strings.Split(strings.Repeat(`{"user":"x"} `, 1000), " ")...)}
	if got := len(Effective(wide, "a")); got != maxEffective {
		t.Errorf("%d users in many warrants, expected %d", got, maxEffective)
	}
}

func TestInScope(t *testing.T) {
	for name, c := range map[string]struct {
		scopes           []string
		in, scoped, lent bool
	}{
		"no scope":           {nil, true, false, false},
		"one":                {[]string{"cluster:a"}, true, true, true},
		"one of several":     {[]string{"cluster:b,cluster:a"}, true, true, true},
		"another":            {[]string{"cluster:b"}, false, true, true},
		"one besides one":    {[]string{"cluster:a", "cluster:b,cluster:a"}, true, true, true},
		"another besides it": {[]string{"cluster:a", "cluster:b"}, false, true, true},
		"a longer name":      {[]string{"cluster:ab"}, false, true, true},
		"nonsense":           {[]string{""}, false, true, true},
	} {
		u := &user.DefaultInfo{Name: "ann", Extra: map[string][]string{ScopesExtraKey: c.scopes}}
		if InScope(u, "a") != c.in || IsScoped(u) != c.scoped || IsBorrowed(u) != c.lent {
			t.Errorf("%s: in scope %v, scoped %v, borrowed %v", name, InScope(u, "a"), IsScoped(u), IsBorrowed(u))
		}
	}
	local, err := Local(&user.DefaultInfo{Name: "ann"}, "a")
	if err != nil || IsBorrowed(local) || !IsScoped(local) {
		t.Errorf("a user of an issuer of a: %v, %v", local, err)
	}
}

func TestFrom(t *testing.T) {
	for name, c := range map[string]struct {
		u       who
		outside string
	}{
		"a user":                       {who{Name: "ann"}, "ann"},
		"a service account":            {who{Name: "system:serviceaccount:ci:bot"}, "system:kcp:serviceaccount:a:ci:bot"},
		"a service account from b":     {who{Name: "system:serviceaccount:ci:bot", Extra: homes("b")}, "system:kcp:serviceaccount:b:ci:bot"},
		"a user whom only one trusts":  {who{Name: "ann", Extra: homes("b")}, "ann"},
		"a service account from afar":  {who{Name: "system:kcp:serviceaccount:b:ci:bot"}, "system:kcp:serviceaccount:b:ci:bot"},
		"one that cannot say from who": {who{Name: "system:serviceaccount:ci:bot", Extra: homes("b", "c")}, "system:serviceaccount:ci:bot"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := OutsideName(From(c.u.info(), "a")); got != c.outside {
				t.Errorf("%q, expected %q", got, c.outside)
			}
		})
	}
}

func TestLocal(t *testing.T) {
	got, err := Local(&user.DefaultInfo{
		Name: "oidc:ann", UID: "1", Groups: []string{"devs", "system:masters", "system:cluster:b"},
		Extra: map[string][]string{
			WarrantExtraKey: {`{"user":"root"}`}, ClusterExtraKey: {"b"}, ScopesExtraKey: {"cluster:b"}, "KCP.io/x": {"1"}, "example.io/team": {"a"},
		},
	}, "a")
	if err != nil {
		t.Fatal(err)
	}
	want := []who{{"oidc:ann", []string{"devs", user.AllAuthenticated, "system:cluster:a"}, map[string][]string{
		"example.io/team": {"a"}, ClusterExtraKey: {"a"}, ScopesExtraKey: {"cluster:a"},
	}}}
	if diff := cmp.Diff(want, seen(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, name := range []string{"", "system:admin", "system:serviceaccount:ci:bot", "system:kcp:serviceaccount:b:ci:bot"} {
		if _, err := Local(&user.DefaultInfo{Name: name}, "a"); err == nil {
			t.Errorf("an issuer may name a user %q", name)
		}
	}
}

func TestWire(t *testing.T) {
	for _, want := range []who{{"ann", nil, nil}, {"ann", []string{"g"}, homes("a")}} {
		if diff := cmp.Diff([]who{want}, seen(FromWire(ToWire(want.info())))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// FuzzEffective throws what authenticators might pass on at the reading of
// warrants.
func FuzzEffective(f *testing.F) {
	for _, seed := range []string{`{"user":"a"}`, `{"extra":{"authorization.kcp.io/warrant":["{}"]}}`, `{"user":"system:serviceaccount:a:b","extra":{"authentication.kcp.io/cluster-name":["a"]}}`} {
		f.Add(seed, "cluster:a", "a")
	}
	f.Fuzz(func(t *testing.T, warrant, scope, home string) {
		u := &user.DefaultInfo{Name: "ann", Groups: []string{"devs"}, Extra: map[string][]string{
			WarrantExtraKey: {warrant, warrant}, ScopesExtraKey: {scope}, ClusterExtraKey: {home},
		}}
		found := Effective(u, "a")
		if len(found) == 0 || len(found) > maxEffective {
			t.Fatalf("I3: %d users", len(found))
		}
		if !InScope(u, "a") && found[0].GetName() != user.Anonymous {
			t.Fatalf("I1: out of scope ann is %q", found[0].GetName())
		}
		for _, holder := range found {
			if len(holder.GetExtra()[WarrantExtraKey]) > 0 {
				t.Fatalf("%q still has warrants", holder.GetName())
			}
		}
	})
}

func TestIsHub(t *testing.T) {
	for name, c := range map[string]struct {
		u    user.Info
		want bool
	}{
		"nobody":                      {nil, false},
		"somebody":                    {&user.DefaultInfo{Name: "alice", Groups: []string{user.AllAuthenticated}}, false},
		"an administrator of the hub": {&user.DefaultInfo{Name: "op", Groups: []string{"system:kcp:admin"}}, false},
		"the hub":                     {&user.DefaultInfo{Name: "hub", Groups: []string{user.SystemPrivilegedGroup}}, true},
		"the hub in one workspace":    {&user.DefaultInfo{Name: "hub", Groups: []string{user.SystemPrivilegedGroup}, Extra: scopes("cluster:a")}, false},
	} {
		if got := IsHub(c.u); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
