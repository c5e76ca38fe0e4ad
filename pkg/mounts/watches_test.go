package mounts

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/atriumhub/atrium/pkg/mounts/doors"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// quiet is a hub in which nothing happens after it was listed.
type quiet struct{ begun, ended chan string }

func (q quiet) RoundTrip(req *http.Request) (*http.Response, error) {
	header := http.Header{"Content-Type": {"application/json"}}
	if req.URL.Query().Get("watch") == "" {
		list, err := json.Marshal(map[string]any{
			"apiVersion": "example.org/v1", "kind": "List", "metadata": map[string]any{"resourceVersion": "7"},
			"items": []any{map[string]any{
				"apiVersion": "example.org/v1", "kind": "Thing",
				"metadata": map[string]any{"name": "eu", "annotations": map[string]any{"experimental.tenancy.kcp.io/is-mount": "true"}},
				"status":   map[string]any{"phase": "Ready", "URL": "https://eu"},
			}},
		})
		return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(strings.NewReader(string(list)))}, err
	}
	q.begun <- req.URL.Path
	reader, writer := io.Pipe()
	context.AfterFunc(req.Context(), func() {
		writer.Close()
		q.ended <- req.URL.Path
	})
	return &http.Response{StatusCode: http.StatusOK, Header: header, Body: reader}, nil
}

// U1: what is watched is what somebody refers to.
func TestWatchesAreSharedAndEnd(t *testing.T) {
	world := quiet{make(chan string, 10), make(chan string, 10)}
	hub, err := client.New(&rest.Config{Host: "http://hub", Transport: world, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	woken := make(chan logicalcluster.Key, 10)
	w := newWatches(hub, func(key logicalcluster.Key) { woken <- key })
	ctx, stop := context.WithCancel(t.Context())
	w.run(ctx)
	things := schema.GroupVersionResource{Group: "example.org", Version: "v1", Resource: "things"}
	a, b := logicalcluster.Key{Workspace: "abc", Name: "a"}, logicalcluster.Key{Workspace: "abc", Name: "b"}
	if w.object(a, things, types.NamespacedName{Name: "eu"}).known {
		t.Error("known before it was listed")
	}
	if got := <-woken; got != a {
		t.Errorf("woken: %s", got)
	}
	const watched = "/clusters/abc/apis/example.org/v1/things"
	if got := <-world.begun; got != watched {
		t.Errorf("watching %s", got)
	}
	got := w.object(a, things, types.NamespacedName{Name: "eu"})
	if diff := cmp.Diff(&doors.Object{Mountable: true, Phase: "Ready", URL: "https://eu"}, got.object); diff != "" || !got.known {
		t.Errorf("known %v (-want +got):\n%s", got.known, diff)
	}
	if got := w.object(b, things, types.NamespacedName{Name: "us"}); got != (sight{known: true}) {
		t.Errorf("what is not there: %+v", got)
	}
	w.idle(b)
	w.release(a)
	if got := <-world.ended; got != watched {
		t.Errorf("ended: %s", got)
	}
	if got := w.mounts("abc"); len(got) != 1 || got[0] != b {
		t.Errorf("interested in what is served: %v", got)
	}
	w.release(b)
	if len(w.boards)+len(w.interests)+len(world.begun) > 0 {
		t.Errorf("left: %v, %v, %d watches", w.boards, w.interests, len(world.begun))
	}
	w.object(a, things, types.NamespacedName{Name: "eu"})
	<-world.begun
	stop()
	w.wait()
}

// U4: a workspace that refers to ever new kinds of objects is not served beyond a
// bound; others are, and so is who comes when somebody has left.
func TestWatchesAreBounded(t *testing.T) {
	world := quiet{make(chan string, 3*maxSources), make(chan string, 3*maxSources)}
	hub, err := client.New(&rest.Config{Host: "http://hub", Transport: world, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	woken := map[logicalcluster.Key]int{}
	w := newWatches(hub, func(key logicalcluster.Key) {
		mu.Lock()
		defer mu.Unlock()
		woken[key]++
	})
	ctx, stop := context.WithCancel(t.Context())
	w.run(ctx)
	look := func(workspace, mount string, kind int) sight {
		key := logicalcluster.Key{Workspace: logicalcluster.Name(workspace), Name: mount}
		resource := schema.GroupVersionResource{Group: "example.org", Version: "v1", Resource: fmt.Sprintf("things%d", kind)}
		return w.object(key, resource, types.NamespacedName{Name: "eu"})
	}
	for i := range maxSources {
		if look("abc", fmt.Sprintf("m%d", i), i).crowded {
			t.Fatalf("only %d are watched", i)
		}
	}
	crowded := sight{known: true, crowded: true}
	for _, c := range []struct {
		name, workspace, mount string
		kind                   int
		want                   bool
	}{
		{"one kind more", "abc", "late", maxSources, true},
		{"asked again", "abc", "late", maxSources, true},
		{"a kind that is watched", "abc", "same", 3, false},
		{"another workspace", "def", "late", maxSources, false},
		{"one that turns to another kind frees its own", "abc", "m0", maxSources + 1, false},
		{"there is still no room", "abc", "late", maxSources, true},
	} {
		if got := look(c.workspace, c.mount, c.kind); (got == crowded) != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	late := logicalcluster.Key{Workspace: "abc", Name: "late"}
	w.release(logicalcluster.Key{Workspace: "abc", Name: "m3"}) // "same" still watches these
	if look("abc", "late", maxSources) != crowded {
		t.Error("there is room where nothing was freed")
	}
	before := len(w.boards)
	w.release(logicalcluster.Key{Workspace: "abc", Name: "m4"})
	mu.Lock()
	if woken[late] == 0 {
		t.Error("who waits is not woken")
	}
	mu.Unlock()
	if look("abc", "late", maxSources).crowded || len(w.boards) != before {
		t.Errorf("who waited is not let in; %d watches, before %d", len(w.boards), before)
	}
	stop()
	w.wait()
}
