package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"

	"go.etcd.io/etcd/server/v3/embed"
)

// etcd is a running store and the directory handle its socket is reached by.
type etcd struct {
	server *embed.Etcd
	dir    *os.File
	url    string
}

// startEtcd runs a one-member etcd that only this process can reach, and returns once it serves.
func startEtcd(ctx context.Context, name, dataDir string) (*etcd, error) {
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return nil, fmt.Errorf("failed to make etcd's directory: %w", err)
	}
	dir, err := os.Open(dataDir)
	if err != nil {
		return nil, fmt.Errorf("failed to open etcd's directory: %w", err)
	}
	clientURL := socketURL(dir, "client.sock")
	e := &etcd{dir: dir, url: clientURL.String()}
	if e.server, err = embed.StartEtcd(etcdConfig(name, dataDir, dir)); err != nil {
		dir.Close()
		return nil, fmt.Errorf("failed to start etcd: %w", err)
	}
	select {
	case <-e.server.Server.ReadyNotify():
		return e, nil
	case err = <-e.server.Err():
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	e.close()
	return nil, fmt.Errorf("failed to start etcd: %w", err)
}

// socketURL names a unix socket by the open directory it is in. A unix socket's path may have no more
// than 107 bytes, and the directories of tests are often longer.
func socketURL(dir *os.File, name string) url.URL {
	return url.URL{Scheme: "unix", Path: fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name)}
}

// unusedURL is what the member tells others to be reached by: there are none. etcd 3.6, of Kubernetes 1.36,
// wants a host and port here.
var unusedURL = url.URL{Scheme: "http", Host: "127.0.0.1:2380"}

func etcdConfig(name, dataDir string, dir *os.File) *embed.Config {
	config := embed.NewConfig()
	config.Name = name
	config.Dir = dataDir
	config.ListenClientUrls = []url.URL{socketURL(dir, "client.sock")}
	config.ListenPeerUrls = nil
	config.AdvertiseClientUrls = []url.URL{unusedURL}
	config.AdvertisePeerUrls = []url.URL{unusedURL}
	config.InitialCluster = config.InitialClusterFromName(name)
	config.LogLevel = "warn"
	// One member elects itself: waiting for others, as the defaults do, only costs time.
	config.TickMs, config.ElectionMs = 10, 100
	// Written data survives the end of the process, not of the machine: enough for a child in a test,
	// and many times faster on a slow disk.
	config.UnsafeNoFsync = true
	return config
}

// failed delivers the error that ended etcd by itself.
func (e *etcd) failed() <-chan error { return e.server.Err() }

// close ends the store with everything committed. It does not wait for the API server's open watches, as
// closing the listeners would do for some seconds: the process ends next, and they with it.
func (e *etcd) close() error {
	e.server.Server.Stop()
	if err := e.dir.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("failed to close etcd's directory: %w", err)
	}
	return nil
}
