package arrows

import (
	"testing"
)

// root is the top of the repository, seen from this package.
const root = "../.."

// TestHouse holds the repository against the plan.
func TestHouse(t *testing.T) {
	module, packages, imports, err := Read(root)
	if err != nil {
		t.Fatal(err)
	}
	var deep []string
	for _, room := range packages {
		for _, wall := range Walls {
			if wall.Deep && matches(room, wall.Rooms) {
				deep = append(deep, room)
			}
		}
	}
	graph, err := ReadGraph(root, module, deep)
	if err != nil {
		t.Fatal(err)
	}
	plan := Plan{Floors: House, Walls: Walls, Exceptions: Exceptions, Roof: Roof}
	for _, breach := range Check(plan, packages, imports, graph) {
		t.Error(breach)
	}
}

// TestRead compares with what is known of this very package.
func TestRead(t *testing.T) {
	module, packages, imports, err := Read(root)
	if err != nil {
		t.Fatal(err)
	}
	if want := "github.com/atriumhub/atrium"; module != want {
		t.Errorf("module is %q, want %q", module, want)
	}
	found := map[Import]bool{}
	for _, i := range imports {
		found[i] = true
	}
	for _, want := range []Import{
		{From: "internal/arrows", To: "go/parser", File: "internal/arrows/imports.go"},
		{From: "internal/arrows", To: "testing", File: "internal/arrows/arrows_test.go", InTest: true},
		{From: "cmd/atrium", To: "pkg/server", File: "cmd/atrium/main.go"},
	} {
		if !found[want] {
			t.Errorf("%+v was not read", want)
		}
	}
	for _, room := range packages {
		if within(room, "test/childk8s") {
			t.Errorf("%s is of another module", room)
		}
	}
}
