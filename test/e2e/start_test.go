package e2e

import (
	"bytes"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
	"github.com/atriumhub/atrium/test/harness"
)

// TestStartRefuses lists the starts that cannot work. Each says what is wrong
// and what to do, and is told apart from the others.
func TestStartRefuses(t *testing.T) {
	t.Parallel()
	shared := theHub(t)
	taken := must(net.Listen("tcp4", "127.0.0.1:0"))(t)
	t.Cleanup(func() { taken.Close() })
	port := taken.Addr().(*net.TCPAddr).Port
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "not a directory")
	unwritable := filepath.Join(t.TempDir(), "odd")
	write(t, filepath.Join(unwritable, "etcd"), "a file where the data should be")
	garbage := filepath.Join(t.TempDir(), "garbage")
	write(t, filepath.Join(garbage, "etcd", "member", "snap", "db"), string(bytes.Repeat([]byte("garbage!"), 8192)))

	cases := []struct {
		name string
		args []string
		want []string
		not  string
	}{
		{"the directory of a running hub", []string{"--root-dir", shared.Dir}, []string{shared.Dir, "in use by another hub", strconv.Itoa(shared.Pid()), "--root-dir"}, "writable"},
		{"a taken port", []string{"--root-dir", t.TempDir(), "--secure-port", strconv.Itoa(port)}, []string{strconv.Itoa(port), "taken", "--secure-port"}, "writable"},
		{"a directory that cannot be made", []string{"--root-dir", "/proc/atrium"}, []string{"/proc/atrium", "not writable", "--root-dir"}, "corrupt"},
		{"a file in place of the directory", []string{"--root-dir", file}, []string{file, "not writable", "--root-dir"}, "corrupt"},
		{"a file in place of the data", []string{"--root-dir", unwritable}, []string{unwritable, "not writable"}, "corrupt"},
		{"data that is none", []string{"--root-dir", garbage}, []string{garbage, "corrupt", "backup"}, "writable"},
		{"a port that is none", []string{"--root-dir", t.TempDir(), "--secure-port", "70000"}, []string{"--secure-port", "70000"}, "taken"},
		{"an address that is none", []string{"--root-dir", t.TempDir(), "--bind-address", "localhost"}, []string{"--bind-address", "localhost"}, "taken"},
		{"a name that is none", []string{"--root-dir", t.TempDir(), "--external-hostname", "a b"}, []string{"--external-hostname", "a b"}, "taken"},
		{"a path that is none", []string{"--root-dir", t.TempDir(), "--authorization-always-allow-paths", "foo"}, []string{"--authorization-always-allow-paths", "begins with /"}, "taken"},
		{"no such token file", []string{"--root-dir", t.TempDir(), "--token-auth-file", "/nowhere/tokens.csv"}, []string{"/nowhere/tokens.csv"}, "corrupt"},
		{"an unknown flag", []string{"--rootdir", t.TempDir()}, []string{"--rootdir"}, "corrupt"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			said := startFails(t, c.args...)
			mentions(t, said, c.want...)
			if bytes.Contains([]byte(said), []byte(c.not)) {
				t.Errorf("%q should not speak of %q", said, c.not)
			}
		})
	}
}

// startFails starts a hub that has to fail, and returns what it says.
func startFails(t *testing.T, args ...string) string {
	t.Helper()
	program, _ := world.Program(harness.Atrium)
	command := harness.Command{Program: program, Args: append([]string{"start", "--secure-port", "0"}, args...)}
	out, err := command.Run(limit(t))
	if err == nil {
		t.Fatalf("%s succeeded: %s", command, out)
	}
	return harness.Stderr(err)
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// page is the unit of the database's file.
const page = 4096

// TestDamagedData damages the database of a hub that has worked.
func TestDamagedData(t *testing.T) {
	t.Parallel()
	for _, damage := range []struct {
		name string
		do   func(db string, content []byte) error
	}{
		{"cut off", func(db string, content []byte) error { return os.WriteFile(db, content[:5*page], 0o600) }},
		{"overwritten", func(db string, content []byte) error {
			return os.WriteFile(db, append(bytes.Repeat([]byte{0xA5}, 3*page), content[3*page:]...), 0o600)
		}},
	} {
		t.Run(damage.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(stoppedHub(t))); err != nil {
				t.Fatal(err)
			}
			db := filepath.Join(dir, "etcd", "member", "snap", "db")
			if err := damage.do(db, must(os.ReadFile(db))(t)); err != nil {
				t.Fatal(err)
			}
			mentions(t, startFails(t, "--root-dir", dir), "corrupt", "backup", filepath.Join(dir, "etcd"))
		})
	}
}

// stoppedHub returns the directory of a hub that has worked and stopped.
func stoppedHub(t *testing.T) string {
	t.Helper()
	h := must(startHub(limit(t), "damaged"))(t)
	if err := h.Stop(); err != nil {
		t.Fatal(err)
	}
	// The socket of a running hub would be no file to copy.
	err := filepath.WalkDir(h.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type()&fs.ModeSocket != 0 {
			t.Errorf("%s was left behind", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return h.Dir
}

// TestTokenUsers logs in with a token from the file of --token-auth-file.
func TestTokenUsers(t *testing.T) {
	t.Parallel()
	h := theHub(t)
	team := h.workspace(t, root, "tokens")
	alice := h.as(t, "alice-token").Kubernetes(team)

	_, err := alice.CoreV1().ConfigMaps("default").List(limit(t), metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("without rights: %v", err)
	}
	errorMentions(t, err, "alice", team.String())

	stranger := h.as(t, "no-such-token").Kubernetes(team)
	if _, err := stranger.CoreV1().ConfigMaps("default").List(limit(t), metav1.ListOptions{}); !apierrors.IsUnauthorized(err) {
		t.Errorf("with an unknown token: %v", err)
	}

	h.letIn(t, team, "alice")
	if _, err := alice.CoreV1().ConfigMaps("default").List(limit(t), metav1.ListOptions{}); err != nil {
		t.Errorf("with the right to read: %v", err)
	}
	if _, err := alice.CoreV1().ConfigMaps("default").Create(limit(t), note("x"), metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("without the right to write: %v", err)
	}

	h.grant(t, team, "alice")
	if _, err := alice.CoreV1().ConfigMaps("default").Create(limit(t), note("x"), metav1.CreateOptions{}); err != nil {
		t.Errorf("as the owner: %v", err)
	}
}

// letIn gives a user the right to enter a workspace and to read it.
func (h *hub) letIn(t *testing.T, workspace logicalcluster.Path, user string) {
	t.Helper()
	rbac := h.in(workspace).RbacV1()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "visitor"}, Rules: []rbacv1.PolicyRule{
		{NonResourceURLs: []string{"/"}, Verbs: []string{"access"}},
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "list"}},
	}}
	must(rbac.ClusterRoles().Create(limit(t), role, metav1.CreateOptions{}))(t)
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "visitor"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	must(rbac.ClusterRoleBindings().Create(limit(t), binding, metav1.CreateOptions{}))(t)
}
