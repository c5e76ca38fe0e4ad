package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/test/harness"
)

// TestSyncerViews uses the door of an agent without being it, and as the agent
// goes beyond what agents do.
func TestSyncerViews(t *testing.T) {
	t.Parallel()
	town := theTown(t)
	m := newMallory(t, town.hub)
	town.place(t, m.victim, "eu")
	target := must(client.SyncTargets(town.admin, compute).Get(limit(t), "eu", metav1.GetOptions{}))(t)
	view := fmt.Sprintf("/services/syncer/%s/eu/%s/clusters/", town.id(t, compute), target.UID)

	for _, path := range []string{"*/api/v1/secrets", town.id(t, m.victim).String() + "/api/v1/secrets", "*/apis"} {
		if status, answer := request(t, m.own, view+path); status != http.StatusForbidden && status != http.StatusUnauthorized {
			t.Errorf("mallory at %s: status %d: %.300s", path, status, answer)
		}
	}

	// A target of her own shows her own objects only.
	mine := &workloadv1alpha1.SyncTarget{ObjectMeta: metav1.ObjectMeta{Name: "eu"}}
	mine = must(client.SyncTargets(m.own, m.home).Create(limit(t), mine, metav1.CreateOptions{}))(t)
	own := fmt.Sprintf("/services/syncer/%s/eu/%s/clusters/*/api/v1/secrets", town.id(t, m.home), mine.UID)
	if status, answer := request(t, m.own, own); status != http.StatusOK || items(t, answer) != 0 {
		t.Errorf("mallory's own view: status %d: %.300s", status, answer)
	}
	mixed := fmt.Sprintf("/services/syncer/%s/eu/%s/clusters/*/api/v1/secrets", town.id(t, compute), mine.UID)
	if status, answer := request(t, m.own, mixed); status < 400 {
		t.Errorf("the view of a target with the UID of another: status %d: %.300s", status, answer)
	}

	checkAgent(t, town, m, view)
}

// checkAgent does what a stolen agent could try.
func checkAgent(t *testing.T, town *town, m *mallory, view string) {
	t.Helper()
	stolen := must(harness.HubClient(world.Path("hub-eu.kubeconfig")))(t)
	status, answer := request(t, stolen, view+"*/api/v1/secrets")
	if status != http.StatusOK || strings.Contains(answer, "victims-secret") {
		t.Errorf("the agent's view: status %d: %.300s", status, answer)
	}
	for _, path := range []string{
		m.victim.RequestPath() + "/api/v1/namespaces/default/secrets",
		compute.RequestPath() + "/api/v1/namespaces/default/secrets",
		view + "*/apis/rbac.authorization.k8s.io/v1/clusterroles",
		view + "*/api/v1/serviceaccounts",
		view + "*/apis/tenancy.kcp.io/v1alpha1/workspaces",
	} {
		if status, answer := request(t, stolen, path); status < 400 {
			t.Errorf("the agent at %s: status %d: %.300s", path, status, answer)
		}
	}
	if _, err := client.SyncTargets(stolen, compute).Get(limit(t), "us", metav1.GetOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("the agent reads another target: %v", err)
	}
	checkAgentWrites(t, town, m, stolen, view)
}

// checkAgentWrites places a Deployment on the agent's cluster and lets the agent
// do more with it than it should.
func checkAgentWrites(t *testing.T, town *town, m *mallory, stolen *client.Hub, view string) {
	t.Helper()
	town.send(t, m.victim, "eu")
	town.deploy(t, m.victim, deployment("victim-shop", 1))
	town.awaitAvailable(t, m.victim, "victim-shop", 1)
	shop := view + town.id(t, m.victim).String() + "/apis/apps/v1/namespaces/default/deployments/victim-shop"
	patch := func(path, body string) error {
		return stolen.REST().Patch(types.MergePatchType).AbsPath(path).Body([]byte(body)).Do(limit(t)).Error()
	}
	key := workloadv1alpha1.ToSyncTargetKey(town.id(t, compute), "us")
	for what, err := range map[string]error{
		"spec":        patch(shop, `{"spec":{"replicas":7}}`),
		"other state": patch(shop, fmt.Sprintf(`{"metadata":{"labels":{%q:"Sync"}}}`, workloadv1alpha1.StateLabel(key))),
		"letting go":  patch(shop, `{"metadata":{"finalizers":null}}`),
		"delete":      stolen.REST().Delete().AbsPath(shop).Do(limit(t)).Error(),
		"create":      stolen.REST().Post().AbsPath(strings.TrimSuffix(shop, "/victim-shop")).Body(must(json.Marshal(deployment("planted", 1)))(t)).SetHeader("Content-Type", "application/json").Do(limit(t)).Error(),
	} {
		if !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) && !apierrors.IsMethodNotSupported(err) {
			t.Errorf("the agent and %s: %v, want a refusal", what, err)
		}
	}
	found := must(town.in(m.victim).AppsV1().Deployments("default").Get(limit(t), "victim-shop", metav1.GetOptions{}))(t)
	if *found.Spec.Replicas != 1 || len(found.Finalizers) != 1 {
		t.Errorf("the agent has changed the Deployment: %d replicas, finalizers %v", *found.Spec.Replicas, found.Finalizers)
	}
}

func items(t *testing.T, answer string) int {
	t.Helper()
	var list struct{ Items []json.RawMessage }
	if err := json.Unmarshal([]byte(answer), &list); err != nil {
		t.Fatal(err)
	}
	return len(list.Items)
}
