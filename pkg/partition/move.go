package partition

import (
	"context"
	"errors"
	"fmt"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// ErrOccupied says that an object cannot be moved because there is one of its name
// where it would go.
var ErrOccupied = errors.New("there is an object of that name already")

// movePage is how many objects are read ahead of their move. They are read whole.
const movePage = 50

// Move takes all objects that workspace has of resource from where g stores them to
// where to does, as they are. Each moves in a transaction of its own, so at every
// moment it is in one of the two places, and who watches there misses none. It
// returns how many it moved, also with an error. What is written meanwhile, and what
// is more than limit, it may leave to the next Move.
func (g *Getter) Move(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupResource, to *Getter, limit int) (moved int, err error) {
	from, err := g.placeOf(resource)
	if err != nil {
		return 0, err
	}
	there, err := to.placeOf(resource)
	if err != nil {
		return 0, err
	}
	// From now on the deletion of the workspace covers both.
	if err := to.record(resource, func(l *ledger, p *place) { l.find(p) }); err != nil {
		return 0, err
	}
	conn, release, err := g.shared.connect(from.transport)
	if err != nil {
		return 0, err
	}
	defer release()
	for next := from.key(workspace); ; {
		page, err := conn.client.KV.Get(ctx, next, clientv3.WithRange(clientv3.GetPrefixRangeEnd(from.key(workspace))), clientv3.WithLimit(movePage))
		if err != nil {
			return moved, fmt.Errorf("moving %s of workspace %s: %w", resource, workspace, err)
		}
		for _, kv := range page.Kvs {
			name := strings.TrimPrefix(string(kv.Key), from.key(workspace))
			done, err := moveKey(ctx, conn, string(kv.Key), there.key(workspace)+name, kv.Value, kv.ModRevision)
			if err != nil {
				return moved, fmt.Errorf("moving %s %q of workspace %s: %w", resource, name, workspace, err)
			}
			if done {
				moved++
			}
			next = string(kv.Key) + "\x00"
		}
		if !page.More || moved >= limit {
			return moved, nil
		}
	}
}

// moveKey moves one object, unless it has changed since it was read.
func moveKey(ctx context.Context, conn *connection, from, to string, value []byte, revision int64) (bool, error) {
	free := clientv3.Compare(clientv3.CreateRevision(to), "=", 0)
	response, err := conn.client.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(from), "=", revision), free).
		Then(clientv3.OpPut(to, string(value)), clientv3.OpDelete(from)).
		Else(clientv3.OpGet(to, clientv3.WithKeysOnly())).
		Commit()
	if err != nil {
		return false, err
	}
	if !response.Succeeded && len(response.Responses[0].GetResponseRange().Kvs) > 0 {
		return false, ErrOccupied
	}
	return response.Succeeded, nil
}
