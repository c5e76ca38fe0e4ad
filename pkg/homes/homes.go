package homes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/klog/v2"

	"github.com/atriumhub/atrium/pkg/homes/naming"
	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// patience is how long somebody waits for his home.
const patience = 20 * time.Second

// Config is what New needs.
type Config struct {
	// Enabled is whether there are homes at all.
	Enabled bool
	// Hub writes as the hub itself.
	Hub *client.Hub
	// Workspaces watches all workspaces. The directory that knows their paths
	// must follow it already: a Workspace that was seen here can be entered.
	Workspaces *informers.Informer[*tenancyv1alpha1.Workspace]
}

// Homes finds and makes home workspaces.
type Homes struct {
	config  Config
	flights singleflight.Group
	changes changes
}

// New returns Homes and listens to the informer. Call it before that runs.
func New(config Config) *Homes {
	h := &Homes{config: config}
	if config.Enabled {
		config.Workspaces.OnChange(func(_, _ *tenancyv1alpha1.Workspace, key logicalcluster.Key) { h.changes.tell(key) })
	}
	return h
}

// Ensure returns where the home of caller is, once it can be used.
func (h *Homes) Ensure(ctx context.Context, caller user.Info) (logicalcluster.Key, error) {
	name := caller.GetName()
	if key, err := h.existing(name); err == nil && h.settled(key) {
		return key, nil
	}
	flight := h.flights.DoChan(name, func() (any, error) {
		// Whoever asked first may go away; the others still wait.
		making, done := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer done()
		return h.make(making, caller)
	})
	select {
	case landed := <-flight:
		if landed.Err != nil {
			return logicalcluster.Key{}, landed.Err
		}
		return landed.Val.(logicalcluster.Key), nil
	case <-ctx.Done():
		return logicalcluster.Key{}, apierrors.NewTimeoutError("your home workspace is being made: ask again", 1)
	}
}

// existing returns where the home of a user is, ready or not.
func (h *Homes) existing(userName string) (logicalcluster.Key, error) {
	place := naming.Of(userName)
	parent := logicalcluster.Root
	for _, bucket := range place.Buckets {
		found, ok := h.config.Workspaces.Get(logicalcluster.Key{Workspace: parent, Name: bucket})
		if !ok {
			return logicalcluster.Key{}, errNone
		}
		if err := checkBucket(found); err != nil {
			return logicalcluster.Key{}, err
		}
		parent = logicalcluster.Name(found.Spec.Cluster)
	}
	key := logicalcluster.Key{Workspace: parent, Name: place.Name}
	found, ok := h.config.Workspaces.Get(key)
	if !ok {
		return logicalcluster.Key{}, errNone
	}
	return key, checkHome(found, userName)
}

func (h *Homes) settled(key logicalcluster.Key) bool {
	found, ok := h.config.Workspaces.Get(key)
	return ok && isSettled(found)
}

// isSettled reports whether there is nothing to wait for: the workspace is ready,
// or was so and is not any more, which only others can change.
func isSettled(workspace *tenancyv1alpha1.Workspace) bool {
	switch workspace.Status.Phase {
	case "", corev1alpha1.LogicalClusterPhaseScheduling, corev1alpha1.LogicalClusterPhaseInitializing:
		return false
	}
	return workspace.DeletionTimestamp == nil
}

// make brings about the buckets and the home, from the top, and waits for each.
func (h *Homes) make(ctx context.Context, caller user.Info) (logicalcluster.Key, error) {
	place := naming.Of(caller.GetName())
	parent := logicalcluster.Root
	for _, name := range place.Buckets {
		bucket, err := h.settle(ctx, parent, NewBucket(name))
		if err == nil {
			err = checkBucket(bucket)
		}
		if err != nil {
			return logicalcluster.Key{}, err
		}
		parent = logicalcluster.Name(bucket.Spec.Cluster)
	}
	wanted, err := newHome(place.Name, caller)
	if err != nil {
		return logicalcluster.Key{}, err
	}
	home, err := h.settle(ctx, parent, wanted)
	if err == nil {
		err = checkHome(home, caller.GetName())
	}
	return logicalcluster.Key{Workspace: parent, Name: place.Name}, err
}

