package mounts

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/mounts/doors"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Doors are what requests for mounts go through.
type Doors interface {
	// Open makes a mount lead to an address.
	Open(logicalcluster.Key, doors.Address)
	// Shut makes a mount lead nowhere, and ends what goes through it.
	Shut(logicalcluster.Key)
}

// Config is what New needs. All fields but Clock are required.
type Config struct {
	// Hub reads mount objects and writes Workspaces, as the hub itself.
	Hub *client.Hub
	// Workspaces watches all workspaces.
	Workspaces *informers.Informer[*tenancyv1alpha1.Workspace]
	// Definitions watches what is served in them.
	Definitions *informers.Informer[*apiextensionsv1.CustomResourceDefinition]
	// OnRebound registers a function that is called when a workspace has bound
	// APIs, or has let go of some.
	OnRebound func(func(logicalcluster.Name))
	// Resources says what is served in a workspace.
	Resources func(context.Context, logicalcluster.Name) ([]*metav1.APIResourceList, error)
	// Doors are opened and shut.
	Doors Doors
	// HubURL is the address of the hub: "https://host:6443".
	HubURL string
	// Clock is the real one when nil.
	Clock clock.WithTicker
}

// Mounts is a control loop. Make it with New.
type Mounts struct {
	config  Config
	loop    *loop.Loop
	watches *watches
}

var _ loop.Controller = (*Mounts)(nil)

// New returns Mounts and listens to the informers.
func New(config Config) *Mounts {
	if config.Clock == nil {
		config.Clock = clock.RealClock{}
	}
	m := &Mounts{config: config}
	m.loop = loop.New(loop.Config{Name: "mounts", Workers: 4, Clock: config.Clock, Reconcile: m.reconcile})
	m.watches = newWatches(config.Hub, m.loop.Enqueue)
	config.Workspaces.OnChange(func(old, workspace *tenancyv1alpha1.Workspace, key logicalcluster.Key) {
		if isMount(old) || isMount(workspace) {
			m.loop.Enqueue(key)
		}
	})
	config.Definitions.OnChange(func(_, _ *apiextensionsv1.CustomResourceDefinition, key logicalcluster.Key) {
		m.wake(key.Workspace)
	})
	config.OnRebound(m.wake)
	return m
}

func isMount(workspace *tenancyv1alpha1.Workspace) bool {
	return workspace != nil && workspace.Spec.Mount != nil
}

// Name implements loop.Controller.
func (m *Mounts) Name() string { return m.loop.Name() }

// Run implements loop.Controller.
func (m *Mounts) Run(ctx context.Context) {
	m.watches.run(ctx)
	m.loop.Run(ctx)
	m.watches.wait()
}

// wake looks again at the mounts in a workspace, after what it serves changed.
func (m *Mounts) wake(workspace logicalcluster.Name) {
	for _, key := range m.watches.mounts(workspace) {
		m.loop.Enqueue(key)
	}
}

func (m *Mounts) reconcile(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	workspace, ok := m.config.Workspaces.Get(key)
	if !ok || !isMount(workspace) || workspace.DeletionTimestamp != nil {
		m.config.Doors.Shut(key)
		m.watches.release(key)
		return loop.Result{}, nil
	}
	facts, known, err := m.facts(ctx, key, workspace)
	if err != nil || !known {
		return loop.Result{}, err
	}
	verdict := doors.Judge(facts)
	if verdict.Open {
		m.config.Doors.Open(key, verdict.Address)
	} else {
		m.config.Doors.Shut(key)
	}
	return loop.Result{}, m.report(ctx, workspace, verdict)
}

// facts are not known before the object's resource has been listed.
func (m *Mounts) facts(ctx context.Context, key logicalcluster.Key, workspace *tenancyv1alpha1.Workspace) (facts doors.Facts, known bool, err error) {
	ref := workspace.Spec.Mount.Reference
	facts = doors.Facts{Reference: ref, Before: workspace.Status.Phase, HubURL: m.config.HubURL}
	served, err := m.config.Resources(ctx, key.Workspace)
	if err != nil {
		return facts, false, fmt.Errorf("failed to see what is served in %s: %w", key.Workspace, err)
	}
	resource, ok := find(served, ref)
	if !ok {
		m.watches.idle(key)
		return facts, true, nil
	}
	facts.Served = true
	seen := m.watches.object(key, resource, types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name})
	facts.Object = seen.object
	if seen.crowded {
		facts.Limit = maxSources
	}
	return facts, seen.known, nil
}

// find returns the resource that ref refers to, if it can be watched.
func find(served []*metav1.APIResourceList, ref tenancyv1alpha1.ObjectReference) (schema.GroupVersionResource, bool) {
	gv, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return schema.GroupVersionResource{}, false
	}
	for _, list := range served {
		if list.GroupVersion != ref.APIVersion {
			continue
		}
		for _, resource := range list.APIResources {
			if resource.Kind == ref.Kind && !strings.Contains(resource.Name, "/") && slices.Contains(resource.Verbs, "watch") && resource.Namespaced == (ref.Namespace != "") {
				return gv.WithResource(resource.Name), true
			}
		}
	}
	return schema.GroupVersionResource{}, false
}

// report writes the verdict to the Workspace unless it is there.
func (m *Mounts) report(ctx context.Context, workspace *tenancyv1alpha1.Workspace, verdict doors.Verdict) error {
	workspaces := client.Workspaces(m.config.Hub, logicalcluster.From(workspace).Path())
	if workspace.Status.Phase != verdict.Phase || !conditionsv1alpha1.Says(workspace.Status.Conditions, verdict.Condition) {
		changed := workspace.DeepCopy()
		changed.Status.Phase = verdict.Phase
		changed.Status.Conditions = conditionsv1alpha1.Set(changed.Status.Conditions, m.config.Clock.Now(), verdict.Condition)
		if _, err := workspaces.UpdateStatus(ctx, changed, metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("failed to report the state of the mount: %w", err)
		}
	}
	if workspace.Labels[tenancyv1alpha1.PhaseLabel] == string(verdict.Phase) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": workspace.UID, "labels": map[string]string{tenancyv1alpha1.PhaseLabel: string(verdict.Phase)},
	}})
	if err != nil {
		return fmt.Errorf("failed to encode the label: %w", err)
	}
	if _, err := workspaces.Patch(ctx, workspace.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("failed to label the mount: %w", err)
	}
	return nil
}
