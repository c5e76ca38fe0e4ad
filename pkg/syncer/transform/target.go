package transform

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/big"

	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// namespacePrefix and namespaceHash make names of child namespaces, as kcp's
// syncer does.
const (
	namespacePrefix = "kcp-"
	namespaceHash   = 12
)

// Target is the SyncTarget an agent works for.
type Target struct {
	// Workspace is the ID of the workspace the SyncTarget lives in.
	Workspace logicalcluster.Name
	// Name and UID are those of the SyncTarget.
	Name string
	UID  string
}

// Key is the word for this target in labels, annotations and finalizers.
func (t Target) Key() string { return workloadv1alpha1.ToSyncTargetKey(t.Workspace, t.Name) }

// Locator says where the content of a child namespace comes from. Its JSON form
// is the value of the annotation kcp.io/namespace-locator.
type Locator struct {
	SyncTarget LocatorTarget       `json:"syncTarget"`
	Workspace  logicalcluster.Name `json:"cluster,omitempty"`
	Namespace  string              `json:"namespace"`
}

// LocatorTarget is the part of a Locator that is the same for all namespaces of
// one agent.
type LocatorTarget struct {
	Workspace logicalcluster.Name `json:"cluster"`
	Name      string              `json:"name"`
	UID       string              `json:"uid"`
}

// Locate returns the locator of a namespace of a workspace.
func (t Target) Locate(workspace logicalcluster.Name, namespace string) Locator {
	return Locator{
		SyncTarget: LocatorTarget(t),
		Workspace:  workspace,
		Namespace:  namespace,
	}
}

// ParseLocator reads the value of the annotation kcp.io/namespace-locator.
func ParseLocator(text string) (Locator, error) {
	var l Locator
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		return Locator{}, fmt.Errorf("failed to read namespace locator %q: %w", text, err)
	}
	return l, nil
}

// String returns the locator as JSON.
func (l Locator) String() string {
	text, err := json.Marshal(l)
	if err != nil { // strings only: cannot fail
		panic(err)
	}
	return string(text)
}

// ChildNamespace is the name of the namespace in the child.
func (l Locator) ChildNamespace() string {
	return namespacePrefix + hash(l.String()).Text(36)[:namespaceHash]
}

// TenantID is the same for all namespaces that come from one workspace by one
// SyncTarget.
func (l Locator) TenantID() string {
	l.Namespace = ""
	return hash(l.String()).Text(62)
}

func hash(text string) *big.Int {
	sum := sha256.Sum224([]byte(text))
	return new(big.Int).SetBytes(sum[:])
}
