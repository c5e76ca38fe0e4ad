package cli

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const kubeconfig = `apiVersion: v1
kind: Config
current-context: %[1]s
clusters:
- name: %[1]s
  cluster: {server: "https://%[1]s/clusters/root", certificate-authority: ca.crt}
contexts:
- name: %[1]s
  context: {cluster: %[1]s, user: %[1]s}
users:
- name: %[1]s
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1, command: login, args: [--hub], interactiveMode: Never}
- name: old-%[1]s
  user:
    auth-provider: {name: oidc, config: {idp-issuer-url: "https://idp"}}
`

// files writes kubeconfigs into a folder and points $KUBECONFIG to them.
func files(t *testing.T, names ...string) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for _, name := range names {
		path := filepath.Join(dir, name, "config")
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, fmt.Appendf(nil, kubeconfig, name), 0o640); err != nil {
			t.Fatal(err)
		}
		authority(t, filepath.Dir(path))
		paths = append(paths, path)
	}
	t.Setenv("KUBECONFIG", strings.Join(paths, string(filepath.ListSeparator)))
	return paths
}

func authority(t *testing.T, dir string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "ca.crt"), []byte("ca"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, options Options) *Session {
	t.Helper()
	session, err := options.Load(Streams{Out: io.Discard, ErrOut: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// with returns the kubeconfig of a session with one more context in it, current
// and made of the current one.
func with(session *Session, name string) *clientcmdapi.Config {
	next := session.Kubeconfig.DeepCopy()
	context := next.Contexts[next.CurrentContext].DeepCopy()
	cluster := next.Clusters[context.Cluster].DeepCopy()
	context.Cluster = name
	next.Contexts[name], next.Clusters[name], next.CurrentContext = context, cluster, name
	return next
}

func contexts(t *testing.T, file string) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return config.CurrentContext + ": " + strings.Join(slices.Sorted(maps.Keys(config.Contexts)), " ")
}

// What is there stays, and relative paths lead where they led.
func TestSaveKeepsTheRest(t *testing.T) {
	file := files(t, "hub")[0]
	session := load(t, Options{})
	if err := session.Save(with(session, "a/b"), true); err != nil {
		t.Fatal(err)
	}
	if got := contexts(t, file); got != "a/b: a/b hub" {
		t.Errorf("contexts are %q", got)
	}
	got, err := clientcmd.LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if ca := got.Clusters["a/b"].CertificateAuthority; ca != "ca.crt" {
		t.Errorf("the path is %q", ca)
	}
	if exec := got.AuthInfos["hub"].Exec; exec == nil || exec.Command != "login" || !slices.Equal(exec.Args, []string{"--hub"}) {
		t.Errorf("the exec user is %v", exec)
	}
	if provider := got.AuthInfos["old-hub"].AuthProvider; provider == nil || provider.Config["idp-issuer-url"] != "https://idp" {
		t.Errorf("the user of the old kind is %v", provider)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(file)); len(left) != 2 {
		t.Errorf("left are %v", left)
	}
}

// New contexts go to the first file, those that exist stay where they are.
func TestSaveToSeveralFiles(t *testing.T) {
	paths := files(t, "one", "two")
	session := load(t, Options{Context: "two"})
	next := with(session, "new")
	next.Clusters["two"].Server = "https://two/clusters/root:a"
	if err := session.Save(next, false); err != nil {
		t.Fatal(err)
	}
	got := contexts(t, paths[0]) + "; " + contexts(t, paths[1])
	if diff := cmp.Diff("one: new one; two: two", got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	two, err := clientcmd.LoadFromFile(paths[1])
	if err != nil || two.Clusters["two"].Server != "https://two/clusters/root:a" {
		t.Errorf("cluster two is %v, %v", two.Clusters["two"], err)
	}
	if two.Clusters["two"].CertificateAuthority != "ca.crt" {
		t.Errorf("the path is %q", two.Clusters["two"].CertificateAuthority)
	}
	// The authority of the other file has to be found from this one.
	one, err := clientcmd.LoadFromFile(paths[0])
	if err != nil || filepath.Join(filepath.Dir(paths[0]), one.Clusters["new"].CertificateAuthority) != filepath.Join(filepath.Dir(paths[1]), "ca.crt") && one.Clusters["new"].CertificateAuthority != filepath.Join(filepath.Dir(paths[1]), "ca.crt") {
		t.Errorf("cluster new is %v, %v", one.Clusters["new"], err)
	}
}

// Plugins at work at the same time do not lose what the others wrote, and
// readers never see half a file.
func TestSaveAtOnce(t *testing.T) {
	file := files(t, "hub")[0]
	stop := make(chan struct{})
	var reader, writers sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			config, err := clientcmd.LoadFromFile(file)
			if err != nil || config.Contexts[config.CurrentContext] == nil || config.Contexts["hub"] == nil {
				t.Errorf("a reader sees %v, %v", config, err)
				return
			}
		}
	})
	var want []string
	for i := range 12 {
		session := load(t, Options{})
		name := fmt.Sprintf("c%02d", i)
		want = append(want, name)
		writers.Go(func() {
			if err := session.Save(with(session, name), true); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	close(stop)
	reader.Wait()
	_, got, _ := strings.Cut(contexts(t, file), ": ")
	if diff := cmp.Diff(strings.Join(append(want, "hub"), " "), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSaveThroughALink(t *testing.T) {
	file := files(t, "hub")[0]
	link := filepath.Join(t.TempDir(), "link")
	authority(t, filepath.Dir(link))
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	session := load(t, Options{Kubeconfig: link})
	if err := session.Save(with(session, "new"), true); err != nil {
		t.Fatal(err)
	}
	if got := contexts(t, file); got != "new: hub new" {
		t.Errorf("contexts are %q", got)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
}

func TestSaveToReadOnlyFile(t *testing.T) {
	file := files(t, "hub")[0]
	if err := os.Chmod(file, 0o400); err != nil {
		t.Fatal(err)
	}
	session := load(t, Options{})
	before := session.Kubeconfig.DeepCopy()
	checkError(t, session.Save(with(session, "new"), true), "is read-only")
	if diff := cmp.Diff(*before, load(t, Options{}).Kubeconfig); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	if left, _ := os.ReadDir(filepath.Dir(file)); len(left) != 2 {
		t.Errorf("left are %v", left)
	}
}

func TestLock(t *testing.T) {
	file := files(t, "hub")[0]
	unlock, err := lock([]string{file, filepath.Join(t.TempDir(), "no", "folder")}, time.Time{})
	checkError(t, err, "")
	_, err = lock([]string{file}, time.Time{})
	checkError(t, err, "another program has been changing")
	unlock()
	unlock, err = lock([]string{file, file}, time.Time{})
	checkError(t, err, "")
	unlock()
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Fatalf("error = %v, want %q", err, want)
	}
}
