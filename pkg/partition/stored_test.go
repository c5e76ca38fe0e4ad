package partition

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiserver/pkg/apis/example"
	examplev1 "k8s.io/apiserver/pkg/apis/example/v1"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// TestStored: what lies there is listed page by page, that of one workspace only.
func TestStored(t *testing.T) {
	h := newHub(t, hubOptions{})
	tenants := newTenants(h)
	store, _ := h.openWidgets(t, tenants)
	for workspace, names := range map[logicalcluster.Name][]string{"w": {"a", "b", "c"}, "x": {"d"}} {
		for _, name := range names {
			if err := store.Create(in(t, workspace), "/example.io/widgets/customresources/ns/"+name, newPod("ns", name), &example.Pod{}, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	var got [][]Stored
	for after := ""; ; {
		page, err := tenants.Stored(t.Context(), "w", widgets, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page)
		if len(page) < 2 {
			break
		}
		after = page[len(page)-1].Place
	}
	pod := func(name string) Stored {
		return Stored{Place: "ns/" + name, APIVersion: examplev1.SchemeGroupVersion.String(), Namespace: "ns", Name: name}
	}
	if diff := cmp.Diff([][]Stored{{pod("a"), pod("b")}, {pod("c")}}, got); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if got := storedAs("name", []byte("\x00")); got != (Stored{Place: "name", Name: "name"}) {
		t.Errorf("what is no object is %+v", got)
	}
}
