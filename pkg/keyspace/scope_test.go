package keyspace_test

import (
	"context"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// K5
func TestZeroScopeIsNowhere(t *testing.T) {
	var zero keyspace.Scope
	if !zero.None() || zero.All() || zero.String() != keyspace.Nowhere().String() {
		t.Errorf("the zero Scope is %v", zero)
	}
	if name, ok := zero.Workspace(); ok {
		t.Errorf("the zero Scope is workspace %q", name)
	}
	if _, ok := keyspace.ScopeFrom(context.Background()); ok {
		t.Error("an empty context has a Scope")
	}
}

func TestScopeTravelsInContext(t *testing.T) {
	ctx := keyspace.WithScope(context.Background(), keyspace.In("one"))
	scope, ok := keyspace.ScopeFrom(ctx)
	if name, single := scope.Workspace(); !ok || !single || name != "one" {
		t.Errorf("got %v, %v", scope, ok)
	}
	scope, _ = keyspace.ScopeFrom(keyspace.WithScope(ctx, keyspace.Everywhere()))
	if !scope.All() {
		t.Errorf("the inner Scope is %v", scope)
	}
}

// K3
func TestInPanicsOnWhatIsNoName(t *testing.T) {
	for _, name := range []logicalcluster.Name{"", "*", "-", "!", "root:org", "a/b", "..", "A", "a%2fb", "system:", "system:a:b",
		logicalcluster.Name(strings.Repeat("a", 10_000)), "a\x00", "a\n"} {
		t.Run(string(name), func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Errorf("In(%q) did not panic", name)
				}
			}()
			keyspace.In(name)
		})
	}
}

func TestSelecting(t *testing.T) {
	parse := func(s string) labels.Selector {
		selector, err := labels.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return selector
	}
	base := keyspace.In("one")
	tests := map[string]struct {
		scope keyspace.Scope
		sees  []string // label sets "k=v,k=v"
		not   []string
	}{
		"nothing asked":         {base, []string{"", "a=b"}, nil},
		"nil":                   {base.Selecting(nil), []string{"", "a=b"}, nil},
		"everything":            {base.Selecting(labels.Everything()), []string{"", "a=b"}, nil},
		"one":                   {base.Selecting(parse("a=b")), []string{"a=b", "a=b,c=d"}, []string{"", "a=c"}},
		"two":                   {base.Selecting(parse("a=b")).Selecting(parse("c=d")), []string{"a=b,c=d"}, []string{"a=b", "c=d", ""}},
		"nothing":               {base.Selecting(labels.Nothing()), nil, []string{"", "a=b"}},
		"one, then nothing":     {base.Selecting(parse("a=b")).Selecting(labels.Nothing()), nil, []string{"", "a=b"}},
		"nothing, then one":     {base.Selecting(labels.Nothing()).Selecting(parse("a=b")), nil, []string{"", "a=b"}},
		"one, then everything":  {base.Selecting(parse("a=b")).Selecting(labels.Everything()), []string{"a=b"}, []string{"", "a=c"}},
		"contradicting":         {base.Selecting(parse("a=b")).Selecting(parse("a!=b")), nil, []string{"", "a=b", "a=c"}},
		"everywhere":            {keyspace.Everywhere().Selecting(parse("a=b")), []string{"a=b"}, []string{""}},
		"an earlier one intact": {base, []string{""}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, want := range []bool{true, false} {
				for _, set := range map[bool][]string{true: test.sees, false: test.not}[want] {
					parsed, err := labels.ConvertSelectorToLabelsMap(set)
					if err != nil {
						t.Fatal(err)
					}
					if got := test.scope.Sees(parsed); got != want {
						t.Errorf("%v sees %q: %v", test.scope, set, got)
					}
				}
			}
		})
	}
}

func TestBoth(t *testing.T) {
	one := labels.SelectorFromSet(labels.Set{"a": "b"})
	if got := keyspace.Both(nil, one); got.String() != "a=b" {
		t.Errorf("nil and a=b is %q", got)
	}
	if got := keyspace.Both(one, nil); got.String() != "a=b" {
		t.Errorf("a=b and nil is %q", got)
	}
	if got := keyspace.Both(nil, nil); got != nil {
		t.Errorf("nil and nil is %q", got)
	}
}

func TestAdmitting(t *testing.T) {
	selector := labels.SelectorFromSet(labels.Set{"a": "b"})
	for name, tc := range map[string]struct {
		scope             keyspace.Scope
		some, match, rest bool
	}{
		"no selector":            {keyspace.In("one"), true, true, true},
		"selector":               {keyspace.In("one").Selecting(selector), false, false, false},
		"admitting":              {keyspace.In("one").Selecting(selector).Admitting(), true, true, false},
		"admitting, then more":   {keyspace.In("one").Admitting().Selecting(selector), true, true, false},
		"admitting, nothing":     {keyspace.In("one").Selecting(labels.Nothing()).Admitting(), true, false, false},
		"admitting, no selector": {keyspace.In("one").Admitting(), true, true, true},
	} {
		if got := tc.scope.AdmitsSome(); got != tc.some {
			t.Errorf("%s: admits some is %v", name, got)
		}
		if got := tc.scope.Admits(labels.Set{"a": "b"}); got != tc.match {
			t.Errorf("%s: admits what matches is %v", name, got)
		}
		if got := tc.scope.Admits(labels.Set{"c": "d"}); got != tc.rest {
			t.Errorf("%s: admits the rest is %v", name, got)
		}
	}
}
