package access

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// hook is a webhook that lets carla read pods in workspace a.
type hook struct {
	mu    sync.Mutex
	asked []authorizationv1.SubjectAccessReviewSpec
}

func (h *hook) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var review authorizationv1.SubjectAccessReview
	if err := json.NewDecoder(req.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	h.asked = append(h.asked, review.Spec)
	h.mu.Unlock()
	workspace := fmt.Sprint(review.Spec.Extra[WebhookClusterExtraKey])
	review.Status.Allowed = review.Spec.User == "carla" && workspace == "[a]" && review.Spec.ResourceAttributes != nil && review.Spec.ResourceAttributes.Resource == "pods"
	review.Status.Reason = "says the webhook"
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review)
}

func (h *hook) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.asked)
}

func askedBy(t *testing.T, server string) authorizer.UnconditionalAuthorizer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "webhook.kubeconfig")
	content := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"w","clusters":[{"name":"w","cluster":{"server":%q,"insecure-skip-tls-verify":true}}],
		"contexts":[{"name":"w","context":{"cluster":"w"}}]}`, server)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	made, err := NewWebhook(WebhookConfig{File: file, Version: "v1", AuthorizedTTL: time.Minute, UnauthorizedTTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestWebhook(t *testing.T) {
	hook := &hook{}
	server := httptest.NewTLSServer(hook)
	defer server.Close()
	config := town()
	config.Webhook = askedBy(t, server.URL)
	chain := New(config)
	decide := func(ctx context.Context, a authorizer.AttributesRecord) (bool, string) {
		decision, reason, err := chain.Authorize(ctx, a)
		if err != nil {
			t.Fatal(err)
		}
		return decision == authorizer.DecisionAllow, reason
	}
	pods := can("list", "", "pods")
	if ok, reason := decide(in("a"), as(person("carla"), pods)); !ok {
		t.Errorf("what the webhook allows is refused: %s", reason)
	}
	if ok, _ := decide(in("b"), as(person("carla"), pods)); ok {
		t.Error("A5: an answer for workspace a was used in b")
	}
	if ok, _ := decide(in("a"), as(withExtra(person("carla"), identity.ScopesExtraKey, "cluster:b"), pods)); ok {
		t.Error("the webhook was asked about a user by a name that is out of scope")
	}
	asked := hook.count()
	if ok, _ := decide(in("a"), as(person("carla"), pods)); !ok || hook.count() != asked {
		t.Error("an answer was not remembered")
	}
	if ok, _ := decide(in("a"), as(person("alice"), can("list", "", "secrets"))); !ok || hook.count() != asked {
		t.Error("the webhook is asked about what roles allow")
	}
	if ok, _ := decide(nowhere("gone"), as(person("carla"), pods)); ok || hook.count() != asked {
		t.Error("the webhook is asked about workspaces that do not exist")
	}
	want := map[string]authorizationv1.ExtraValue{WebhookClusterExtraKey: {"a"}}
	if diff := cmp.Diff(want, hook.asked[0].Extra); diff != "" {
		t.Errorf("extra (-want +got):\n%s", diff)
	}
}

// TestWebhookAllowsNobodyTheHub has a webhook that allows everything.
func TestWebhookAllowsNobodyTheHub(t *testing.T) {
	config := town()
	config.Webhook = opinion{authorizer.DecisionAllow, "why not"}
	chain := New(config)
	for name, c := range map[string]struct {
		in   context.Context
		ask  authorizer.AttributesRecord
		want authorizer.Decision
	}{
		"content":                  {in("a"), can("list", "", "pods"), authorizer.DecisionAllow},
		"a description":            {in("a"), authorizer.AttributesRecord{Verb: "get", Path: "/openapi/v3"}, authorizer.DecisionAllow},
		"metrics, in a workspace":  {in("a"), authorizer.AttributesRecord{Verb: "get", Path: "/metrics"}, authorizer.DecisionDeny},
		"metrics of the hub":       {in(logicalcluster.SystemAdmin), authorizer.AttributesRecord{Verb: "get", Path: "/metrics"}, authorizer.DecisionAllow},
		"somebody else's identity": {in("a"), authorizer.AttributesRecord{Verb: "impersonate", Resource: "groups", Name: "system:masters", ResourceRequest: true}, authorizer.DecisionDeny},
		"what is of no workspace":  {nowhere("gone"), can("list", "", "pods"), authorizer.DecisionDeny},
		"metrics, of no workspace": {nowhere("gone"), authorizer.AttributesRecord{Verb: "get", Path: "/metrics"}, authorizer.DecisionDeny},
	} {
		t.Run(name, func(t *testing.T) {
			if decision, reason, err := chain.Authorize(c.in, as(person("carla"), c.ask)); decision != c.want || err != nil {
				t.Errorf("%v (%s), %v; want %v", decision, reason, err, c.want)
			}
		})
	}
}

func TestWebhookThatDoesNotAnswer(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	url := server.URL
	server.Close()
	config := town()
	config.Webhook = askedBy(t, url)
	chain := New(config)
	for name, c := range map[string]struct {
		ask  authorizer.AttributesRecord
		want authorizer.Decision
		says string
	}{
		"what roles allow":            {as(person("alice"), can("list", "", "secrets")), authorizer.DecisionAllow, ""},
		"what only the webhook could": {as(person("carla"), can("list", "", "pods")), authorizer.DecisionDeny, "it does not exist, or"},
		"of a member":                 {as(botOf("a"), authorizer.AttributesRecord{Verb: "get", Path: "/nothing"}), authorizer.DecisionDeny, "whole hub"},
	} {
		t.Run(name, func(t *testing.T) {
			decision, reason, err := chain.Authorize(in("a"), c.ask)
			if decision != c.want || err != nil || !strings.Contains(reason, c.says) {
				t.Errorf("%v (%s), %v; want %v", decision, reason, err, c.want)
			}
		})
	}
	decision, reason, _ := chain.Authorize(in("c"), as(botOf("a"), can("delete", "", "pods")))
	if decision != authorizer.DecisionDeny || !strings.Contains(reason, "does not answer") {
		t.Errorf("a member is told %v (%s)", decision, reason)
	}
}

func TestWebhookConfig(t *testing.T) {
	if _, err := NewWebhook(WebhookConfig{File: "/does/not/exist", Version: "v1"}); err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("error %v does not name the file", err)
	}
}
