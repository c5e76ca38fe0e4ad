package partition

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/etcd3/metrics"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/value"
	"k8s.io/apiserver/pkg/storage/value/encrypt/identity"
)

// Creation is an object to be created, where, and under which key.
type Creation struct {
	// Store is storage that Open returned.
	Store storage.Interface
	// Key is that of the registry, as for Store.Create.
	Key string
	// Object is written as it is, but for the stamp.
	Object runtime.Object
}

// severalResources stands for the resource in metrics of a transaction that
// writes more than one.
var severalResources = schema.GroupResource{Resource: "several"}

var (
	errOneResource = errors.New("two objects of one resource in one transaction: who resumes a watch between them would miss the second")
	errNotOpened   = errors.New("not storage that Open returned")
	errTwoEtcds    = errors.New("objects in different etcds cannot be created in one transaction")
)

// CreateMissing creates those of the objects that do not exist yet, in one
// transaction: nobody sees some of them without the others. It reports for each
// whether it existed; what exists stays as it is (P10).
//
// All events of a transaction have one resource version, so each object must be
// of another resource.
func CreateMissing(ctx context.Context, creations ...Creation) (existed []bool, err error) {
	puts := make([]put, len(creations))
	for i, c := range creations {
		if puts[i], err = prepare(ctx, c); err != nil {
			return nil, fmt.Errorf("preparing to create %q: %w", c.Key, err)
		}
	}
	if err := transactable(puts); err != nil {
		return nil, err
	}
	missing := puts
	for len(missing) > 0 {
		found, err := tryCreate(ctx, missing)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			break
		}
		missing = without(missing, found) // fewer each time
	}
	return existence(puts, missing), nil
}

// put is an encoded object and its key in etcd.
type put struct {
	key, value string
	at         *destination
}

// destination is what writing to one resource takes besides its store.
type destination struct {
	conn        *connection
	codec       runtime.Codec
	transformer value.Transformer
	versioner   storage.Versioner
	root        string // prefix of all keys of the hub, such as "/registry"
	resource    schema.GroupResource
}

func newDestination(conn *connection, config *storagebackend.ConfigForResource, resource schema.GroupResource) *destination {
	d := &destination{
		conn: conn, codec: config.Codec, transformer: config.Transformer, versioner: storage.APIObjectVersioner{},
		root: strings.TrimSuffix(path.Join("/", config.Prefix), "/"), resource: resource,
	}
	if d.transformer == nil {
		d.transformer = identity.NewEncryptCheckTransformer()
	}
	return d
}

// prepare does what Create of both the partitioned and the etcd3 store do
// before the object goes to etcd.
func prepare(ctx context.Context, c Creation) (put, error) {
	s, ok := c.Store.(*store)
	if !ok || s.direct == nil {
		return put{}, errNotOpened
	}
	key, err := s.creatable(ctx, c.Key, c.Object)
	if err != nil {
		return put{}, err
	}
	key = s.direct.root + key
	encoded, err := s.direct.encode(ctx, key, c.Object)
	return put{key: key, value: encoded, at: s.direct}, err
}

// encode returns what etcd stores of obj under key.
func (d *destination) encode(ctx context.Context, key string, obj runtime.Object) (string, error) {
	if version, err := d.versioner.ObjectResourceVersion(obj); err == nil && version != 0 {
		return "", storage.ErrResourceVersionSetOnCreate
	}
	if err := d.versioner.PrepareObjectForStorage(obj); err != nil {
		return "", fmt.Errorf("preparing the object for storage: %w", err)
	}
	data, err := runtime.Encode(d.codec, obj)
	if err != nil {
		return "", err
	}
	data, err = d.transformer.TransformToStorage(ctx, data, value.DefaultContext(key))
	if err != nil {
		return "", storage.NewInternalError(err)
	}
	return string(data), nil
}

// transactable refuses what cannot, or must not, go into one transaction.
func transactable(puts []put) error {
	seen := map[schema.GroupResource]bool{}
	for _, p := range puts {
		if seen[p.at.resource] {
			return fmt.Errorf("%w (%s)", errOneResource, p.at.resource)
		}
		seen[p.at.resource] = true
		if p.at.conn != puts[0].at.conn {
			return errTwoEtcds
		}
	}
	return nil
}

// tryCreate writes all of puts if none of their keys exists. Otherwise it writes
// nothing and returns the keys that do.
func tryCreate(ctx context.Context, puts []put) (found map[string]bool, err error) {
	var absent []clientv3.Cmp
	var writes, looks []clientv3.Op
	for _, p := range puts {
		absent = append(absent, clientv3.Compare(clientv3.ModRevision(p.key), "=", 0))
		writes = append(writes, clientv3.OpPut(p.key, p.value))
		looks = append(looks, clientv3.OpGet(p.key, clientv3.WithKeysOnly()))
	}
	began := time.Now()
	response, err := puts[0].at.conn.client.Txn(ctx).If(absent...).Then(writes...).Else(looks...).Commit()
	metrics.RecordEtcdRequest("create", severalResources, err, began)
	if err != nil || response.Succeeded {
		return nil, err
	}
	found = map[string]bool{}
	for _, look := range response.Responses {
		for _, kv := range look.GetResponseRange().Kvs {
			found[string(kv.Key)] = true
		}
	}
	return found, nil
}

func without(puts []put, found map[string]bool) []put {
	var missing []put
	for _, p := range puts {
		if !found[p.key] {
			missing = append(missing, p)
		}
	}
	return missing
}

// existence reports which of puts are not among those that were created.
func existence(puts, created []put) []bool {
	isNew := map[string]bool{}
	for _, p := range created {
		isNew[p.key] = true
	}
	existed := make([]bool, len(puts))
	for i, p := range puts {
		existed[i] = !isNew[p.key]
	}
	return existed
}
