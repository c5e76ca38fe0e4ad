package types

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	machinerytypes "k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// moment is how long types that extend others wait for more news.
const moment = 200 * time.Millisecond

// everybody is the key that stands for all types that extend others.
var everybody = logicalcluster.Key{}

// Source is what is needed of an informer over the types of all workspaces.
type Source interface {
	Get(logicalcluster.Key) (*tenancyv1alpha1.WorkspaceType, bool)
	All() []*tenancyv1alpha1.WorkspaceType
	OnChange(informers.ChangeFunc[*tenancyv1alpha1.WorkspaceType])
}

// Config is what New needs.
type Config struct {
	// Hub writes as the hub itself.
	Hub *client.Hub
	// Types watches the types of all workspaces, Lookup finds one by path.
	Types  Source
	Lookup prepare.TypeLookup
	// BaseURL is how users reach the hub: "https://host:6443".
	BaseURL string
	// Clock is the real one when nil.
	Clock clock.WithTicker
}

type reporter struct {
	Config
	// write stores a status.
	write func(context.Context, logicalcluster.Key, tenancyv1alpha1.WorkspaceTypeStatus) error
	loop  *loop.Loop
}

// New returns the loop and listens to the source. Nothing runs yet.
func New(config Config) loop.Controller {
	if config.Clock == nil {
		config.Clock = clock.RealClock{}
	}
	r := &reporter{Config: config}
	r.write = r.patch
	r.loop = loop.New(loop.Config{Name: "workspacetypes", Clock: config.Clock, Reconcile: r.reconcile})
	config.Types.OnChange(r.changed)
	return r.loop
}

func (r *reporter) changed(old, kind *tenancyv1alpha1.WorkspaceType, key logicalcluster.Key) {
	if kind != nil {
		r.loop.Enqueue(key)
	}
	if old == nil || kind == nil || !equality.Semantic.DeepEqual(old.Spec.Extend, kind.Spec.Extend) {
		r.loop.EnqueueAfter(everybody, moment)
	}
}

func (r *reporter) reconcile(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	if key == everybody {
		r.wakeExtending()
		return loop.Result{}, nil
	}
	kind, ok := r.Types.Get(key)
	if !ok || kind.DeletionTimestamp != nil {
		return loop.Result{}, nil
	}
	ref := tenancyv1alpha1.WorkspaceTypeReference{Path: key.Workspace.String(), Name: tenancyv1alpha1.WorkspaceTypeName(key.Name)}
	_, trouble := prepare.Resolve(ref, r.Lookup)
	status := statusOf(kind, trouble, r.BaseURL, r.Clock.Now())
	if equality.Semantic.DeepEqual(status, kind.Status) {
		return loop.Result{}, nil
	}
	return loop.Result{}, r.write(ctx, key, status)
}

func (r *reporter) wakeExtending() {
	for _, kind := range r.Types.All() {
		if len(kind.Spec.Extend.With) > 0 {
			r.loop.Enqueue(client.KeyOf(kind))
		}
	}
}

// patch stores a status. In a merge patch null removes: what became empty must
// be there to go.
func (r *reporter) patch(ctx context.Context, key logicalcluster.Key, status tenancyv1alpha1.WorkspaceTypeStatus) error {
	patch, err := json.Marshal(map[string]any{"status": map[string]any{
		"conditions": status.Conditions, "virtualWorkspaces": status.VirtualWorkspaces,
	}})
	if err != nil {
		return fmt.Errorf("failed to write a status: %w", err)
	}
	_, err = client.WorkspaceTypes(r.Hub, key.Workspace.Path()).Patch(ctx, key.Name, machinerytypes.MergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("failed to report on workspace type %s: %w", key, err)
	}
	return nil
}
