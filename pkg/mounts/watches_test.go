package mounts

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
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
	if _, known := w.object(a, things, types.NamespacedName{Name: "eu"}); known {
		t.Error("known before it was listed")
	}
	if got := <-woken; got != a {
		t.Errorf("woken: %s", got)
	}
	const watched = "/clusters/abc/apis/example.org/v1/things"
	if got := <-world.begun; got != watched {
		t.Errorf("watching %s", got)
	}
	got, known := w.object(a, things, types.NamespacedName{Name: "eu"})
	if diff := cmp.Diff(&doors.Object{Mountable: true, Phase: "Ready", URL: "https://eu"}, got); diff != "" || !known {
		t.Errorf("known %v (-want +got):\n%s", known, diff)
	}
	if got, known := w.object(b, things, types.NamespacedName{Name: "us"}); got != nil || !known {
		t.Errorf("what is not there: %v, %v", got, known)
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
