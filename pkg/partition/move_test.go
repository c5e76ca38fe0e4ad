package partition

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/storage"
)

// TestMove: objects go from one identity to another as they are, those of one
// workspace only; a move that ends in the middle goes on where it was.
func TestMove(t *testing.T) {
	h := newHub(t, hubOptions{})
	tenants := newTenants(h)
	bound := tenants.Sibling(tenants.inner, Config{Segment: "abcd", Forgettable: true})
	old, _ := h.openWidgets(t, tenants)
	fresh, _ := h.openWidgets(t, bound)
	const objects = 2*movePage + 7
	key := func(segment string, i int) string { return fmt.Sprintf("/example.io/widgets/%s/ns/p%03d", segment, i) }
	for i := range objects {
		pod := newPod("ns", fmt.Sprintf("p%03d", i))
		if err := old.Create(in(t, "w"), key("customresources", i), pod, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.Create(in(t, "other"), key("customresources", 0), newPod("ns", "p000"), nil, 0); err != nil {
		t.Fatal(err)
	}
	before := &example.Pod{}
	if err := old.Get(in(t, "w"), key("customresources", 3), storage.GetOptions{}, before); err != nil {
		t.Fatal(err)
	}
	// One that is in the way stops the move; where it stopped it goes on.
	if err := fresh.Create(in(t, "w"), key("abcd", movePage+1), newPod("ns", fmt.Sprintf("p%03d", movePage+1)), nil, 0); err != nil {
		t.Fatal(err)
	}
	if moved, err := tenants.Move(t.Context(), "w", widgets, bound, 10*movePage); !errors.Is(err, ErrOccupied) || moved != movePage+1 {
		t.Fatalf("moved %d, error %v; want %d and that the next is occupied", moved, err, movePage+1)
	}
	if err := fresh.Delete(in(t, "w"), key("abcd", movePage+1), &example.Pod{}, nil, storage.ValidateAllObjectFunc, nil, storage.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if moved, err := tenants.Move(t.Context(), "w", widgets, bound, 10*movePage); err != nil || moved != objects-movePage-1 {
		t.Fatalf("moved %d, error %v; want the other %d", moved, err, objects-movePage-1)
	}
	after := &example.Pod{}
	if err := fresh.Get(in(t, "w"), key("abcd", 3), storage.GetOptions{}, after); err != nil || after.UID != before.UID || after.Annotations["kcp.io/cluster"] != "w" {
		t.Errorf("after the move %+v, error %v", after, err)
	}
	if err := old.Get(in(t, "other"), key("customresources", 0), storage.GetOptions{}, &example.Pod{}); err != nil {
		t.Errorf("that of another workspace: %v", err)
	}
	if counts, err := tenants.Counts(context.Background(), "w"); err != nil || counts[widgets] != objects {
		t.Errorf("counts %v, error %v; want %d", counts, err, objects)
	}
}
