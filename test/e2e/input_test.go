package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// request sends a GET as it stands, without the checks of a client library, and
// returns the status and the answer.
func request(t *testing.T, as *client.Hub, path string) (int, string) {
	t.Helper()
	asked := must(http.NewRequestWithContext(limit(t), http.MethodGet, as.Base()+path, nil))(t)
	answer := must(as.HTTPClient().Do(asked))(t)
	defer answer.Body.Close()
	return answer.StatusCode, string(must(io.ReadAll(answer.Body))(t))
}

const configMaps = "/api/v1/namespaces/default/configmaps"

// TestPaths asks for workspaces that are not there, not allowed, or no paths.
func TestPaths(t *testing.T) {
	t.Parallel()
	h := theHub(t)
	team := h.workspace(t, root, "paths")
	h.grant(t, team, "alice")
	alice, nobody := h.as(t, "alice-token"), h.as(t, "nobody-token")

	cases := []struct {
		name   string
		as     *client.Hub
		path   string
		status int
		want   []string
	}{
		{"own", alice, team.RequestPath() + configMaps, http.StatusOK, []string{"ConfigMapList"}},
		{"unknown", alice, "/clusters/root:nowhere" + configMaps, http.StatusForbidden, []string{"root:nowhere", "alice"}},
		{"unknown below own", alice, team.Join("nowhere").RequestPath() + configMaps, http.StatusForbidden, []string{"nowhere", "denied"}},
		{"forbidden", nobody, team.RequestPath() + configMaps, http.StatusForbidden, []string{team.String(), "nobody", "denied"}},
		{"malformed", alice, "/clusters/Root:team" + configMaps, http.StatusBadRequest, []string{"malformed workspace path", "Root:team", "root:org:team"}},
		{"empty", alice, "/clusters/" + configMaps, http.StatusBadRequest, []string{"malformed"}},
		{"colons", alice, "/clusters/root::team" + configMaps, http.StatusBadRequest, []string{"malformed", "root::team"}},
		{"wildcard inside", alice, "/clusters/root:*" + configMaps, http.StatusBadRequest, []string{"malformed", "root:*"}},
		{"very long", alice, "/clusters/" + strings.Repeat("a", 10000) + configMaps, http.StatusBadRequest, []string{"malformed"}},
		{"nested", alice, team.RequestPath() + "/clusters/root" + configMaps, http.StatusNotFound, []string{"/clusters/", "once"}},
		{"nested, encoded", alice, team.RequestPath() + "/%63lusters/root" + configMaps, http.StatusNotFound, []string{"once"}},
		{"wildcard", alice, "/clusters/*/api/v1/configmaps", http.StatusForbidden, []string{"all workspaces", "name one workspace"}},
		{"no such service", alice, "/services/nothing/x", http.StatusNotFound, []string{"nothing"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			status, answer := request(t, c.as, c.path)
			if status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
			mentions(t, answer, c.want...)
			if len(answer) > 2000 && c.status != http.StatusOK {
				t.Errorf("the answer has %d bytes", len(answer))
			}
		})
	}
}

// TestNamesCannotBeProbed compares what an outsider is told of a workspace that
// is there with what he is told of one that is not.
func TestNamesCannotBeProbed(t *testing.T) {
	t.Parallel()
	h := theHub(t)
	team := h.workspace(t, root, "probed")
	nobody := h.as(t, "nobody-token")
	for _, path := range []string{configMaps, "/apis/apps/v1/deployments", "/api", "/apis", "/openapi/v3", "/version", "/api/v1/namespaces/nowhere", "/"} {
		thereStatus, there := request(t, nobody, team.RequestPath()+path)
		missing := logicalcluster.Path("root:probed-nowhere")
		missingStatus, notThere := request(t, nobody, missing.RequestPath()+path)
		if there = strings.ReplaceAll(there, team.String(), missing.String()); thereStatus != missingStatus || there != notThere {
			t.Errorf("%s tells workspaces apart:\n%d %s\n%d %s", path, thereStatus, there, missingStatus, notThere)
		}
	}
}

// TestKubectlWs makes mistakes with the plugin.
func TestKubectlWs(t *testing.T) {
	t.Parallel()
	h := theHub(t)
	team := h.workspace(t, root, "plugin")
	login := h.login(t, team)
	kubectl(t, login, "ws", "create", "twice")
	for _, c := range []struct {
		args string
		want []string
	}{
		{"ws nowhere", []string{"nowhere", "not found"}},
		{"ws use :root:nowhere", []string{"root:nowhere", "not found"}},
		{"ws use Root:Team", []string{"Root:Team"}},
		{"ws create twice", []string{"twice", "already exists"}},
		{"ws create UPPER", []string{"UPPER"}},
		{"atrium bind compute root:nowhere --timeout 8s", []string{"root:nowhere"}},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			mentions(t, kubectlFails(t, login, strings.Fields(c.args)...), c.want...)
		})
	}
}

