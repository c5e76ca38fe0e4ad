package partition

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Stored says of an object how it lies in etcd.
type Stored struct {
	// Place is its key below the workspace.
	Place string
	// APIVersion is the one it was written in, as "example.io/v1"; empty when what
	// lies there is no object.
	APIVersion string
	// Namespace is empty for objects of the cluster.
	Namespace, Name string
}

// Stored returns up to limit objects that workspace has of a resource in what this
// Getter stores, in order, those after a Place or all. There are no more when it
// returns fewer. Nothing is converted; they are read whole.
func (g *Getter) Stored(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupResource, after string, limit int) ([]Stored, error) {
	own, err := g.placeOf(resource)
	if err != nil {
		return nil, err
	}
	conn, release, err := g.shared.connect(own.transport)
	if err != nil {
		return nil, err
	}
	defer release()
	home := own.key(workspace)
	from := home + after
	if after != "" {
		from += "\x00"
	}
	page, err := conn.client.KV.Get(ctx, from, clientv3.WithRange(clientv3.GetPrefixRangeEnd(home)), clientv3.WithLimit(int64(limit)))
	if err != nil {
		return nil, fmt.Errorf("looking at the stored %s of workspace %s: %w", resource, workspace, err)
	}
	out := make([]Stored, 0, len(page.Kvs))
	for _, kv := range page.Kvs {
		out = append(out, storedAs(strings.TrimPrefix(string(kv.Key), home), kv.Value))
	}
	return out, nil
}

// storedAs reads the little that matters. The name comes from the key, which is
// right whatever lies there.
func storedAs(place string, value []byte) Stored {
	var object struct {
		APIVersion string `json:"apiVersion"`
	}
	_ = json.Unmarshal(value, &object)
	namespace, name, namespaced := strings.Cut(place, "/")
	if !namespaced {
		namespace, name = "", namespace
	}
	return Stored{Place: place, APIVersion: object.APIVersion, Namespace: namespace, Name: name}
}
