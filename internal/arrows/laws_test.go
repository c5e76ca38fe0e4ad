package arrows

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var small = Plan{
	Floors: []Floor{
		{"F0", "nouns", []string{"sdk/nouns"}},
		{"F1", "logic", []string{"pkg/logic", "pkg/loops/decide"}},
		{"F2", "loops", []string{"pkg/loops", "pkg/other"}},
	},
	Roof: "test",
}

var smallPackages = []string{"sdk/nouns", "pkg/logic", "pkg/loops", "pkg/loops/decide", "pkg/other"}

func TestArrows(t *testing.T) {
	for _, tc := range []struct {
		name     string
		from, to string
		want     string // beginning of the reason; empty if the arrow is right
	}{
		{"down one floor", "pkg/logic", "sdk/nouns", ""},
		{"down two floors", "pkg/other", "sdk/nouns", ""},
		{"to itself, from an external test", "pkg/logic", "pkg/logic", ""},
		{"to another module", "sdk/nouns", "k8s.io/api/core/v1", ""},
		{"a folder to its child", "pkg/loops", "pkg/loops/decide", ""},
		{"a room to another's child below", "pkg/other", "pkg/loops/decide", ""},
		{"up", "sdk/nouns", "pkg/logic", "that is up from F0 (nouns) to F1 (logic)."},
		{"to a sibling", "pkg/loops", "pkg/other", "both are on F2 (loops)"},
		{"to a sibling's child on the same floor", "pkg/logic", "pkg/loops/decide", "both are on F1 (logic)"},
		{"a child to its folder", "pkg/loops/decide", "pkg/loops", "a folder does not know the folder it lies in."},
		{"a test to anything", "test/e2e", "pkg/loops", ""},
		{"a test to another", "test/e2e", "test/harness", ""},
		{"a room to a test", "pkg/loops", "test/harness", "what tests share is not for programs."},
		{"names that only begin alike", "test2", "pkg/loops", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := newHouse(small).against(Import{From: tc.from, To: tc.to})
			if (got == "") != (tc.want == "") || !strings.HasPrefix(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	server := Wall{
		Rooms: []string{"sdk/..."}, Out: []string{"example.com/server"}, Deep: true,
		Why: "clients stay small", Instead: "ask over the API",
	}
	pure := Wall{Rooms: []string{"pkg/logic"}, Out: []string{"os"}, Why: "it is pure", Instead: "take an argument"}
	up := Import{From: "sdk/nouns", To: "pkg/logic", File: "sdk/nouns/a.go"}
	for _, tc := range []struct {
		name     string
		change   func(*Plan)
		packages []string
		imports  []Import
		graph    Graph
		want     []string
	}{
		{name: "all is well"},
		{
			name:     "a package on no floor",
			packages: []string{"pkg/new", "test/new"},
			imports:  []Import{{From: "pkg/new", To: "pkg/logic", File: "pkg/new/a.go"}},
			want:     []string{"pkg/new is on no floor. Way out: add it to F2 in internal/arrows/house.go, the lowest it can be on."},
		},
		{
			name:   "a room that is gone",
			change: func(p *Plan) { p.Floors = append(p.Floors, Floor{"F3", "roots", []string{"pkg/gone"}}) },
			want:   []string{"pkg/gone is on F3 (roots) but does not exist. Way out: remove it from internal/arrows/house.go."},
		},
		{
			name:    "an exception",
			change:  func(p *Plan) { p.Exceptions = []Exception{{"sdk/nouns", "pkg/logic", "for a while"}} },
			imports: []Import{up},
		},
		{
			name:   "an exception that is not needed",
			change: func(p *Plan) { p.Exceptions = []Exception{{"sdk/nouns", "pkg/logic", "for a while"}} },
			want:   []string{"sdk/nouns no longer imports pkg/logic. Way out: remove the exception from internal/arrows/house.go."},
		},
		{
			name:    "an arrow up is told once per file",
			imports: []Import{up, up},
			want:    []string{"sdk/nouns/a.go imports pkg/logic: that is up from F0 (nouns) to F1 (logic). Way out: take it as a function or an interface at construction, or move what is needed down."},
		},
		{
			name:   "through a wall",
			change: func(p *Plan) { p.Walls = []Wall{pure} },
			imports: []Import{
				{From: "pkg/logic", To: "os/exec", File: "pkg/logic/a.go"},
				{From: "pkg/logic", To: "oslo", File: "pkg/logic/a.go"},
				{From: "pkg/logic", To: "os", File: "pkg/logic/a_test.go", InTest: true},
				{From: "pkg/other", To: "os", File: "pkg/other/a.go"},
			},
			want: []string{"pkg/logic/a.go imports os/exec: it is pure. Way out: take an argument."},
		},
		{
			name:    "around a wall, by the shortest way",
			change:  func(p *Plan) { p.Walls = []Wall{server} },
			imports: []Import{{From: "sdk/nouns", To: "example.com/b", File: "sdk/nouns/a.go"}},
			graph: Graph{
				"sdk/nouns":     {"example.com/a", "example.com/b"},
				"example.com/a": {"example.com/c"},
				"example.com/b": {"example.com/server/x"},
				"example.com/c": {"example.com/server/x", "example.com/a"},
			},
			want: []string{"sdk/nouns -> example.com/b -> example.com/server/x: clients stay small. Way out: ask over the API."},
		},
		{
			name:    "straight through a deep wall is told once",
			change:  func(p *Plan) { p.Walls = []Wall{server} },
			imports: []Import{{From: "sdk/nouns", To: "example.com/server", File: "sdk/nouns/a.go"}},
			graph:   Graph{"sdk/nouns": {"example.com/server"}},
			want:    []string{"sdk/nouns/a.go imports example.com/server: clients stay small. Way out: ask over the API."},
		},
		{
			name:   "a wall around nothing",
			change: func(p *Plan) { p.Walls = []Wall{{Rooms: []string{"pkg/gone/..."}}} },
			want:   []string{"a wall is around pkg/gone/..., which does not exist. Way out: remove it from internal/arrows/house.go."},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			plan := small
			if tc.change != nil {
				tc.change(&plan)
			}
			got := Check(plan, append(tc.packages, smallPackages...), tc.imports, tc.graph)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
