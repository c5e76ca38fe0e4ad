package partition

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	etcdkubernetes "go.etcd.io/etcd/client/v3/kubernetes"
	"go.uber.org/zap"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/features"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/etcd3"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/value/encrypt/identity"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/keyspace"
)

const (
	// dialTimeout is how long the first connection may take.
	dialTimeout = 20 * time.Second
	// keepAliveTime and keepAliveTimeout find out that a remote etcd is gone.
	keepAliveTime    = 30 * time.Second
	keepAliveTimeout = 10 * time.Second
)

// connection is one client of one etcd, used by all resources stored there.
// The upstream factory dials once per resource instead; with thousands of
// custom resource shapes that is thousands of connections (P8). Of its options
// the egress lookup and the tracer of the connection are not supported.
type connection struct {
	client *etcdkubernetes.Client
	users  int // guarded by shared.mu

	mu        sync.Mutex
	compactor etcdCompactor
}

// etcdCompactor is the part of the upstream compactor that is used here.
type etcdCompactor interface {
	etcd3.Compactor
	Stop()
}

// connectionKey is equal for transports that lead to the same etcd as the same
// client.
func connectionKey(t storagebackend.TransportConfig) string {
	return strings.Join(append([]string{t.KeyFile, t.CertFile, t.TrustedCAFile}, t.ServerList...), "\n")
}

// dial connects to etcd and fails if it cannot be reached within dialTimeout.
func dial(config storagebackend.TransportConfig) (*connection, error) {
	tlsInfo := transport.TLSInfo{CertFile: config.CertFile, KeyFile: config.KeyFile, TrustedCAFile: config.TrustedCAFile}
	clientConfig := clientv3.Config{
		Endpoints:            config.ServerList,
		DialTimeout:          dialTimeout,
		DialKeepAliveTime:    keepAliveTime,
		DialKeepAliveTimeout: keepAliveTimeout,
		Logger:               zap.NewNop(),
	}
	if !tlsInfo.Empty() || tlsInfo.TrustedCAFile != "" {
		tlsConfig, err := tlsInfo.ClientConfig()
		if err != nil {
			return nil, fmt.Errorf("reading the etcd client's TLS files: %w", err)
		}
		clientConfig.TLS = tlsConfig
	}
	client, err := etcdkubernetes.New(clientConfig)
	if err != nil {
		return nil, fmt.Errorf("connecting to etcd at %s: %w", strings.Join(config.ServerList, ","), err)
	}
	if err := await(client.Client); err != nil {
		_ = client.Close()
		return nil, fmt.Errorf("reaching etcd at %s: %w", strings.Join(config.ServerList, ","), err)
	}
	client.KV = etcd3.NewETCDLatencyTracker(client.KV)
	return &connection{client: client}, nil
}

// await returns when etcd has answered once. A hub without its etcd must fail
// at start, not with the first request.
func await(client *clientv3.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	_, err := client.Get(ctx, "atrium-hello", clientv3.WithCountOnly())
	return err
}

// store returns the upstream etcd3 store of one resource on c, and a function
// that stops it.
func (c *connection) store(
	config *storagebackend.ConfigForResource,
	layout keyspace.Layout,
	newFunc, newListFunc func() runtime.Object,
) (storage.Interface, func(), error) {
	transformer := config.Transformer
	if transformer == nil {
		transformer = identity.NewEncryptCheckTransformer()
	}
	versioner := storage.APIObjectVersioner{}
	decoder := etcd3.NewDefaultDecoder(config.Codec, versioner)
	deleteCorrupt := utilfeature.DefaultFeatureGate.Enabled(features.AllowUnsafeMalformedObjectDeletion)
	if deleteCorrupt {
		transformer = etcd3.WithCorruptObjErrorHandlingTransformer(transformer)
		decoder = etcd3.WithCorruptObjErrorHandlingDecoder(decoder)
	}
	store, err := etcd3.New(c.client, c.compact(config.CompactionInterval), config.Codec, newFunc, newListFunc,
		config.Prefix, layout.Prefix(), config.GroupResource, transformer, config.LeaseManagerConfig, decoder, versioner)
	if err != nil {
		return nil, nil, err
	}
	if deleteCorrupt {
		return etcd3.NewStoreWithUnsafeCorruptObjectDeletion(store, config.GroupResource), store.Close, nil
	}
	return store, store.Close, nil
}

// compact starts the compactor of this etcd with the first store that asks for
// one. Without an interval there is none, and the nil is an untyped one.
func (c *connection) compact(interval time.Duration) etcd3.Compactor {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.compactor != nil {
		return c.compactor
	}
	if interval == 0 {
		return nil
	}
	c.compactor = etcd3.NewCompactor(c.client.Client, interval, clock.RealClock{}, nil)
	return c.compactor
}

func (c *connection) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.compactor != nil {
		c.compactor.Stop()
	}
	_ = c.client.Close()
}
