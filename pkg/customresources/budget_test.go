package customresources

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// described returns a definition that differs from others by a long description.
func described(i, length int) *apiextensionsv1.CustomResourceDefinition {
	crd := widgetCRD(nil)
	crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Description = fmt.Sprint(i, strings.Repeat(" ", length))
	return crd
}

// TestBudget: definitions that differ take no more than they may. What is idle goes
// first, and a watch does not keep a handler when there is no room.
func TestBudget(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	const room = 5
	h.handlers.config.Budget = room * weigh(described(1, 1000))
	ask := func(i int) {
		t.Helper()
		ws := logicalcluster.Name(fmt.Sprint("w", i))
		h.install(ws, described(i, 1000))
		if _, err := h.widgets(t, ws).List(ctx, metav1.ListOptions{}); err != nil {
			t.Fatal(err)
		}
		h.clock.Step(time.Second)
		if got := h.handlers.Len(); got > room {
			t.Fatalf("%d handlers after %d, and room for %d", got, i, room)
		}
	}
	ask(10)
	watch, err := h.widgets(t, "w10").Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.widgets(t, "w10").Create(ctx, widget("one", nil), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	<-watch.ResultChan()
	for i := range 10 {
		ask(20 + i)
	}
	if _, err := h.widgets(t, "w10").Create(ctx, widget("two", nil), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if event := <-watch.ResultChan(); event.Object == nil {
		t.Fatal("a watch ended although others were idle")
	}
	h.handlers.config.Budget = weigh(described(1, 1000))
	ask2 := described(30, 1000)
	h.install("w30", ask2)
	if _, err := h.widgets(t, "w30").List(ctx, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	ends(t, watch.ResultChan())
	if got := h.handlers.Len(); got != 1 {
		t.Errorf("%d handlers, and room for one", got)
	}
	if _, err := h.widgets(t, "w10").List(ctx, metav1.ListOptions{}); err != nil {
		t.Errorf("one that had to go is made again: %v", err)
	}
}

// TestNothingIsLeft: goroutines end with the handlers that made them.
func TestNothingIsLeft(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	ask := func(i int) {
		t.Helper()
		ws := logicalcluster.Name(fmt.Sprint("w", i))
		h.install(ws, described(i, 10))
		if _, err := h.widgets(t, ws).List(ctx, metav1.ListOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	ask(0) // what all share
	before := runtime.NumGoroutine()
	const shapes = 30
	for i := range shapes {
		ask(1 + i)
	}
	h.clock.Step(DefaultIdleAfter + time.Second)
	h.handlers.RetireIdle()
	if got := h.handlers.Len(); got != 0 {
		t.Errorf("%d handlers", got)
	}
	deadline := time.Now().Add(time.Minute)
	for runtime.NumGoroutine() > before+shapes/2 {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		runtime.Gosched()
	}
}

func TestWeigh(t *testing.T) {
	small, rules, large := weigh(widgetCRD(nil)), weigh(widgetCRD(manyProperties(20, 20))), weigh(described(1, 1<<20))
	if small > 200<<10 || rules < 1<<20 || large < 20<<20 {
		t.Errorf("small %d, rules %d, large %d", small, rules, large)
	}
}
