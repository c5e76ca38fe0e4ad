package access

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/cel"
	webhookutil "k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/apiserver/plugin/pkg/authorizer/webhook"
	"k8s.io/apiserver/plugin/pkg/authorizer/webhook/metrics"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// WebhookClusterExtraKey holds the ID of the judging workspace in what a webhook
// is asked.
const WebhookClusterExtraKey = "authorization.kubernetes.io/cluster-name"

// WebhookConfig says whom to ask.
type WebhookConfig struct {
	// File is a kubeconfig that names the webhook.
	File string
	// Version is that of SubjectAccessReview: v1 or v1beta1.
	Version string
	// AuthorizedTTL and UnauthorizedTTL are how long answers are remembered.
	AuthorizedTTL, UnauthorizedTTL time.Duration
}

// NewWebhook returns Kubernetes' webhook authorizer. When the webhook cannot be
// reached it denies.
func NewWebhook(config WebhookConfig) (authorizer.UnconditionalAuthorizer, error) {
	client, err := webhookutil.LoadKubeconfig(config.File, nil)
	if err != nil {
		return nil, fmt.Errorf("failed to read %s: %w", config.File, err)
	}
	patience := wait.Backoff{Duration: 100 * time.Millisecond, Factor: 3, Jitter: 0.2, Steps: 3}
	made, err := webhook.New(client, config.Version, config.AuthorizedTTL, config.UnauthorizedTTL, patience,
		authorizer.DecisionDeny, nil, "atrium", metrics.NoopAuthorizerMetrics{}, cel.NewDefaultCompiler())
	if err != nil {
		return nil, fmt.Errorf("failed to set up the webhook of %s: %w", config.File, err)
	}
	return made, nil
}

// askWebhook asks about what no role allows, but for what nobody may do in a
// workspace. To somebody who may not enter it gives no reason: that of a webhook
// would tell that there is a workspace.
func (c *Chain) askWebhook(ctx context.Context, r request) (authorizer.Decision, string, error) {
	if r.target.Identity.Empty() || reservedIdentity(r) || hubOnly(r) {
		return authorizer.DecisionNoOpinion, "", nil
	}
	asked := identity.AskedBy{Attributes: r.Attributes, User: inWorkspace(r.GetUser(), r.target.Identity)}
	decision, reason, err := c.config.Webhook.Authorize(ctx, asked)
	if decision == authorizer.DecisionAllow && err == nil {
		return decision, reason, nil
	}
	if !c.mayEnter(ctx, r) {
		return authorizer.DecisionNoOpinion, "", nil
	}
	if err != nil {
		return authorizer.DecisionDeny, "the authorization webhook of the hub does not answer; try again, or tell its operator", nil
	}
	return decision, reason, nil
}

// inWorkspace returns who u is in the workspace, together with which that is. It
// is part of the question, and so of the key under which the answer is kept.
func inWorkspace(u user.Info, workspace logicalcluster.Name) user.Info {
	known := identity.In(u, workspace)
	extra := map[string][]string{}
	for key, values := range known.GetExtra() {
		extra[key] = values
	}
	extra[WebhookClusterExtraKey] = []string{workspace.String()}
	return &user.DefaultInfo{Name: known.GetName(), UID: known.GetUID(), Groups: known.GetGroups(), Extra: extra}
}
