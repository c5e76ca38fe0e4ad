package syncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
)

// requestTimeout bounds requests that answer at once from a server that is well.
const requestTimeout = 10 * time.Second

// operation is one step of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// heartbeatPatch says that the agent lives and, unless resources is nil, what it
// copies. It fails on a SyncTarget with another UID.
func heartbeatPatch(uid string, hasStatus bool, now time.Time, resources []workloadv1alpha1.ResourceToSync) ([]byte, error) {
	patch := []operation{{"test", "/metadata/uid", uid}}
	if !hasStatus {
		patch = append(patch, operation{"add", "/status", struct{}{}})
	}
	patch = append(patch, operation{"add", "/status/lastSyncerHeartbeatTime", metav1.NewTime(now)})
	if resources != nil {
		patch = append(patch, operation{"add", "/status/syncedResources", resources})
	}
	return json.Marshal(patch)
}

// heart beats for one SyncTarget.
type heart struct {
	syncTarget *syncTarget
	hasStatus  bool
	reported   []workloadv1alpha1.ResourceToSync // as last written
	now        func() time.Time
	last       time.Time // of the last beat that the hub accepted
}

// beat writes one heartbeat. It returns ErrReplaced when the SyncTarget is not
// the one the agent was set up for.
func (h *heart) beat(ctx context.Context, resources []workloadv1alpha1.ResourceToSync) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	hadStatus := h.hasStatus
	err := h.write(ctx, resources)
	if err != nil && h.hasStatus != hadStatus {
		err = h.write(ctx, resources) // what it failed for is known now
	}
	return err
}

func (h *heart) write(ctx context.Context, resources []workloadv1alpha1.ResourceToSync) error {
	news := resources
	if equality.Semantic.DeepEqual(h.reported, resources) {
		news = nil
	}
	patch, err := heartbeatPatch(h.syncTarget.uid, h.hasStatus, h.now(), news)
	if err != nil {
		return fmt.Errorf("failed to encode the heartbeat: %w", err)
	}
	obj, err := h.syncTarget.collection.Patch(ctx, types.JSONPatchType, "", h.syncTarget.name, "status", patch)
	if err != nil {
		return h.missed(ctx, err)
	}
	_, h.hasStatus = obj.Object["status"]
	h.reported, h.last = resources, h.now()
	return nil
}

// missed finds out why the hub did not take a heartbeat. That the SyncTarget is
// another one by now looks like a failed test of the patch.
func (h *heart) missed(ctx context.Context, cause error) error {
	var status apierrors.APIStatus
	if !errors.As(cause, &status) {
		return fmt.Errorf("failed to write the heartbeat: %w", cause)
	}
	found, err := h.syncTarget.read(ctx)
	if err != nil {
		return err
	}
	h.hasStatus = hasStatus(found)
	return fmt.Errorf("failed to write the heartbeat: %w", cause)
}

// hasStatus reports whether a patch may put something into the status without
// making it first.
func hasStatus(found *workloadv1alpha1.SyncTarget) bool {
	return !equality.Semantic.DeepEqual(found.Status, workloadv1alpha1.SyncTargetStatus{})
}

// logOnce keeps a message that stays the same from filling the log.
type logOnce struct {
	message string
	at      time.Time
}

func (l *logOnce) error(log klog.Logger, now time.Time, err error, message string) {
	if text := message + err.Error(); text != l.message || now.Sub(l.at) >= repeatAfter {
		l.message, l.at = text, now
		log.Info(message, "err", err)
	}
}
