package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
	"github.com/atriumhub/atrium/test/harness"
)

// buildPatience is how long it may take to compile what is made with kcp's
// libraries: another version of client-go.
const buildPatience = 15 * time.Minute

// buildClientsOfKcp builds what test/kcpclients holds: kcp's own plugins of kubectl,
// and a controller made with kcp's libraries.
func buildClientsOfKcp(ctx context.Context, dir string, env ...string) error {
	top, err := harness.ModuleRoot()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	_, err = harness.Command{
		Dir: filepath.Join(top, "test", "kcpclients"), Env: env,
		Program: "go", Args: []string{"build", "-ldflags=-s -w", "-o", dir + "/", "./greeter", "tool"},
	}.Run(ctx)
	return err
}

var refusal = regexp.MustCompile(`(\S+@v\S+): reading \S+: 403 Forbidden`)

// refusedModule returns the module, with its version, that the module source does
// not give out, if that is why a build failed.
func refusedModule(err error) string {
	if found := refusal.FindStringSubmatch(harness.Stderr(err)); found != nil {
		return found[1]
	}
	return ""
}

var sharedClientsOfKcp = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildPatience)
	defer cancel()
	dir := world.Path("kcp")
	return dir, buildClientsOfKcp(ctx, dir)
})

// clientsOfKcp returns the directory with kcp's clients. It is called before a test
// becomes a parallel one: others would wait too long for servers while this
// compiles. Without the modules there is nothing to test.
func clientsOfKcp(t *testing.T) string {
	t.Helper()
	dir, err := sharedClientsOfKcp()
	if module := refusedModule(err); module != "" {
		t.Skipf("the module source does not give out %s", module)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestOnlyARefusedModuleExcuses asks module sources that answer nothing else.
func TestOnlyARefusedModuleExcuses(t *testing.T) {
	t.Parallel()
	for status, excused := range map[int]bool{http.StatusForbidden: true, http.StatusInternalServerError: false} {
		source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		defer source.Close()
		err := buildClientsOfKcp(limit(t), t.TempDir(), "GOPROXY="+source.URL, "GOMODCACHE="+t.TempDir(), "GOFLAGS=-modcacherw", "GOTOOLCHAIN=local")
		if module := refusedModule(err); err == nil || (module != "") != excused {
			t.Errorf("status %d: module %q is said to be refused, after %v", status, module, err)
		}
	}
}

const greetingsCRD = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: greetings.kcpclients.test}
spec:
  group: kcpclients.test
  scope: Namespaced
  names: {plural: greetings, singular: greeting, kind: Greeting, listKind: GreetingList}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {name: {type: string}}}
          status: {type: object, properties: {text: {type: string}, neighbours: {type: integer}, path: {type: string}}}
`

// letsAliceIn is for the identity of controllers, as docs/apis.md says.
const letsAliceIn = `
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: greeter}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: greeter}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: greeter-enters}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:kcp:workspace:access"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}]
`

// greetingsExport claims what the examples of kcp's libraries claim.
const greetingsExport = `apiVersion: apis.kcp.io/v1alpha1
kind: APIExport
metadata: {name: greetings}
spec:
  latestResourceSchemas: [v1.greetings.kcpclients.test]
  permissionClaims:
  - {group: "", resource: configmaps, all: true}
  - {group: "", resource: events, all: true}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: greeter}
rules:
- {apiGroups: [apis.kcp.io], resources: [apiexportendpointslices], verbs: [get, list, watch]}
- {apiGroups: [apis.kcp.io], resources: [apiexports/content], resourceNames: [greetings], verbs: ["*"]}
` + letsAliceIn

const welcomedType = `apiVersion: tenancy.kcp.io/v1alpha1
kind: WorkspaceType
metadata: {name: welcomed}
spec:
  extend: {with: [{name: universal, path: root}]}
  initializer: true
  initializerPermissions:
  - {apiGroups: [""], resources: [configmaps], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: greeter}
