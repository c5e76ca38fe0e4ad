package views

import (
	"context"
	"fmt"
	"regexp"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// SyncerKind is the segment after /services/ and the Kind of target.View.
const SyncerKind = "syncer"

const syncerShape = "/services/syncer/<workspace ID>/<sync target>/<UID>/clusters/<workspace ID or *>/..., as in status.virtualWorkspaces of the SyncTarget"

var uidExp = regexp.MustCompile(`^[-0-9a-zA-Z]{1,64}$`)

// Resolve reads a (percent-decoded) URL path that starts with /services/syncer/.
// The returned path is the one that an ordinary cluster would be asked for. It
// looks nothing up: whether the SyncTarget exists is a question of Authorize.
func (s *Syncer) Resolve(_ context.Context, path string) (target.Target, keyspace.Scope, string, error) {
	refuse := func(what, got string) (target.Target, keyspace.Scope, string, error) {
		return target.Target{}, keyspace.Scope{}, "", fmt.Errorf("%w: %s %q; expected %s", ErrMalformed, what, target.Shorten(got), syncerShape)
	}
	segments, of, inner, ok := split(path, SyncerKind, 3)
	if !ok {
		return refuse("path", path)
	}
	owner, name, uid, workspace := logicalcluster.Name(segments[0]), segments[1], segments[2], logicalcluster.Name(of)
	switch {
	case !owner.IsValid():
		return refuse("workspace of the sync target", segments[0])
	case len(validation.IsDNS1123Subdomain(name)) > 0:
		return refuse("sync target", name)
	case !uidExp.MatchString(uid):
		return refuse("UID", uid)
	case workspace != logicalcluster.Wildcard && !workspace.IsValid():
		return refuse("workspace", of)
	case isNested(inner):
		return refuse("nested path", inner)
	}
	key := workloadv1alpha1.ToSyncTargetKey(owner, name)
	t := target.Target{
		Path:     workspace.Path(),
		Identity: owner,
		View:     &target.View{Kind: SyncerKind, Target: name, UID: uid, Key: key},
	}
	return t, scopeOf(workspace, key), inner, nil
}

// scopeOf is what the agent with key may see.
func scopeOf(workspace logicalcluster.Name, key string) keyspace.Scope {
	scope := keyspace.Everywhere()
	if workspace != logicalcluster.Wildcard {
		scope = keyspace.In(workspace)
	}
	return scope.Selecting(labels.SelectorFromSet(labels.Set{
		workloadv1alpha1.StateLabel(key): string(workloadv1alpha1.ResourceStateSync),
	}))
}
