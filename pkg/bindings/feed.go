package bindings

import (
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/lru"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// keptAPIs is how many APIs of exports are remembered, so that the next workspace
// that has one need not read its schema again.
const keptAPIs = 1024

// FeedConfig is what Feed translates between.
type FeedConfig struct {
	Bindings Source[*apisv1alpha2.APIBinding]
	// Schemas are those of all workspaces. The copies in system:bound-crds are
	// what is served.
	Schemas Source[*apisv1alpha1.APIResourceSchema]
	Resolve Resolve
	// Natives are the exports that stand for compiled-in registries, as
	// "root:compute:kubernetes". They have no schemas.
	Natives []string
	// Set is told all that the bindings of a workspace bring into it: APIs, and
	// the full names of the exports, as "root:compute:kubernetes". Calls do not
	// overlap.
	Set func(workspace logicalcluster.Name, apis []*schemas.API, exports []string)
}

// Feed calls config.Set whenever what a workspace has bound changes. Call it before
// the sources run, and before anybody listens to them who asks what Set is told.
//
// What is served follows from the status of bindings, which only the hub writes. A
// binding may be seen before the copy of its schema: the workspace is looked at
// again when that comes.
func Feed(config FeedConfig) {
	f := &feed{FeedConfig: config, made: lru.New(keptAPIs), waiting: map[string]map[logicalcluster.Name]bool{}}
	config.Bindings.OnChange(func(_, _ *apisv1alpha2.APIBinding, key logicalcluster.Key) { f.refresh(key.Workspace) })
	config.Schemas.OnChange(func(_, schema *apisv1alpha1.APIResourceSchema, key logicalcluster.Key) {
		if schema != nil && key.Workspace == logicalcluster.SystemBoundCRDs {
			f.arrived(key.Name)
		}
	})
}

type feed struct {
	FeedConfig

	mu   sync.Mutex // held while a workspace is looked at, so that the last look wins
	made *lru.Cache // made → *schemas.API
	// waiting are the workspaces that have bound a schema whose copy is not there,
	// by its name.
	waiting map[string]map[logicalcluster.Name]bool
}

func (f *feed) refresh(workspace logicalcluster.Name) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.look(workspace)
}

func (f *feed) arrived(copyName string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	workspaces := f.waiting[copyName]
	delete(f.waiting, copyName)
	for workspace := range workspaces {
		f.look(workspace)
	}
}

// look tells what workspace has bound. f.mu is held.
func (f *feed) look(workspace logicalcluster.Name) {
	f.waitNoMore(workspace)
	var apis []*schemas.API
	var exports []string
	for _, binding := range f.Bindings.In(workspace) {
		export := Bound(binding, f.Resolve)
		if export == "" {
			continue
		}
		exports = append(exports, export)
		if slices.Contains(f.Natives, export) {
			continue
		}
		for i := range binding.Status.BoundResources {
			bound := boundAPI{
				export: export, provider: providerOf(binding, i), schema: copyOf(&binding.Status.BoundResources[i]),
				stored: strings.Join(binding.Status.BoundResources[i].StorageVersions, ","),
				ending: binding.DeletionTimestamp != nil,
			}
			if api := f.api(workspace, bound); api != nil {
				apis = append(apis, api)
			}
		}
	}
	f.Set(workspace, apis, exports)
}

// boundAPI identifies an API that a binding brings.
type boundAPI struct {
	export   string
	provider schemas.Provider
	schema   string // the name of the copy
	// stored are the versions that objects may be stored in, joined by commas.
	stored string
	// ending says that the binding is being deleted: nothing new can be made, or
	// its objects would never be gone.
	ending bool
}

func providerOf(binding *apisv1alpha2.APIBinding, i int) schemas.Provider {
	bound := &binding.Status.BoundResources[i]
	provider := schemas.Provider{
		Workspace: logicalcluster.Name(binding.Status.APIExportClusterName), Export: binding.Spec.Reference.Export.Name,
		Identity: bound.Schema.IdentityHash,
	}
	if bound.Virtual != nil {
		provider.Virtual = schemas.Virtual{Slice: bound.Virtual.Slice, Identity: bound.Virtual.IdentityHash}
	}
	return provider
}

func copyOf(bound *apisv1alpha2.BoundAPIResource) string {
	return schemas.CopyName(types.UID(bound.Schema.UID), bound.Resource, bound.Group)
}

// api returns the API of bound, or nil until the copy of its schema comes.
func (f *feed) api(workspace logicalcluster.Name, bound boundAPI) *schemas.API {
	if api, ok := f.made.Get(bound); ok {
		return api.(*schemas.API)
	}
	schema, found := f.Schemas.Get(logicalcluster.Key{Workspace: logicalcluster.SystemBoundCRDs, Name: bound.schema})
	if !found {
		f.wait(bound.schema, workspace)
		return nil
	}
	api, err := catalog.Exported{
		Schema: schema, Kept: schema, Stored: strings.Split(bound.stored, ","), Ending: bound.ending,
		Provider: bound.provider, Export: bound.export,
	}.API()
	if err != nil {
		klog.ErrorS(err, "A bound schema cannot be read", "export", bound.export)
		return nil
	}
	f.made.Add(bound, api)
	return api
}

func (f *feed) wait(copyName string, workspace logicalcluster.Name) {
	if f.waiting[copyName] == nil {
		f.waiting[copyName] = map[logicalcluster.Name]bool{}
	}
	f.waiting[copyName][workspace] = true
}

func (f *feed) waitNoMore(workspace logicalcluster.Name) {
	for copyName, workspaces := range f.waiting {
		delete(workspaces, workspace)
		if len(workspaces) == 0 {
			delete(f.waiting, copyName)
		}
	}
}
