package partition

import (
	"context"
	"fmt"
	"slices"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"k8s.io/apimachinery/pkg/runtime/schema"

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

// Note makes Counts and Purge cover a resource for good that no store was made
// for in this process. See Define for those that tenants name.
func (g *Getter) Note(resource schema.GroupResource) error {
	return g.record(resource, (*ledger).pin)
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

// Purge deletes all objects of some resources in workspace from etcd, without
// admission, finalizers or preconditions. A transaction deletes at most one
// object of each resource, so that all deletions of a resource have revisions of
// their own: a watcher that resumes in the middle misses none (P9).
func (g *Getter) Purge(ctx context.Context, workspace logicalcluster.Name, resources ...schema.GroupResource) error {
	wanted := func(p *place) bool { return slices.Contains(resources, p.resource) }
	for _, places := range g.shared.byConnection(wanted) {
		if err := g.shared.purge(ctx, workspace, places); err != nil {
			return fmt.Errorf("purging %s of workspace %s: %w", names(resources), workspace, err)
		}
	}
	return nil
}

// PurgeOwn is Purge for what this Getter stores, and leaves alone what others
// store of the same resource, such as objects of another identity.
func (g *Getter) PurgeOwn(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupResource) error {
	own, err := g.placeOf(resource)
	if err != nil {
		return err
	}
	if err := g.shared.purge(ctx, workspace, []*place{own}); err != nil {
		return fmt.Errorf("purging %s of workspace %s: %w", resource, workspace, err)
	}
	return nil
}

// CountOwn returns how many objects of a resource workspace has in what this Getter
// stores. Nothing is read of them.
func (g *Getter) CountOwn(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupResource) (int64, error) {
	own, err := g.placeOf(resource)
	if err != nil {
		return 0, err
	}
	counts := map[schema.GroupResource]int64{}
	if err := g.shared.count(ctx, workspace, []*place{own}, counts); err != nil {
		return 0, fmt.Errorf("counting %s of workspace %s: %w", resource, workspace, err)
	}
	return counts[resource], nil
}

func names(resources []schema.GroupResource) string {
	words := make([]string, len(resources))
	for i, resource := range resources {
		words[i] = resource.String()
	}
	return strings.Join(words, ", ")
}

// key returns the prefix, in etcd, of everything workspace has at p.
func (p *place) key(workspace logicalcluster.Name) string {
	return rootOf(p.root) + p.layout.Workspace(workspace)
}

// byConnection returns the known places for which wanted is true, or all, in
// one slice per etcd and in a stable order.
func (s *shared) byConnection(wanted func(*place) bool) [][]*place {
	s.mu.Lock()
	defer s.mu.Unlock()
	groups := map[string][]*place{}
	for _, e := range s.known.entries {
		if wanted == nil || wanted(e.place) {
			key := connectionKey(e.place.transport)
			groups[key] = append(groups[key], e.place)
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

// purge deletes page by page until all pages come back empty.
func (s *shared) purge(ctx context.Context, workspace logicalcluster.Name, places []*place) error {
	conn, release, err := s.connect(places[0].transport)
	if err != nil {
		return err
	}
	defer release()
	for chunk := range slices.Chunk(places, opsPerTxn) {
		for {
			pages, err := keysAt(ctx, conn, workspace, chunk)
			if err != nil {
				return err
			}
			if len(pages) == 0 {
				break
			}
			if err := deleteKeys(ctx, conn, pages); err != nil {
				return err
			}
		}
	}
	return nil
}

// keysAt returns some of the keys that workspace has at each of places, those
// without any left out.
func keysAt(ctx context.Context, conn *connection, workspace logicalcluster.Name, places []*place) ([][]string, error) {
	ops := make([]clientv3.Op, len(places))
	for i, p := range places {
		ops[i] = clientv3.OpGet(p.key(workspace), clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithLimit(purgePage))
	}
	response, err := conn.client.Txn(ctx).Then(ops...).Commit()
	if err != nil {
		return nil, err
	}
	var pages [][]string
	for _, one := range response.Responses {
		var keys []string
		for _, kv := range one.GetResponseRange().Kvs {
			keys = append(keys, string(kv.Key))
		}
		if len(keys) > 0 {
			pages = append(pages, keys)
		}
	}
	return pages, nil
}

// deleteKeys deletes the first key of each page in one transaction, the second
// of each in another, and so on.
func deleteKeys(ctx context.Context, conn *connection, pages [][]string) error {
	deleting, ctx := errgroup.WithContext(ctx)
	deleting.SetLimit(purgeWorkers)
	for i := 0; ; i++ {
		var ops []clientv3.Op
		for _, keys := range pages {
			if i < len(keys) {
				ops = append(ops, clientv3.OpDelete(keys[i]))
			}
		}
		if len(ops) == 0 {
			return deleting.Wait()
		}
		deleting.Go(func() error {
			_, err := conn.client.Txn(ctx).Then(ops...).Commit()
			return err
		})
	}
}
