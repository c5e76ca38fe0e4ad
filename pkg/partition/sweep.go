package partition

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// opsPerTxn is how many operations etcd takes in one transaction.
	opsPerTxn = 128
	// purgePage is how many keys are read ahead of their deletion.
	purgePage = 500
	// purgeWorkers delete at the same time; etcd writes what comes together
	// with one fsync.
	purgeWorkers = 16
)

// Note makes Counts and Purge cover a resource that no store was made for in
// this process, such as custom resources nobody has asked for since a restart.
func (g *Getter) Note(resource schema.GroupResource) error {
	options, err := g.inner.GetRESTOptions(resource, nil)
	if err != nil {
		return fmt.Errorf("getting storage options of %s: %w", resource, err)
	}
	layout, err := keyspace.NewLayout(g.prefix(options))
	if err != nil {
		return err
	}
	config := options.StorageConfig
	g.shared.note(&place{resource: resource, layout: layout, root: config.Prefix, transport: config.Transport})
	return nil
}

// Counts returns how many objects workspace has of each known resource, those
// without any left out. Objects in one etcd are counted at one revision,
// whatever is written meanwhile.
func (g *Getter) Counts(ctx context.Context, workspace logicalcluster.Name) (map[schema.GroupResource]int64, error) {
	counts := map[schema.GroupResource]int64{}
	for _, places := range g.shared.byConnection(nil) {
		if err := g.shared.count(ctx, workspace, places, counts); err != nil {
			return nil, fmt.Errorf("counting objects of workspace %s: %w", workspace, err)
		}
	}
	return counts, nil
}

// Purge deletes all objects of one resource in workspace from etcd, without
// admission, finalizers or preconditions. Each deletion is a revision of its
// own: a watcher that resumes in the middle misses none (P9).
func (g *Getter) Purge(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupResource) error {
	wanted := func(p *place) bool { return p.resource == resource }
	for _, places := range g.shared.byConnection(wanted) {
		for _, p := range places {
			if err := g.shared.purge(ctx, workspace, p); err != nil {
				return fmt.Errorf("purging %s of workspace %s: %w", resource, workspace, err)
			}
		}
	}
	return nil
}

// key returns the prefix, in etcd, of everything workspace has at p.
func (p *place) key(workspace logicalcluster.Name) string {
	root := path.Join("/", p.root)
	return strings.TrimSuffix(root, "/") + p.layout.Workspace(workspace)
}

// byConnection returns the known places for which wanted is true, or all, in
// one slice per etcd and in a stable order.
func (s *shared) byConnection(wanted func(*place) bool) [][]*place {
	s.mu.Lock()
	defer s.mu.Unlock()
	groups := map[string][]*place{}
	for _, byPrefix := range s.resources {
		for _, p := range byPrefix {
			if wanted == nil || wanted(p) {
				key := connectionKey(p.transport)
				groups[key] = append(groups[key], p)
			}
		}
	}
	var out [][]*place
	for _, group := range groups {
		slices.SortFunc(group, func(a, b *place) int {
			return strings.Compare(a.layout.Prefix(), b.layout.Prefix())
		})
		out = append(out, group)
	}
	return out
}

// count adds to counts what workspace has at places, all in the same etcd.
func (s *shared) count(ctx context.Context, workspace logicalcluster.Name, places []*place, counts map[schema.GroupResource]int64) error {
	conn, release, err := s.connect(places[0].transport)
	if err != nil {
		return err
	}
	defer release()
	var revision int64 // 0 for the newest, until the first answer fixes it
	for chunk := range slices.Chunk(places, opsPerTxn) {
		response, err := conn.client.Txn(ctx).Then(countOps(workspace, chunk, revision)...).Commit()
		if err != nil {
			return err
		}
		if revision == 0 {
			revision = response.Header.Revision
		}
		for i, p := range chunk {
			if n := response.Responses[i].GetResponseRange().Count; n > 0 {
				counts[p.resource] += n
			}
		}
	}
	return nil
}

func countOps(workspace logicalcluster.Name, places []*place, revision int64) []clientv3.Op {
	ops := make([]clientv3.Op, len(places))
	for i, p := range places {
		ops[i] = clientv3.OpGet(p.key(workspace), clientv3.WithPrefix(), clientv3.WithCountOnly(), clientv3.WithRev(revision))
	}
	return ops
}

// purge deletes page by page until a page comes back empty.
func (s *shared) purge(ctx context.Context, workspace logicalcluster.Name, p *place) error {
	conn, release, err := s.connect(p.transport)
	if err != nil {
		return err
	}
	defer release()
	for {
		page, err := conn.client.KV.Get(ctx, p.key(workspace), clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithLimit(purgePage))
		if err != nil {
			return err
		}
		if len(page.Kvs) == 0 {
			return nil
		}
		deleting, ctx := errgroup.WithContext(ctx)
		deleting.SetLimit(purgeWorkers)
		for _, kv := range page.Kvs {
			deleting.Go(func() error {
				_, err := conn.client.KV.Delete(ctx, string(kv.Key))
				return err
			})
		}
		if err := deleting.Wait(); err != nil {
			return err
		}
	}
}