// TestUnknownWorkspaceType asks for a workspace of a type that does not exist
// (yet): it says so, and waits for it.
func TestUnknownWorkspaceType(t *testing.T) {
	t.Parallel()
	h := theHub(t)
	asked := &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{GenerateName: "typed-"}}
	asked.Spec.Type = &tenancyv1alpha1.WorkspaceTypeReference{Path: "root", Name: "palace"}
	workspaces := client.Workspaces(h.admin, root)
	made := must(workspaces.Create(limit(t), asked, metav1.CreateOptions{}))(t)
	await(t, workspaces, only(made.Name, func(w *tenancyv1alpha1.Workspace) string {
		for _, condition := range w.Status.Conditions {
			if strings.Contains(condition.Message, "palace") {
				return ""
			}
		}
		return "no condition names the type"
	}))
}

// TestDefinitions applies CustomResourceDefinitions that cannot be served.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	h := theHub(t)
	team := h.workspace(t, root, "definitions")
	login := h.login(t, team)
	install(t, login, bannerCRD("integer"))

	notStructural := strings.Replace(bannerCRD("integer"), `"type":"object","required":["size"]`, `"required":["size"]`, 1)
	_, err := world.KubectlInput(limit(t), login, notStructural, "apply", "-f", "-")
	errorMentions(t, err, "banners.example.io", "properties[spec].type")

	wrongName := strings.Replace(bannerCRD("integer"), `"banners.example.io"`, `"flags.example.io"`, 1)
	_, err = world.KubectlInput(limit(t), login, wrongName, "apply", "-f", "-")
	errorMentions(t, err, "flags.example.io", "metadata.name")

	sameKind := strings.NewReplacer(`"banners.example.io"`, `"flags.example.io"`, `"plural":"banners"`, `"plural":"flags"`).Replace(bannerCRD("integer"))
	must(world.KubectlInput(limit(t), login, sameKind, "apply", "-f", "-"))(t)
	kubectl(t, login, "wait", "--for=condition=NamesAccepted=false", "crd/flags.example.io", "--timeout=60s")
	conflict := kubectl(t, login, "get", "crd", "flags.example.io", "-o", `jsonpath={.status.conditions[?(@.type=="NamesAccepted")].message}`)
	mentions(t, conflict, "Banner", "already in use")

	for _, group := range []string{"tenancy.kcp.io", "apps"} {
		taken := strings.ReplaceAll(bannerCRD("integer"), "example.io", group)
		taken = strings.NewReplacer("banners", "workspaces", "banner", "workspace", "Banner", "Workspace").Replace(taken)
		_, err = world.KubectlInput(limit(t), login, taken, "apply", "-f", "-")
		if err == nil {
			kubectl(t, login, "wait", "--for=condition=NamesAccepted=false", "crd/workspaces."+group, "--timeout=60s")
			continue
		}
		errorMentions(t, err, "workspaces."+group)
	}
}

// TestWithoutCompute uses workload APIs where nobody has bound them.
func TestWithoutCompute(t *testing.T) {
	t.Parallel()
	h := theHub(t)
	team := h.workspace(t, root, "idle")
	_, err := h.in(team).AppsV1().Deployments("default").Create(limit(t), deployment("lost", 1), metav1.CreateOptions{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("status of %v", err)
	}
	errorMentions(t, err, "deployments.apps", compute.String(), "kubectl atrium bind compute")
	mentions(t, kubectlFails(t, h.login(t, team), "create", "deployment", "lost", "--image=x"), "kubectl atrium bind compute")
	if out := kubectl(t, h.login(t, team), "api-resources"); strings.Contains(out, "deployments") {
		t.Errorf("deployments are offered: %s", out)
	}
}

// TestPlacementsThatSelectNothing reads the condition of Placements that cannot
// be fulfilled.
func TestPlacementsThatSelectNothing(t *testing.T) {
	t.Parallel()
	town := theTown(t)
	team := town.workspace(t, root, "stranded")
	town.bindCompute(t, team)
	private := town.workspace(t, root, "private")
	for _, c := range []struct {
		name, workspace, region string
		want                    []string
	}{
		{"no-location", compute.String(), "mars", []string{"no location", "region=mars", "region=eu"}},
		{"no-workspace", "root:nowhere", "eu", []string{"root:nowhere", "does not exist or does not admit"}},
		{"not-admitted", private.String(), "eu", []string{private.String(), "does not exist or does not admit"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			wanted := &schedulingv1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Name: c.name}}
			wanted.Spec.LocationWorkspace = c.workspace
			wanted.Spec.LocationResource = schedulingv1alpha1.SyncTargetResource
			wanted.Spec.NamespaceSelector = &metav1.LabelSelector{}
			wanted.Spec.LocationSelectors = []metav1.LabelSelector{{MatchLabels: map[string]string{"region": c.region}}}
			placements := client.Placements(town.admin, team)
			must(placements.Create(limit(t), wanted, metav1.CreateOptions{}))(t)
			var message string
			await(t, placements, only(c.name, func(p *schedulingv1alpha1.Placement) string {
				var wrong string
				message, wrong = complaint(p)
				return wrong
			}))
			mentions(t, message, c.want...)
		})
	}
}

// complaint returns the message of a condition that says that a Placement leads
// nowhere, or what is wrong.
func complaint(p *schedulingv1alpha1.Placement) (message, wrong string) {
	for _, condition := range p.Status.Conditions {
		if condition.Status == "False" && condition.Message != "" {
			return condition.Message, ""
		}
	}
	scheduled := conditionsv1alpha1.Get(p.Status.Conditions, schedulingv1alpha1.PlacementScheduled)
	return "", fmt.Sprintf("no condition complains; scheduled is %v", scheduled)
}
