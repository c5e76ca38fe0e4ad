package partition

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/keyspace"
)

func placeNamed(t *testing.T, name string) *place {
	t.Helper()
	layout, err := keyspace.NewLayout("/example.io/" + name + "/customresources")
	if err != nil {
		t.Fatal(err)
	}
	return &place{resource: schema.GroupResource{Group: "example.io", Resource: name}, layout: layout}
}

// TestLedger (P11): each step is a verb and who is meant; "look" takes down who is
// unused, "forget" is told that all of these were empty.
func TestLedger(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps string
		want  []string
	}{
		{"a pinned place stays", "pin a; look; forget", []string{"a"}},
		{"also when it was defined and is no more", "pin a; define a; undefine a; look; forget", []string{"a"}},
		{"a defined place stays", "define a; look; forget", []string{"a"}},
		{"one that is defined no more goes", "define a; undefine a; look; forget", nil},
		{"two workspaces define it", "define a; define a; undefine a; look; forget", []string{"a"}},
		{"neither does", "define a; define a; undefine a; undefine a; look; forget", nil},
		{"a store is open", "define a; open a; undefine a; look; forget", []string{"a"}},
		{"the store is closed", "define a; open a; undefine a; close a; look; forget", nil},
		{"one of two stores is", "open a; open a; close a; look; forget", []string{"a"}},
		{"a store was opened before the definition was noted", "open a; define a; close a; look; forget", []string{"a"}},
		{"it was found in storage", "find a; look; forget", nil},
		{"found, and defined", "find a; define a; look; forget", []string{"a"}},
		{"it was not looked at", "define a; undefine a", []string{"a"}},
		{"defined while it was looked at", "define a; undefine a; look; define a; forget", []string{"a"}},
		{"written to while it was looked at", "define a; undefine a; look; open a; close a; forget", []string{"a"}},
		{"and forgotten the next time", "define a; undefine a; look; open a; close a; forget; look; forget", nil},
		{"forgotten twice", "define a; undefine a; look; forget; forget", nil},
		{"forgotten and defined again", "define a; undefine a; look; forget; define a; forget", []string{"a"}},
		{"undefined by who did not define it", "undefine a; define a; look; forget", []string{"a"}},
		{"closed by who did not open it", "close a; open a; look; forget", []string{"a"}},
		{"others stay", "define a; define b; undefine a; look; forget", []string{"b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, play(t, c.steps)); diff != "" {
				t.Errorf("known (-want +got):\n%s", diff)
			}
		})
	}
}

// play returns the names of what is known after steps.
func play(t *testing.T, steps string) []string {
	t.Helper()
	l := newLedger()
	var looked []unused
	verbs := map[string]func(*place){
		"pin": l.pin, "define": l.define, "undefine": l.undefine, "open": l.open, "close": l.closed,
		"find": func(p *place) { l.find(p) },
	}
	for step := range strings.SplitSeq(steps, "; ") {
		verb, name, _ := strings.Cut(step, " ")
		switch verb {
		case "look":
			looked = l.unused()
		case "forget":
			l.forget(looked)
		default:
			verbs[verb](placeNamed(t, name))
		}
	}
	var names []string
	for key := range l.entries {
		names = append(names, key.resource.Resource)
	}
	slices.Sort(names)
	return names
}

func TestStoredResource(t *testing.T) {
	widgets := schema.GroupResource{Group: "example.io", Resource: "widgets"}
	for _, c := range []struct {
		key, segment, below string
		want                schema.GroupResource
	}{
		{"/example.io/widgets/customresources/w1/default/a", "customresources", "/example.io/widgets/", widgets},
		{"/example.io/widgets/5f4e3d/w1/default/a", "5f4e3d", "/example.io/widgets/", widgets},
		{"/configmaps/w1/customresources/a", "", "/configmaps/", schema.GroupResource{}},
		{"/example.io/odd", "", "/example.io/", schema.GroupResource{}},
		{"/odd", "", "/odd/", schema.GroupResource{}},
	} {
		t.Run(c.key, func(t *testing.T) {
			got, segment, below := storedResource(c.key)
			if got != c.want || segment != c.segment || below != c.below {
				t.Errorf("%v in %q below %q, want %v in %q below %q", got, segment, below, c.want, c.segment, c.below)
			}
		})
	}
}