// settle returns the Workspace in parent that is called like wanted, once there
// is nothing to wait for. It is made when there is none; one that is being deleted is waited for
// and made again.
func (h *Homes) settle(ctx context.Context, parent logicalcluster.Name, wanted *tenancyv1alpha1.Workspace) (*tenancyv1alpha1.Workspace, error) {
	key := logicalcluster.Key{Workspace: parent, Name: wanted.Name}
	changed, stop := h.changes.of(key)
	defer stop()
	for {
		found, ok := h.config.Workspaces.Get(key)
		if ok && isSettled(found) {
			return found, nil
		}
		if !ok {
			if err := h.ask(ctx, parent, wanted); err != nil {
				return nil, err
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, late(found)
		}
	}
}

// ask creates wanted unless somebody was faster.
func (h *Homes) ask(ctx context.Context, parent logicalcluster.Name, wanted *tenancyv1alpha1.Workspace) error {
	_, err := client.Workspaces(h.config.Hub, parent.Path()).Create(ctx, wanted.DeepCopy(), metav1.CreateOptions{})
	if err == nil || apierrors.IsAlreadyExists(err) {
		return nil
	}
	klog.FromContext(ctx).Error(err, "Failed to make a workspace for homes", "parent", parent, "name", wanted.Name)
	return apierrors.NewInternalError(fmt.Errorf("failed to make your home workspace, the hub's log says why; ask again"))
}

// late is the answer to somebody whose home is not ready in time.
func late(found *tenancyv1alpha1.Workspace) error {
	doing := "is being made"
	if found != nil && found.DeletionTimestamp != nil {
		doing = "is still being deleted, and a new one is made once that is done"
	}
	return apierrors.NewTimeoutError(fmt.Sprintf("your home workspace %s: ask again", doing), 2)
}

// NewBucket returns a workspace that holds homes, or workspaces that do.
func NewBucket(name string) *tenancyv1alpha1.Workspace {
	return &tenancyv1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       tenancyv1alpha1.WorkspaceSpec{Type: ofType(tenancyv1alpha1.HomeBucketWorkspaceTypeName)},
	}
}

func newHome(name string, caller user.Info) (*tenancyv1alpha1.Workspace, error) {
	owner, err := json.Marshal(authenticationv1.UserInfo{Username: caller.GetName(), UID: caller.GetUID(), Groups: caller.GetGroups()})
	if err != nil {
		return nil, fmt.Errorf("failed to encode the owner: %w", err)
	}
	return &tenancyv1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{tenancyv1alpha1.OwnerAnnotationKey: string(owner)},
		},
		Spec: tenancyv1alpha1.WorkspaceSpec{Type: ofType(tenancyv1alpha1.HomeWorkspaceTypeName)},
	}, nil
}

func ofType(name tenancyv1alpha1.WorkspaceTypeName) *tenancyv1alpha1.WorkspaceTypeReference {
	return &tenancyv1alpha1.WorkspaceTypeReference{Path: logicalcluster.Root.String(), Name: name}
}

// checkBucket makes sure that the hub made a workspace that homes are in, and
// not a user, who would own all of them (H1).
func checkBucket(workspace *tenancyv1alpha1.Workspace) error {
	_, owned := prepare.Owner(workspace)
	if !owned && workspace.Spec.Type != nil && *workspace.Spec.Type == *ofType(tenancyv1alpha1.HomeBucketWorkspaceTypeName) {
		return nil
	}
	return apierrors.NewForbidden(workspaces, Alias, fmt.Errorf("home workspaces are kept below root:users, but the workspace %q on the way there was made for something else: an administrator has to remove it", workspace.Name))
}

// checkHome makes sure that a home is that of its user (H1). It is somebody
// else's only if the names collide.
func checkHome(workspace *tenancyv1alpha1.Workspace, userName string) error {
	if owner, ok := prepare.Owner(workspace); ok && owner.Username == userName {
		return nil
	}
	return apierrors.NewForbidden(workspaces, Alias, errors.New("the place of your home workspace is taken by another: ask an administrator"))
}
