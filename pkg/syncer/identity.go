package syncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/atriumhub/atrium/pkg/syncer/remote"
	"github.com/atriumhub/atrium/pkg/syncer/transform"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// ErrReplaced stops an agent: its SyncTarget was deleted and another one of the
// same name created, which some other agent serves.
var ErrReplaced = errors.New("the sync target was replaced")

// syncTarget reads and writes the SyncTarget the agent works for.
type syncTarget struct {
	collection remote.Collection
	workspace  logicalcluster.Path // as in the kubeconfig, for messages
	name       string
	uid        string
}

func newSyncTarget(hub *remote.Server, workspace logicalcluster.Path, name, uid string) *syncTarget {
	return &syncTarget{
		collection: remote.Collection{
			Server: hub,
			Prefix: workspace.RequestPath(),
			Resource: remote.Resource{
				GroupVersionResource: workloadv1alpha1.SchemeGroupVersion.WithResource("synctargets"),
				Kind:                 "SyncTarget",
			},
		},
		workspace: workspace,
		name:      name,
		uid:       uid,
	}
}

// read returns the SyncTarget after making sure that it is the right one. An
// error that is not about the connection says what to do.
func (s *syncTarget) read(ctx context.Context) (*workloadv1alpha1.SyncTarget, error) {
	obj, err := s.collection.Get(ctx, "", s.name)
	if err != nil {
		return nil, s.explain(err)
	}
	text, err := json.Marshal(obj.Object)
	if err != nil {
		return nil, fmt.Errorf("failed to encode sync target: %w", err)
	}
	found := &workloadv1alpha1.SyncTarget{}
	if err := json.Unmarshal(text, found); err != nil {
		return nil, fmt.Errorf("failed to decode sync target %q of workspace %s: %w", s.name, s.workspace, err)
	}
	if string(found.UID) != s.uid {
		return nil, fmt.Errorf("%w: SyncTarget %q in workspace %s has UID %s, but this agent was set up for UID %s: it was deleted and created again; set the agent up anew with %q",
			ErrReplaced, s.name, s.workspace, found.UID, s.uid, s.renewal())
	}
	if logicalcluster.From(found).Empty() {
		return nil, fmt.Errorf("SyncTarget %q at %s has no annotation %s: the server is not an Atrium hub; check the address in the hub kubeconfig",
			s.name, s.collection.Server.Host(), logicalcluster.AnnotationKey)
	}
	return found, nil
}

// renewal is the command that sets an agent up.
func (s *syncTarget) renewal() string { return "kubectl atrium sync " + s.name }

// explain adds to a refusal what can be done about it.
func (s *syncTarget) explain(err error) error {
	var status apierrors.APIStatus
	switch {
	case !errors.As(err, &status):
		return fmt.Errorf("failed to read SyncTarget %q of workspace %s: %w", s.name, s.workspace, err)
	case apierrors.IsNotFound(err) && namesObject(status):
		return fmt.Errorf("workspace %s of the hub at %s has no SyncTarget %q: it was deleted, or the hub kubeconfig points to another workspace or hub; create it with %q: %w",
			s.workspace, s.collection.Server.Host(), s.name, s.renewal(), err)
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err) && !namesKind(status):
		return fmt.Errorf("the server at %s knows no SyncTargets, so it is not an Atrium hub; check the address in the hub kubeconfig: %w", s.collection.Server.Host(), err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("the hub at %s accepts the credentials but they may not read SyncTarget %q of workspace %s: they belong to another workspace or target; get fresh ones with %q: %w",
			s.collection.Server.Host(), s.name, s.workspace, s.renewal(), err)
	default:
		return fmt.Errorf("failed to read SyncTarget %q of workspace %s: %w", s.name, s.workspace, err)
	}
}

// namesObject tells "there is no such object" from "there is no such resource".
func namesObject(status apierrors.APIStatus) bool {
	details := status.Status().Details
	return details != nil && details.Name != ""
}

// namesKind tells a server that knows SyncTargets but does not show them from
// one to which the whole path means nothing.
func namesKind(status apierrors.APIStatus) bool {
	details := status.Status().Details
	return details != nil && details.Kind != ""
}

// toTarget is what the rest of the agent has to know of a SyncTarget.
func toTarget(found *workloadv1alpha1.SyncTarget) transform.Target {
	return transform.Target{Workspace: logicalcluster.From(found), Name: found.Name, UID: string(found.UID)}
}

// viewPrefix is the path of the target's view, for one workspace or all.
func viewPrefix(target transform.Target, workspace logicalcluster.Name) string {
	return fmt.Sprintf("/services/syncer/%s/%s/%s/clusters/%s", target.Workspace, target.Name, target.UID, workspace)
}
