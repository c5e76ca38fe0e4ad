package views

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// SyncVerb on a SyncTarget is what its agent needs.
const SyncVerb = "sync"

// LiveUID returns the UID of a SyncTarget, and false when there is none. It
// answers from memory.
type LiveUID func(workspace logicalcluster.Name, name string) (types.UID, bool)

// Syncer is the view of the agents of child clusters.
type Syncer struct {
	rbac    authorizer.UnconditionalAuthorizer
	liveUID LiveUID
}

var _ View = &Syncer{}

// NewSyncer returns the view. rbac judges who has the verb "sync", in the
// workspace that target.From(ctx).Identity names.
func NewSyncer(rbac authorizer.UnconditionalAuthorizer, liveUID LiveUID) *Syncer {
	return &Syncer{rbac: rbac, liveUID: liveUID}
}

// Kind implements View.
func (s *Syncer) Kind() string { return SyncerKind }

// Authorize decides on a request through the view. It has no opinion on others.
func (s *Syncer) Authorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	t, ok := target.From(ctx)
	if !ok || t.View == nil || t.View.Kind != SyncerKind {
		return authorizer.DecisionNoOpinion, "", nil
	}
	decision, _, err := s.rbac.Authorize(ctx, authorizer.AttributesRecord{
		User:            a.GetUser(),
		Verb:            SyncVerb,
		APIGroup:        workloadv1alpha1.GroupName,
		APIVersion:      workloadv1alpha1.SchemeGroupVersion.Version,
		Resource:        "synctargets",
		Name:            t.View.Target,
		ResourceRequest: true,
		Path:            a.GetPath(),
	})
	if decision != authorizer.DecisionAllow {
		return authorizer.DecisionDeny, fmt.Sprintf("the view of sync target %q in workspace %s takes the verb %q on it there; \"kubectl atrium sync %s\" makes an account that has it",
			t.View.Target, t.Identity, SyncVerb, t.View.Target), err
	}
	if reason := s.mismatch(t); reason != "" {
		return authorizer.DecisionDeny, reason, nil
	}
	if reason := refusal(ctx, a); reason != "" {
		return authorizer.DecisionDeny, reason, nil
	}
	return authorizer.DecisionAllow, "", nil
}

// mismatch says why the view is not, or no longer, the one of a SyncTarget.
func (s *Syncer) mismatch(t target.Target) string {
	live, found := s.liveUID(t.Identity, t.View.Target)
	switch {
	case !found:
		return fmt.Sprintf("workspace %s has no sync target %q; create it with \"kubectl atrium sync %s\"", t.Identity, t.View.Target, t.View.Target)
	case string(live) != t.View.UID:
		return fmt.Sprintf("sync target %q in workspace %s has UID %s, not %s: it was deleted and created again; set the agent up anew with \"kubectl atrium sync %s\"",
			t.View.Target, t.Identity, live, t.View.UID, t.View.Target)
	default:
		return ""
	}
}

// refusal says why something is not done through the view, or nothing.
func refusal(ctx context.Context, a authorizer.Attributes) string {
	if !a.IsResourceRequest() {
		// Discovery is open for /clusters/* only, which shows what every workspace
		// has: what a single one defines itself is its own business.
		if scope, _ := keyspace.ScopeFrom(ctx); a.GetVerb() == "get" && scope.All() && isDiscovery(a.GetPath()) {
			return ""
		}
		return fmt.Sprintf("the view of a sync target does not serve %s %s", a.GetVerb(), target.Shorten(a.GetPath()))
	}
	resource := resourceOf(a)
	if !shown(a.GetAPIGroup(), a.GetResource()) {
		return fmt.Sprintf("the view of a sync target does not show %s: an agent copies workloads, and has no business with what governs a workspace", resource)
	}
	if !offered(a) {
		return fmt.Sprintf("the view of a sync target does not offer %s on %s: an agent reads objects, writes their status, and lets go of them",
			verbOn(a), resource)
	}
	if scope, _ := keyspace.ScopeFrom(ctx); scope.All() && !a.IsReadOnly() {
		return "a write through the view of a sync target has to name its workspace: use /clusters/<workspace ID> in place of /clusters/*"
	}
	return ""
}

// offered is the table of verbs.
func offered(a authorizer.Attributes) bool {
	namespace := a.GetAPIGroup() == "" && a.GetResource() == "namespaces"
	switch a.GetSubresource() + "/" + a.GetVerb() {
	case "/get", "/list", "/watch":
		return true
	case "/update", "/patch", "status/get", "status/update", "status/patch":
		return !namespace // namespaces are placed and let go of by the hub alone
	default:
		return false
	}
}

// workloads are the resources of the hub's own groups that agents copy.
var workloads = map[string]map[string]bool{
	"":                  set("configmaps", "namespaces", "persistentvolumeclaims", "secrets", "services"),
	"apps":              set("daemonsets", "deployments", "statefulsets"),
	"autoscaling":       set("horizontalpodautoscalers"),
	"batch":             set("cronjobs", "jobs"),
	"networking.k8s.io": set("ingresses", "networkpolicies"),
	"policy":            set("poddisruptionbudgets"),
}

func set(names ...string) map[string]bool {
	out := make(map[string]bool, len(names))
	for _, name := range names {
		out[name] = true
	}
	return out
}

// shown reports whether a resource can be seen through the view: workloads, and
// whatever tenants have made up themselves.
func shown(group, resource string) bool {
	if known, ok := workloads[group]; ok {
		return known[resource]
	}
	return strings.Contains(group, ".") && !corev1alpha1.IsReservedDomain(group)
}
