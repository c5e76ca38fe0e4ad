package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
	"github.com/atriumhub/atrium/test/harness"
)

const (
	root    = logicalcluster.Path("root")
	compute = logicalcluster.Path("root:compute")

	// patience is how long anything may take. What is being waited for takes a
	// second or two, but not on a machine that does other things as well.
	patience = 90 * time.Second
)

// tokens is the token file of every hub: users without any rights of their own.
const tokens = `alice-token,alice,1
mallory-token,mallory,2
nobody-token,nobody,3
`

// hub is a hub and a connection to it as its administrator.
type hub struct {
	*harness.Hub
	admin *client.Hub
}

func startHub(ctx context.Context, name string, args ...string) (*hub, error) {
	file := world.Path(name + "-tokens.csv")
	if err := os.WriteFile(file, []byte(tokens), 0o600); err != nil {
		return nil, err
	}
	started, err := world.StartHub(ctx, harness.HubOptions{Name: name, Args: append(args, "--token-auth-file", file)})
	if err != nil {
		return nil, err
	}
	admin, err := started.Client()
	return &hub{Hub: started, admin: admin}, err
}

// ownHub starts a hub for one test.
func ownHub(t *testing.T, name string, args ...string) *hub {
	t.Helper()
	h := must(startHub(limit(t), name, args...))(t)
	t.Cleanup(func() {
		if err := h.Stop(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// limit is a context for one wait.
func limit(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// await waits until judge finds nothing wrong with the objects.
func await[T metav1.Object, L runtime.Object](t *testing.T, from harness.Collection[L], judge func([]T) string) {
	t.Helper()
	if err := harness.Await(limit(t), from, judge); err != nil {
		t.Fatal(err)
	}
}

// only applies a judgement to the object of that name, which has to be there.
func only[T metav1.Object](name string, judge func(T) string) func([]T) string {
	return func(found []T) string {
		for _, object := range found {
			if object.GetName() == name {
				return judge(object)
			}
		}
		return name + " is not there"
	}
}

// there is content when there is an object of that name.
func there[T metav1.Object](name string) func([]T) string {
	return only(name, func(T) string { return "" })
}

// gone is content when there is no object of that name.
func gone[T metav1.Object](name string) func([]T) string {
	return func(found []T) string {
		for _, object := range found {
			if object.GetName() == name {
				return name + " is still there"
			}
		}
		return ""
	}
}

// in is a Kubernetes client for a workspace, as the administrator.
func (h *hub) in(workspace logicalcluster.Path) kubernetes.Interface {
	return h.admin.Kubernetes(workspace)
}

// workspace makes a workspace below parent and waits until it is ready. Its name
// begins with name; the rest makes it this test's own.
func (h *hub) workspace(t *testing.T, parent logicalcluster.Path, name string) logicalcluster.Path {
	t.Helper()
	workspaces := client.Workspaces(h.admin, parent)
	asked := &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{GenerateName: name + "-"}}
	made := must(workspaces.Create(limit(t), asked, metav1.CreateOptions{}))(t)
	await(t, workspaces, only(made.Name, ready))
	return parent.Join(made.Name)
}

func ready(w *tenancyv1alpha1.Workspace) string {
	if w.Status.Phase != corev1alpha1.LogicalClusterPhaseReady {
		return "workspace " + w.Name + " is in phase " + string(w.Status.Phase)
	}
	return ""
}

// id is the name (the ID) behind the path of a workspace.
func (h *hub) id(t *testing.T, workspace logicalcluster.Path) logicalcluster.Name {
	t.Helper()
	own := must(client.LogicalClusters(h.admin, workspace).Get(limit(t), corev1alpha1.LogicalClusterName, metav1.GetOptions{}))(t)
	return logicalcluster.From(own)
}

// as is a connection with a bearer token.
func (h *hub) as(t *testing.T, token string) *client.Hub {
	t.Helper()
	return must(client.New(h.config(t, token)))(t)
}

func (h *hub) config(t *testing.T, token string) *rest.Config {
	t.Helper()
	admin := must(clientcmd.BuildConfigFromFlags("", h.Kubeconfig))(t)
	return client.Unthrottled(&rest.Config{
		Host: h.URL, BearerToken: token,
		TLSClientConfig: rest.TLSClientConfig{CAData: admin.CAData},
	})
}

// grant makes user the administrator of a workspace, and of nothing else.
func (h *hub) grant(t *testing.T, workspace logicalcluster.Path, user string) {
	t.Helper()
	must(h.in(workspace).RbacV1().ClusterRoleBindings().Create(limit(t), ownerBinding(user), metav1.CreateOptions{}))(t)
}

func ownerBinding(user string) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "owner-" + user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
}

// login writes a kubeconfig of the administrator for a workspace.
func (h *hub) login(t *testing.T, workspace logicalcluster.Path) string {
	t.Helper()
	return must(h.Login(filepath.Join(t.TempDir(), "kubeconfig"), workspace))(t)
}

// kubectl runs kubectl and returns what it printed. It ends the test on failure.
func kubectl(t *testing.T, kubeconfig string, args ...string) string {
	t.Helper()
	return must(world.Kubectl(limit(t), kubeconfig, args...))(t)
}

// kubectlFails runs kubectl, which has to fail, and returns what it said.
func kubectlFails(t *testing.T, kubeconfig string, args ...string) string {
	t.Helper()
	out, err := world.Kubectl(limit(t), kubeconfig, args...)
	if err == nil {
		t.Fatalf("kubectl %s succeeded: %s", strings.Join(args, " "), out)
	}
	return harness.Stderr(err)
}

// mentions fails the test unless text contains all the words.
func mentions(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%q should mention %q", text, word)
		}
	}
}

// errorMentions is mentions for an error that has to be there.
func errorMentions(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; it should mention %q", words)
		return
	}
	mentions(t, err.Error(), words...)
}
