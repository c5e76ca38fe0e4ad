package views

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"

	"github.com/atriumhub/atrium/pkg/roster"
	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// keptShelves is of how many workspaces it is remembered since when they have what
// they have. Whoever watches one that is not is sent back to listing.
const keptShelves = 1024

// shelf knows the schemas that workspaces have bound, as they are called where they
// come from, and since when that has been so.
type shelf struct {
	ask SchemasConfig
	// watching are those who want to be told of changes in a workspace.
	watching roster.Roster[logicalcluster.Name, *poke]
	// waiting are the same, all of them, for changes of copies.
	waiting roster.Roster[string, *poke]

	mu    sync.Mutex
	clock uint64
	since *lru.Cache // logicalcluster.Name → stand
}

// stand is what a workspace had when somebody last looked, and since when.
type stand struct {
	print string
	since uint64
}

// poke wakes one who watches.
type poke struct{ c chan struct{} }

func newShelf(ask SchemasConfig) *shelf {
	return &shelf{ask: ask, clock: ask.Start, since: lru.New(keptShelves)}
}

// changed tells those who watch a workspace that it may have changed; "" is all.
func (s *shelf) changed(workspace logicalcluster.Name) {
	wake := func(p *poke) {
		select {
		case p.c <- struct{}{}:
		default: // it will look anyway
		}
	}
	if workspace == "" {
		s.waiting.Each("", wake)
		return
	}
	s.watching.Each(workspace, wake)
}

// watch returns what to wait on for changes.
func (s *shelf) watch(workspace logicalcluster.Name) (<-chan struct{}, func()) {
	p := &poke{make(chan struct{}, 1)}
	leave, stop := s.watching.Enter(workspace, p), s.waiting.Enter("", p)
	return p.c, func() { leave(); stop() }
}

// look returns the schemas behind the bindings of a workspace, and the version of
// this state, and of the first one that was the same.
func (s *shelf) look(workspace logicalcluster.Name) (found []*apisv1alpha1.APIResourceSchema, version, since uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found = s.bound(workspace)
	print := printOf(found)
	last, ok := s.since.Get(workspace)
	now, _ := last.(stand)
	if !ok || now.print != print {
		s.clock++
		now = stand{print, s.clock}
		s.since.Add(workspace, now)
	}
	for _, one := range found {
		one.ResourceVersion = strconv.FormatUint(now.since, 10)
	}
	return found, s.clock, now.since
}

// bound returns the schemas behind the bindings of a workspace, in an order that
// does not change.
func (s *shelf) bound(workspace logicalcluster.Name) []*apisv1alpha1.APIResourceSchema {
	var found []*apisv1alpha1.APIResourceSchema
	for _, binding := range s.ask.Bindings.In(workspace) {
		for i := range binding.Status.BoundResources {
			if binding.Status.Phase != apisv1alpha2.APIBindingPhaseBound {
				continue
			}
			if one := s.original(binding, &binding.Status.BoundResources[i]); one != nil {
				found = append(found, one)
			}
		}
	}
	slices.SortFunc(found, func(a, b *apisv1alpha1.APIResourceSchema) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
	})
	return slices.CompactFunc(found, func(a, b *apisv1alpha1.APIResourceSchema) bool { return a.UID == b.UID })
}

// original returns the schema of a bound resource as its owner knows it, made of
// the copy that is kept of it; nil while there is none.
func (s *shelf) original(binding *apisv1alpha2.APIBinding, bound *apisv1alpha2.BoundAPIResource) *apisv1alpha1.APIResourceSchema {
	uid := types.UID(bound.Schema.UID)
	kept, ok := s.ask.Schemas.Get(logicalcluster.Key{Workspace: logicalcluster.SystemBoundCRDs, Name: schemas.CopyName(uid, bound.Resource, bound.Group)})
	if !ok {
		return nil
	}
	one := *kept
	one.Name, one.UID, one.ManagedFields, one.OwnerReferences = bound.Schema.Name, uid, nil, nil
	one.Annotations = map[string]string{logicalcluster.AnnotationKey: binding.Status.APIExportClusterName}
	for key, value := range kept.Annotations {
		if !strings.HasPrefix(key, "apis.kcp.io/") && !strings.HasPrefix(key, apisv1alpha2.UnboundedAnnotationPrefix) && key != logicalcluster.AnnotationKey {
			one.Annotations[key] = value
		}
	}
	return &one
}

// printOf is equal for equal states.
func printOf(all []*apisv1alpha1.APIResourceSchema) string {
	var print strings.Builder
	for _, one := range all {
		print.WriteString(string(one.UID) + " ")
	}
	return print.String()
}
