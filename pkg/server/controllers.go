package server

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"

	hubadmission "github.com/atriumhub/atrium/pkg/admission"
	"github.com/atriumhub/atrium/pkg/admission/policies"
	"github.com/atriumhub/atrium/pkg/bindings"
	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/nativeapis"
	"github.com/atriumhub/atrium/pkg/scheduling"
	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/pkg/upkeep/bootstrap"
	"github.com/atriumhub/atrium/pkg/upkeep/crds"
	"github.com/atriumhub/atrium/pkg/upkeep/namespaces"
	"github.com/atriumhub/atrium/pkg/upkeep/serviceaccounts"
	"github.com/atriumhub/atrium/pkg/upkeep/storagemigrations"
	"github.com/atriumhub/atrium/pkg/upkeep/tokensecrets"
	"github.com/atriumhub/atrium/pkg/workspaces"
	"github.com/atriumhub/atrium/pkg/workspaces/defaults"
	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	"github.com/atriumhub/atrium/pkg/workspaces/types"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// rewritesPerSecond is how many objects are rewritten in a second to have them in
// another version, of all workspaces together: a fraction of what the hub can write,
// and what whoever watches them gets as events besides.
const rewritesPerSecond = 50

// buildControllers lists the control loops.
func (h *Hub) buildControllers() error {
	m := h.models
	publisher, err := h.buildPublisher()
	if err != nil {
		return err
	}
	lifecycle, err := workspaces.New(workspaces.Config{
		Hub: h.hubClient, Workspaces: m.workspaces, LogicalClusters: m.logicalClusters, WorkspaceTypes: m.workspaceTypes,
		ClusterRoleBindings: m.clusterRoleBindings,
		Directory:           h.directory, Natives: h.stores.natives, CustomResources: h.stores.customResources, Resources: h.served,
		Watched:   h.lasting.Any,
		Forget:    []func(logicalcluster.Name){h.catalog.Drop, h.endGone},
		Published: publisher.Awaited,
		BaseURL:   h.baseURL, RootCA: h.authority.PEM(),
	})
	if err != nil {
		return fmt.Errorf("failed to make the workspace lifecycle: %w", err)
	}
	rewrites := rate.NewLimiter(rewritesPerSecond, rewritesPerSecond)
	bound, err := bindings.New(bindings.Config{
		HubClient: h.hubClient, CustomResources: h.stores.customResources, HubURL: h.baseURL, APIBindings: m.bindings, APIExports: m.exports,
		Cached: m.cached, CachedSlices: m.cachedSlices, Publisher: h.windows.publisher, Count: h.countWindow,
		Schemas: m.schemas, CustomResourceDefinitions: m.definitions, Builtin: h.catalog.Builtin,
		Secrets: m.secrets, EndpointSlices: m.endpointSlices, Conversions: m.conversions, Reach: h.reach, PurgeStored: h.purgeBound, Move: h.adopt,
		Rollouts: m.rollouts, Workspaces: m.workspaces, Labels: h.labelsOf, CountStored: h.countBound, Forecast: &h.forecast,
		Migration: h.migration(rewrites),
		Resolve:   h.resolveExport, Natives: nativeExports(), Everywhere: exportsServedEverywhere(),
		Permissions: h.permissions(), OnServed: h.catalog.OnRebound,
	})
	if err != nil {
		return fmt.Errorf("failed to make the loops of bindings: %w", err)
	}
	definitions := crds.New(crds.Config{Hub: h.hubClient, Definitions: m.definitions, Catalog: h.catalog, Purge: h.stores.customResources.Purge})
	h.controllers = slices.Concat(
		lifecycle.Loops(),
		publisher.Loops(),
		[]loop.Controller{
			h.mountLoop(),
			h.policies,
			forgetting{known: h.stores.customResources, late: lifecycle.LookForStragglers},
			types.New(types.Config{Hub: h.hubClient, Types: m.workspaceTypes, Lookup: h.directory.Types(m.workspaceTypes), BaseURL: h.baseURL}),
			defaults.New(defaults.Config{
				Hub: h.hubClient, LogicalClusters: m.logicalClusters, WorkspaceTypes: m.workspaceTypes,
				APIBindings: m.bindings, APIExports: m.exports, Directory: h.directory,
			}),
			definitions,
			namespaces.New(namespaces.Config{Hub: h.hubClient, Namespaces: m.namespaces, Resources: h.served}),
			serviceaccounts.New(serviceaccounts.Config{
				Hub: h.hubClient, Namespaces: m.namespaces, ServiceAccounts: m.serviceAccounts, ConfigMaps: m.configMaps,
				Directory: h.directory, RootCA: h.authority.PEM(),
			}),
			storagemigrations.New(h.storageMigrations(rewrites)),
			tokensecrets.New(tokensecrets.Config{Hub: h.hubClient, Secrets: m.secrets, ServiceAccounts: m.serviceAccounts}),
		},
		bound,
		scheduling.New(scheduling.Config{
			HubClient: h.hubClient, HubURL: h.baseURL,
			SyncTargets: m.syncTargets, Locations: m.locations, Placements: m.placements,
			APIBindings: m.bindings, APIExports: m.exports, Namespaces: m.namespaces, Objects: m.placeable,
			Resolve: h.resolve, PathOf: h.pathOf,
			HeartbeatThreshold: h.options.HeartbeatThreshold, Grace: h.options.EvictionGrace,
		}),
	)
	return nil
}

