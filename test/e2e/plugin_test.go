package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// TestPluginsOfKubectl leads workspaces from creation to deletion with kubectl,
// which finds the plugins by their names.
func TestPluginsOfKubectl(t *testing.T) {
	t.Parallel()
	h := theHub(t)
	org := h.workspace(t, root, "plugin")
	login := h.login(t, org)

	mentions(t, kubectl(t, login, "create", "workspace", "team", "--enter"),
		`Workspace "team" (type root:universal) is ready to use.`, "Current workspace is '"+org.String()+":team'")
	mentions(t, kubectl(t, login, "create", "workspace", "team", "-w", "..", "--ignore-existing"), "already exists")
	kubectl(t, login, "ws", "create", "web")
	mentions(t, kubectl(t, login, "ws", "tree", "--wide", "-w", ".."), "team ws=Ready lc=Ready", "web ws=Ready lc=Ready")
	if got, want := kubectl(t, login, "ws", "find", org.Base()+":team:we"), org.String()+":team:web\n"; got != want {
		t.Errorf("found %q, want %q", got, want)
	}
	mentions(t, kubectl(t, login, "__complete", "ws", "..:te"), "..:team\n")
	mentions(t, kubectl(t, login, "__complete", "ws", "create", "x", "--type", "uni"), "universal\n")

	mentions(t, kubectlFails(t, login, "ws", "delete", ".."), "you are in workspace")
	mentions(t, kubectlFails(t, login, "ws", "-i"), "needs a terminal")
	mentions(t, kubectl(t, login, "ws", ".."), org.String())
	mentions(t, kubectl(t, login, "ws", "delete", "team"), `Workspace "`+org.String()+`:team" deleted.`)
	mentions(t, kubectlFails(t, login, "ws", "team"), "not found")
	mentions(t, kubectl(t, login, "ws", "delete", "team", "--ignore-not-found"), "")
}

// TestPluginTellsWhatHoldsAWorkspace deletes one that somebody has put a
// finalizer into.
func TestPluginTellsWhatHoldsAWorkspace(t *testing.T) {
	t.Parallel()
	h := theHub(t)
	org := h.workspace(t, root, "held")
	held := h.workspace(t, org, "held")
	notes := h.in(held).CoreV1().ConfigMaps("default")
	must(notes.Create(limit(t), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "note", Finalizers: []string{"example.io/guard"}}}, metav1.CreateOptions{}))(t)
	login := h.login(t, org)

	mentions(t, kubectlFails(t, login, "ws", "delete", held.Base(), "--timeout=5s"),
		"is not gone after 5s", "1 configmaps", "default/note", "example.io/guard", "goes on by itself")
	must(notes.Patch(limit(t), "note", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}))(t)
	kubectl(t, login, "ws", "delete", held.Base(), "--ignore-not-found", "--timeout=60s")
	mentions(t, kubectlFails(t, login, "ws", held.Base()), "not found")
}

// TestPluginOfAStranger is what somebody without rights gets to see.
func TestPluginOfAStranger(t *testing.T) {
	t.Parallel()
	h := theHub(t)
	org := h.workspace(t, root, "closed")
	config := must(clientcmd.LoadFromFile(h.login(t, org)))(t)
	config.AuthInfos = map[string]*clientcmdapi.AuthInfo{"nobody": {Token: "nobody-token"}}
	config.Contexts[config.CurrentContext].AuthInfo = "nobody"
	login := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, login); err != nil {
		t.Fatal(err)
	}
	before := must(os.ReadFile(login))(t)

	mentions(t, kubectlFails(t, login, "ws", ":"+org.String()), "denied")
	mentions(t, kubectlFails(t, login, "ws", ":"+org.String()+"-not"), "denied")
	mentions(t, kubectlFails(t, login, "create", "workspace", "x"), "forbidden")
	mentions(t, kubectlFails(t, login, "ws", "delete", ":"+org.String()), "forbidden")
	mentions(t, kubectlFails(t, login, "ws", "tree"), "forbidden")
	if shown := kubectl(t, login, "__complete", "ws", ":"+org.String()+":"); strings.Contains(shown, org.Base()) {
		t.Errorf("completion shows %q", shown)
	}
	if after := must(os.ReadFile(login))(t); string(after) != string(before) {
		t.Errorf("the kubeconfig was changed to %s", after)
	}
}