rules:
- {apiGroups: [tenancy.kcp.io], resources: [workspacetypes], resourceNames: [welcomed], verbs: [get, list, watch, initialize]}
` + letsAliceIn

// person is somebody with a kubeconfig, and the plugins that are first in his path.
type person struct{ plugins, login string }

// does runs kubectl. It returns what a person sees, and whether it succeeded.
func (p person) does(t *testing.T, stdin string, args ...string) (string, bool) {
	t.Helper()
	out, err := harness.Command{
		Dir: world.Dir, Stdin: stdin, Program: filepath.Join(world.Bin, harness.Kubectl), Args: args,
		Env: append(world.Env(p.login), "PATH="+strings.Join([]string{p.plugins, world.Bin, os.Getenv("PATH")}, string(os.PathListSeparator))),
	}.RunMerged(limit(t))
	return out, err == nil
}

// succeeds runs a kubectl that has to.
func (p person) succeeds(t *testing.T, args ...string) string {
	t.Helper()
	out, ok := p.does(t, "", args...)
	if !ok {
		t.Fatalf("kubectl %s failed: %s", strings.Join(args, " "), out)
	}
	return out
}

// offerGreetings makes a workspace that exports greetings, with kcp's plugin.
func offerGreetings(t *testing.T, h *hub, plugins string, org logicalcluster.Path) logicalcluster.Path {
	t.Helper()
	provider := h.workspace(t, org, "provider")
	owner := person{plugins, h.login(t, provider)}
	made, ok := owner.does(t, greetingsCRD, "kcp", "crd", "snapshot", "-f", "-", "--prefix", "v1")
	if !ok {
		t.Fatal(made)
	}
	if out, ok := owner.does(t, made+greetingsExport, "create", "-f", "-"); !ok {
		t.Fatal(out)
	}
	return provider
}

// greeter is the controller of greetings, and the hub that it serves.
type greeter struct {
	*hub
	*harness.Process
	export, plugins string
}

// startGreeter runs test/kcpclients/greeter as alice, who begins at a workspace.
func startGreeter(t *testing.T, h *hub, plugins, name string, workspace logicalcluster.Path, args ...string) *harness.Process {
	t.Helper()
	alice := filepath.Join(t.TempDir(), "alice")
	if err := harness.WithToken(h.Kubeconfig, alice, client.WorkspaceURL(h.URL, workspace), "alice-token"); err != nil {
		t.Fatal(err)
	}
	process := must(harness.Start(name, world.Path(name+".log"), false, world.Env(alice), filepath.Join(plugins, "greeter"), args...))(t)
	t.Cleanup(func() {
		if err := process.Stop(); err != nil {
			t.Error(err)
		}
	})
	return process
}

// joins binds the export in a workspace, with kcp's plugin.
func (g *greeter) joins(t *testing.T, workspace logicalcluster.Path) {
	t.Helper()
	mentions(t, person{g.plugins, g.login(t, workspace)}.succeeds(t, "kcp", "bind", "apiexport", g.export, "--accept-permission-claim", "configmaps.core,events.core"),
		"greetings created and bound.")
}

func (g *greeter) greetings(workspace logicalcluster.Path) dynamic.ResourceInterface {
	return g.admin.Dynamic(workspace).Resource(schema.GroupVersionResource{Group: "kcpclients.test", Version: "v1", Resource: "greetings"}).Namespace("default")
}

// asks creates a greeting.
func (g *greeter) asks(t *testing.T, workspace logicalcluster.Path, name, whom string) {
	t.Helper()
	must(g.greetings(workspace).Create(limit(t), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kcpclients.test/v1", "kind": "Greeting", "metadata": map[string]any{"name": name}, "spec": map[string]any{"name": whom},
	}}, metav1.CreateOptions{}))(t)
}

// answers waits until a greeting has its status, ConfigMap and event.
func (g *greeter) answers(t *testing.T, workspace logicalcluster.Path, name, text string, neighbours int64) {
	t.Helper()
	await(t, g.greetings(workspace), only(name, func(u *unstructured.Unstructured) string {
		said, _, _ := unstructured.NestedString(u.Object, "status", "text")
		counted, _, _ := unstructured.NestedInt64(u.Object, "status", "neighbours")
		path, _, _ := unstructured.NestedString(u.Object, "status", "path")
		if said != text || counted != neighbours || path != workspace.String() {
			return "the status is not yet as it should be"
		}
		return ""
	}))
	if note := must(g.in(workspace).CoreV1().ConfigMaps("default").Get(limit(t), name, metav1.GetOptions{}))(t); note.Data["text"] != text {
		t.Errorf("the ConfigMap says %q, want %q", note.Data["text"], text)
	}
	await(t, g.in(workspace).EventsV1().Events("default"), func(events []*eventsv1.Event) string {
		for _, event := range events {
			if event.Regarding.Name == name && event.Note == text {
				return ""
			}
		}
		return "no event tells of it"
	})
}

// awaitLines waits until a process has printed lines, in this order, with others
// between them.
func awaitLines(t *testing.T, process *harness.Process, lines ...string) {
	t.Helper()
	must(process.AwaitLine(limit(t), regexp.MustCompile(`(?s)(?:^|\n)`+strings.Join(lines, `\n(?:.*\n)?`)+`\n`)))(t)
}

// TestControllerMadeForKcp lets a controller made with multicluster-runtime and kcp's
// provider for it serve workspaces that come and go.
func TestControllerMadeForKcp(t *testing.T) {
	plugins := clientsOfKcp(t)
	t.Parallel()
	h := theHub(t)
	org := h.workspace(t, root, "greeted")
	provider := offerGreetings(t, h, plugins, org)
	one, two := h.workspace(t, org, "one"), h.workspace(t, org, "two")
	idOfOne, idOfTwo := h.id(t, one).String(), h.id(t, two).String()
	g := &greeter{hub: h, plugins: plugins, export: provider.Join("greetings").String()}
	g.joins(t, one)
	g.asks(t, one, "same", "one")
	g.Process = startGreeter(t, h, plugins, "greeter", provider, "-endpointslice", "greetings")

	// What is there at the start, and what comes later under an equal name.
	awaitLines(t, g.Process, "engaged "+idOfOne)
	g.answers(t, one, "same", "hello one", 1)
	g.joins(t, two)
	awaitLines(t, g.Process, "engaged "+idOfTwo)
	g.asks(t, two, "same", "two")
	g.answers(t, two, "same", "hello two", 1)
	g.asks(t, one, "other", "another")
	g.answers(t, one, "other", "hello another", 2)

	// What users change, of the greeting and of what belongs to it.
	must(g.greetings(one).Patch(limit(t), "same", types.MergePatchType, []byte(`{"spec":{"name":"you"}}`), metav1.PatchOptions{}))(t)
	g.answers(t, one, "same", "hello you", 2)
	notes := h.in(two).CoreV1().ConfigMaps("default")
	if err := notes.Delete(limit(t), "same", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, notes, there[*corev1.ConfigMap]("same"))

	// Who unbinds is left alone, and may come back; a workspace that goes is gone.
	kubectl(t, h.login(t, two), "delete", "apibinding", "greetings", "--timeout=60s")
	awaitLines(t, g.Process, "engaged "+idOfTwo, "disengaged "+idOfTwo)
	g.joins(t, two)
	awaitLines(t, g.Process, "disengaged "+idOfTwo, "engaged "+idOfTwo)
	g.asks(t, two, "again", "two again")
	g.answers(t, two, "again", "hello two again", 1)
	kubectl(t, h.login(t, org), "ws", "delete", two.Base(), "--timeout=60s")
	awaitLines(t, g.Process, "disengaged "+idOfTwo, "engaged "+idOfTwo, "disengaged "+idOfTwo)
	g.asks(t, one, "last", "last")
	g.answers(t, one, "last", "hello last", 3)

	for _, engaged := range regexp.MustCompile(`(?m)^engaged (.*)$`).FindAllStringSubmatch(must(g.Output())(t), -1) {
		if engaged[1] != idOfOne && engaged[1] != idOfTwo {
			t.Errorf("it was shown workspace %s, which has not bound the export", engaged[1])
		}
	}
}

// TestInitializerMadeForKcp lets a controller made with kcp's provider for initializers
// prepare workspaces, one of which waited for it.
func TestInitializerMadeForKcp(t *testing.T) {
	plugins := clientsOfKcp(t)
	t.Parallel()
	h := theHub(t)
	platform := h.workspace(t, root, "welcoming")
	admin := h.login(t, platform)
	must(world.KubectlInput(limit(t), admin, welcomedType, "create", "-f", "-"))(t)
	workspaces := client.Workspaces(h.admin, platform)
	create := func(name string) {
		t.Helper()
		asked := &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		asked.Spec.Type = &tenancyv1alpha1.WorkspaceTypeReference{Path: platform.String(), Name: "welcomed"}
		must(workspaces.Create(limit(t), asked, metav1.CreateOptions{}))(t)
	}
	create("early")
	welcome := startGreeter(t, h, plugins, "welcome", platform, "-workspacetype", "welcomed")
	await(t, workspaces, only("early", ready))
	create("late")
	await(t, workspaces, only("late", ready))
	for _, name := range []string{"early", "late"} {
		path := platform.Join(name)
		note := must(h.in(path).CoreV1().ConfigMaps("default").Get(limit(t), "welcome", metav1.GetOptions{}))(t)
		if note.Data["path"] != path.String() {
			t.Errorf("%s was welcomed to %q", path, note.Data["path"])
		}
		awaitLines(t, welcome, "engaged "+h.id(t, path).String(), "disengaged "+h.id(t, path).String())
	}
}

// alike are commands of which kcp's plugins print what ours print. ORG is the path
// of a workspace, PROVIDER of one that exports greetings.
var alike = []string{
	"ws .",
	"create workspace team --enter",
	"create workspace web --type root:universal",
	"create workspace web --type root:universal --ignore-existing",
	"ws current --short",
	"ws use :ORG",
	"ws tree",
	"ws tree --full",
	"ws nothing",
	"ws team:web",
	"ws -",
	"ws create-context kept",
	"ws create-context kept",
	"ws create-context kept --overwrite",
	"ws ORG:team",
	"ws",
	"ws :ORG",
	"kcp bind apiexport PROVIDER:greetings --accept-permission-claim configmaps.core --reject-permission-claim events.core",
	"get apibinding greetings -o jsonpath={.spec}",
	"kcp workspace :ORG:team",
}

// TestPluginsOfKcp does with kcp's own plugins of kubectl what people do with ours,
// and compares what they see.
func TestPluginsOfKcp(t *testing.T) {
	plugins := clientsOfKcp(t)
	t.Parallel()
	h := theHub(t)
	provider := offerGreetings(t, h, plugins, h.workspace(t, root, "exporter"))
	theirs, ours := h.workspace(t, root, "theirs"), h.workspace(t, root, "ours")
	kcp, own := person{plugins, h.login(t, theirs)}, person{world.Bin, h.login(t, ours)}

	inTheirs := strings.NewReplacer("PROVIDER", provider.String(), "ORG", theirs.String())
	inOurs := strings.NewReplacer("PROVIDER", provider.String(), "ORG", ours.String(), "kcp workspace", "ws", "kcp ", "atrium ")
	// What ours say more: the way out.
	asTheirs := strings.NewReplacer(": 'kubectl ws tree' shows those there are", "", ours.Base(), theirs.Base())
	for _, line := range alike {
		wanted, wantedOK := own.does(t, "", strings.Fields(inOurs.Replace(line))...)
		got, ok := kcp.does(t, "", strings.Fields(inTheirs.Replace(line))...)
		if diff := cmp.Diff(asTheirs.Replace(wanted), got); diff != "" || ok != wantedOK {
			t.Errorf("kubectl %s (-ours +theirs), success %v and %v:\n%s", line, wantedOK, ok, diff)
		}
	}

	// Theirs has a blank line more, and an older heading of claims.
	wanted, _ := own.does(t, greetingsCRD, "atrium", "crd", "snapshot", "-f", "-", "--prefix", "x")
	got, _ := kcp.does(t, greetingsCRD, "kcp", "crd", "snapshot", "-f", "-", "--prefix", "x")
	if diff := cmp.Diff(wanted, strings.ReplaceAll(got, "\n\n", "\n")); diff != "" {
		t.Errorf("the snapshot (-ours +theirs):\n%s", diff)
	}
	kcp.succeeds(t, "ws", ":"+theirs.String())
	for _, name := range [][]string{nil, {"greetings"}} {
		shown := kcp.succeeds(t, append([]string{"kcp", "claims", "get", "apibinding"}, name...)...)
		if !shows(shown, "greetings -configmaps Accepted") || !shows(shown, "greetings -events Rejected") {
			t.Errorf("the claims of %q show as %s", name, shown)
		}
	}

	// What theirs asks for is answered with ours.
	kcp.succeeds(t, "ws", "create", "asked", "--enter")
	kcp.succeeds(t, "kcp", "bind", "apiexport", provider.Join("greetings").String(), "--accept-permission-claim", "events.core")
	const warning = "Warning: claim for configmaps exported but not specified on APIBinding greetings"
	mentions(t, kcp.succeeds(t, "ws", ".."), "Current workspace is '"+theirs.String()+"'.")
	mentions(t, kcp.succeeds(t, "ws", "asked"), warning)
	kcp.succeeds(t, "atrium", "claims", "accept", "greetings", "--resource", "configmaps")
	if shown := kcp.succeeds(t, "ws", ":"+theirs.String()+":asked"); strings.Contains(shown, "Warning") {
		t.Errorf("it still warns: %s", shown)
	}
}
