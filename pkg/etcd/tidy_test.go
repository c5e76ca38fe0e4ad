package etcd

import (
	"context"
	"fmt"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestWasteful(t *testing.T) {
	const mb = 1 << 20
	for name, tc := range map[string]struct {
		size, inUse int64
		want        bool
	}{
		"new":                    {16 * mb, 1 * mb, false},
		"full":                   {500 * mb, 490 * mb, false},
		"half is waste":          {200 * mb, 100 * mb, false},
		"most is waste":          {200 * mb, 20 * mb, true},
		"most of very much":      {2000 * mb, 300 * mb, false},
		"little, but most of it": {20 * mb, 2 * mb, false},
		"more, and most of it":   {33 * mb, 2 * mb, true},
	} {
		if got := wasteful(tc.size, tc.inUse); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestRewritten deletes much, and finds the rest in a small file.
func TestRewritten(t *testing.T) {
	server, err := Start(t.Context(), Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	client, err := clientv3.New(clientv3.Config{Endpoints: server.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	value := strings.Repeat("x", 1<<20)
	for i := range 48 {
		if _, err := client.Put(t.Context(), fmt.Sprintf("much/%d", i), value); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.Put(t.Context(), "kept", "kept"); err != nil {
		t.Fatal(err)
	}
	gone, err := client.Delete(t.Context(), "much/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Compact(context.WithoutCancel(t.Context()), gone.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	backend := server.etcd.Server.Backend()
	backend.ForceCommit()
	before := backend.Size()
	if !server.rewriteIfWasteful() {
		t.Fatalf("%d bytes, %d in use, are not wasteful", before, backend.SizeInUse())
	}
	if after := backend.Size(); after > before/4 {
		t.Errorf("the database has %d bytes after %d", after, before)
	}
	found, err := client.Get(t.Context(), "kept")
	if err != nil || len(found.Kvs) != 1 {
		t.Errorf("found %v, error %v", found, err)
	}
}