// admission lists what judges writes, in order.
func (h *Hub) admission(parts viewParts) admission.Interface {
	stored := func(ctx context.Context, workspace logicalcluster.Name, name string) (*corev1.Namespace, error) {
		return h.hubClient.Kubernetes(workspace.Path()).CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	}
	first, last := h.claimAdmission()
	return hubadmission.Chain(slices.Concat(
		[]hubadmission.Named{
			// First, so that the hub's own judge what it makes.
			{Name: "AtriumMutatingPolicies", Plugin: h.policies.Mutating()},
			first,
			{Name: "AtriumNamespaces", Plugin: hubadmission.NewNamespaces(h.models.namespaces.Get, stored)},
			{Name: "AtriumReserved", Plugin: hubadmission.NewReserved()},
			{Name: "AtriumTenancy", Plugin: hubadmission.NewTenancy(h.directory, h.directory.Types(h.models.workspaceTypes), h.rbac, h.requiredGroups, h.typeID, h.baseURL)},
			{Name: "AtriumTypes", Plugin: hubadmission.NewTypes(h.directory, h.directory.Types(h.models.workspaceTypes), h.rbac)},
			{Name: "AtriumDepth", Plugin: hubadmission.NewDepth()},
			{Name: "AtriumStatus", Plugin: hubadmission.NewStatus()},
			{Name: "AtriumDefinitions", Plugin: hubadmission.NewDefinitions(h.egress.Check)},
			{Name: "AtriumExports", Plugin: hubadmission.NewExports(h.directory, h.catalog.Builtin, h.hubGroup, h.egress.Check, h.schemaOf)},
			{Name: "AtriumConvertible", Plugin: hubadmission.NewConvertible(h.serving)},
			{Name: "AtriumBindings", Plugin: hubadmission.NewBindings(h.directory, h.rbac)},
			{Name: "AtriumEvolution", Plugin: hubadmission.NewEvolution(&h.forecast)},
			{Name: "AtriumPublications", Plugin: hubadmission.NewPublications(h.directory, h.rbac)},
		},
		h.tokenAdmission(),
		parts.admission,
		[]hubadmission.Named{last}, // whatever labels the others make, those of claims are these
		[]hubadmission.Named{
			{Name: "AtriumWebhookConfigurations", Plugin: policies.NewConfigurations()},
			// Last, as what it sees is what is stored.
			{Name: "AtriumValidatingPolicies", Plugin: h.policies.Validating()},
		},
	)...)
}

// feedBindings tells the catalog what each workspace has bound.
func (h *Hub) feedBindings() {
	bindings.Feed(bindings.FeedConfig{
		Bindings: h.models.bindings, Schemas: h.models.schemas, Resolve: h.resolveExport,
		Natives: slices.Concat(nativeExports(), exportsServedEverywhere()),
		Set: func(workspace logicalcluster.Name, apis []*schemas.API, exports []string) {
			names := make([]catalog.NativeAPIName, 0, len(exports))
			for _, export := range exports {
				names = append(names, catalog.NativeAPIName(export))
			}
			h.catalog.SetBound(workspace, apis, names...)
		},
	})
}

func (h *Hub) resolve(path logicalcluster.Path) (logicalcluster.Name, bool) {
	entry, ok := h.directory.Resolve(path)
	return entry.Name, ok
}

func (h *Hub) resolveExport(path logicalcluster.Path) (bindings.Workspace, bool) {
	entry, ok := h.directory.Resolve(path)
	return bindings.Workspace{Name: entry.Name, Path: entry.Path}, ok
}

func (h *Hub) pathOf(name logicalcluster.Name) logicalcluster.Path {
	if entry, ok := h.directory.ByName(name); ok {
		return entry.Path
	}
	return name.Path()
}

// served lists what a workspace serves, in the form of discovery.
func (h *Hub) served(_ context.Context, workspace logicalcluster.Name) ([]*metav1.APIResourceList, error) {
	return h.discovery.Load().Resources(workspace), nil
}

func exportName(export nativeapis.Export) catalog.NativeAPIName {
	return catalog.NativeAPIName(export.Path.Join(export.Name))
}

func nativeExports() []string {
	var names []string
	for _, export := range nativeapis.Exports() {
		names = append(names, string(exportName(export)))
	}
	return names
}

func exportsServedEverywhere() []string {
	var names []string
	for _, name := range prepare.ExportsServedEverywhere() {
		names = append(names, logicalcluster.Root.Path().Join(name).String())
	}
	return names
}

func (h *Hub) bootstrapConfig() bootstrap.Config {
	return bootstrap.Config{Hub: h.hubClient, BaseURL: h.baseURL, ComputeResources: nativeapis.Compute.Resources}
}
