package etcd_test

import (
	"context"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/atriumhub/atrium/pkg/etcd"
)

// start runs a server on dir for the length of the test.
func start(t *testing.T, dir string) *etcd.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	server, err := etcd.Start(ctx, etcd.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

// dial connects a client to server.
func dial(t *testing.T, server *etcd.Server) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: server.Endpoints(), DialTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// E4: a stopped server leaves the directory usable, with its data in it.
func TestRestartKeepsData(t *testing.T) {
	dir := t.TempDir()
	began := time.Now()
	first := start(t, dir)
	t.Logf("first start %v", time.Since(began))
	client := dial(t, first)
	if _, err := client.Put(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	client.Close()
	began = time.Now()
	first.Stop()
	t.Logf("stop %v", time.Since(began))
	began = time.Now()
	second := start(t, dir)
	t.Logf("second start %v", time.Since(began))
	got, err := dial(t, second).Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "v" {
		t.Fatalf("after a restart k is %v", got.Kvs)
	}
}
