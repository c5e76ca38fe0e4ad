package partition

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Define makes Counts and Purge cover a resource that a workspace defines,
// although no store may have been made for it in this process. Each Define is
// taken back by one Undefine, after which the resource is covered until Forget.
func (g *Getter) Define(resource schema.GroupResource) error {
	return g.record(resource, (*ledger).define)
}

// Undefine says that one workspace less defines resource.
func (g *Getter) Undefine(resource schema.GroupResource) error {
	return g.record(resource, (*ledger).undefine)
}

// Known returns how many resources Counts and Purge cover.
func (g *Getter) Known() int {
	g.shared.mu.Lock()
	defer g.shared.mu.Unlock()
	return len(g.shared.known.entries)
}

// record tells the ledger something about where resource lies.
func (g *Getter) record(resource schema.GroupResource, what func(*ledger, *place)) error {
	p, err := g.placeOf(resource)
	if err != nil {
		return err
	}
	g.shared.mu.Lock()
	defer g.shared.mu.Unlock()
	what(&g.shared.known, p)
	return nil
}

func (g *Getter) placeOf(resource schema.GroupResource) (*place, error) {
	options, err := g.inner.GetRESTOptions(resource, nil)
	if err != nil {
		return nil, fmt.Errorf("getting storage options of %s: %w", resource, err)
	}
	layout, err := keyspace.NewLayout(g.prefix(options))
	if err != nil {
		return nil, err
	}
	config := options.StorageConfig
	return &place{resource: resource, layout: layout, root: config.Prefix, transport: config.Transport}, nil
}

// Forget ends the coverage of resources that nobody defines, no store is open
// for, and nothing is stored of. What it costs depends on how many nobody defines.
// It returns the workspaces in which something is stored of such a resource: one
// object of each resource is looked at.
func (g *Getter) Forget(ctx context.Context) ([]logicalcluster.Name, error) {
	g.shared.mu.Lock()
	candidates := g.shared.known.unused()
	g.shared.mu.Unlock()
	groups := map[string][]unused{}
	for _, u := range candidates {
		key := connectionKey(u.place.transport)
		groups[key] = append(groups[key], u)
	}
	filled := map[logicalcluster.Name]bool{}
	for _, group := range groups {
		if err := g.shared.forget(ctx, group, filled); err != nil {
			return nil, fmt.Errorf("looking for objects of resources that nobody defines: %w", err)
		}
	}
	var names []logicalcluster.Name
	for name := range filled {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// forget looks into candidates, all in the same etcd, forgets the empty ones and
// adds to filled who has something in the others.
func (s *shared) forget(ctx context.Context, candidates []unused, filled map[logicalcluster.Name]bool) error {
	conn, release, err := s.connect(candidates[0].place.transport)
	if err != nil {
		return err
	}
	defer release()
	for chunk := range slices.Chunk(candidates, opsPerTxn) {
		ops := make([]clientv3.Op, len(chunk))
		for i, u := range chunk {
			ops[i] = clientv3.OpGet(u.place.prefix(), clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithLimit(1))
		}
		response, err := conn.client.Txn(ctx).Then(ops...).Commit()
		if err != nil {
			return err
		}
		var empty []unused
		for i, u := range chunk {
			found := response.Responses[i].GetResponseRange().Kvs
			if len(found) == 0 {
				empty = append(empty, u)
			} else if name, ok := u.place.workspaceOf(string(found[0].Key)); ok {
				filled[name] = true
			}
		}
		s.mu.Lock()
		s.known.forget(empty)
		s.mu.Unlock()
	}
	return nil
}

// Find makes Counts and Purge cover what is stored of resources that nobody
// defines any more and no store was made for in this process. It is for the start
// of a process, after Define was called for what is defined, and costs one look
// for each resource and segment. Segments that are not this Getter's belong to the
// one that sibling returns, or to nobody when that is nil.
func (g *Getter) Find(ctx context.Context, sibling func(segment string) *Getter) error {
	anything, err := g.placeOf(schema.GroupResource{Group: "any.thing", Resource: "things"})
	if err != nil {
		return err
	}
	conn, release, err := g.shared.connect(anything.transport)
	if err != nil {
		return err
	}
	defer release()
	root := rootOf(anything.root)
	for next, end := root+"/", clientv3.GetPrefixRangeEnd(root+"/"); ; {
		response, err := conn.client.KV.Get(ctx, next, clientv3.WithRange(end), clientv3.WithKeysOnly(), clientv3.WithLimit(1))
		if err != nil {
			return fmt.Errorf("looking for what is stored: %w", err)
		}
		if len(response.Kvs) == 0 {
			return nil
		}
		resource, segment, below := storedResource(strings.TrimPrefix(string(response.Kvs[0].Key), root))
		if owner := g.ownerOf(segment, sibling); owner != nil {
			if err := owner.record(resource, func(l *ledger, p *place) { l.find(p) }); err != nil {
				return err
			}
			below += segment + "/"
		}
		next = clientv3.GetPrefixRangeEnd(root + below)
	}
}

// ownerOf returns the Getter that stores under a segment, or nil.
func (g *Getter) ownerOf(segment string, sibling func(string) *Getter) *Getter {
	switch {
	case segment == "":
		return nil
	case segment == g.config.Segment:
		return g
	case sibling == nil:
		return nil
	}
	return sibling(segment)
}

// storedResource returns which custom resource key, without the root, would be of,
// if its third part is the segment of one: "/<group>/<resource>/<segment>/…". All
// other keys of the resource, or of what else it is, begin with below. Groups of
// custom resources have a dot, and prefixes of native resources without a group in
// them have none.
func storedResource(key string) (resource schema.GroupResource, segment, below string) {
	parts := strings.SplitN(strings.TrimPrefix(key, "/"), "/", 4)
	if !strings.Contains(parts[0], ".") || len(parts) < 4 {
		return resource, "", "/" + parts[0] + "/"
	}
	return schema.GroupResource{Group: parts[0], Resource: parts[1]}, parts[2], path.Join("/", parts[0], parts[1]) + "/"
}

// prefix returns what all keys at p begin with, in etcd.
func (p *place) prefix() string { return rootOf(p.root) + p.layout.Prefix() }

// workspaceOf returns whose key, in etcd, is.
func (p *place) workspaceOf(key string) (logicalcluster.Name, bool) {
	name, _, ok := p.layout.Split(strings.TrimPrefix(key, rootOf(p.root)))
	return name, ok
}

// rootOf returns the prefix of all keys of a hub without a slash at the end.
func rootOf(prefix string) string { return strings.TrimSuffix(path.Join("/", prefix), "/") }
