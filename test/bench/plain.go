package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/atriumhub/atrium/test/harness"
)

const (
	// Users of the plain API server, by their tokens: one that nothing is asked
	// of, and one who may do everything because a role says so, like the
	// administrator of a workspace.
	plainRoot, plainAdmin = "root-token", "admin-token"
	// readyPause is between two questions whether the plain API server is ready.
	readyPause = 50 * time.Millisecond
	// readyLimit is how long that may take.
	readyLimit = 2 * time.Minute
)

var etcdReady = regexp.MustCompile(`ready to serve client requests`)

// startEtcd starts an etcd that writes to disk before it acknowledges, and
// returns its address.
func (l *lab) startEtcd(ctx context.Context, name string) (string, error) {
	clients, err := freeURL("http")
	if err != nil {
		return "", err
	}
	peers, err := freeURL("http")
	if err != nil {
		return "", err
	}
	process, err := l.world.Start(name, harness.ChildK8s, "etcd", "--name", name, "--data-dir", l.world.Path(name),
		"--listen-client-urls", clients, "--advertise-client-urls", clients,
		"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", name+"="+peers)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	_, err = process.AwaitLine(ctx, etcdReady)
	return clients, err
}

func freeURL(scheme string) (string, error) {
	port, err := harness.FreePort()
	return fmt.Sprintf("%s://127.0.0.1:%d", scheme, port), err
}

// startPlain starts a kube-apiserver, and nothing else of Kubernetes, and
// returns a client for it.
func (l *lab) startPlain(ctx context.Context, etcd string) (kubernetes.Interface, error) {
	key, tokens := l.world.Path("plain.key"), l.world.Path("plain.tokens")
	if err := writeKey(key); err != nil {
		return nil, err
	}
	users := fmt.Sprintf("%s,root,root,system:masters\n%s,admin,admin,admins\n", plainRoot, plainAdmin)
	if err := os.WriteFile(tokens, []byte(users), 0o600); err != nil {
		return nil, fmt.Errorf("failed to write tokens: %w", err)
	}
	port, err := harness.FreePort()
	if err != nil {
		return nil, err
	}
	process, err := l.world.Start("plain", harness.ChildK8s, "kube-apiserver",
		"--bind-address", "127.0.0.1", "--secure-port", strconv.Itoa(port), "--cert-dir", l.world.Path("plain"),
		"--etcd-servers", etcd, "--token-auth-file", tokens, "--authorization-mode", "RBAC",
		"--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", key,
		"--service-account-signing-key-file", key, "--service-cluster-ip-range", "10.0.0.0/16", "--endpoint-reconciler-type", "none")
	if err != nil {
		return nil, err
	}
	config := func(token string) *rest.Config {
		return ownConnection(&rest.Config{
			Host: fmt.Sprintf("https://127.0.0.1:%d", port), BearerToken: token,
			TLSClientConfig: rest.TLSClientConfig{Insecure: true}, // its certificate is made at the start
		})
	}
	if err := admit(ctx, process, config(plainRoot)); err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config(plainAdmin))
}

// admit waits until the plain API server is ready and gives the administrators
// their role.
func admit(ctx context.Context, process *harness.Process, config *rest.Config) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyLimit, fmt.Errorf("the plain kube-apiserver was not ready within %s", readyLimit))
	defer cancel()
	cluster, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	for cluster.CoreV1().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() != nil {
		select {
		case <-process.Done():
			return fmt.Errorf("the plain kube-apiserver ended: %s", process.LogTail(1))
		default:
		}
		if err := pause(ctx, readyPause); err != nil {
			return err
		}
	}
	_, err = cluster.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "admins"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: "admins"}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("failed to admit the administrators: %w", err)
	}
	return nil
}

// writeKey makes the key that the API server would sign service accounts' tokens
// with.
func writeKey(file string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("failed to make a key: %w", err)
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		return fmt.Errorf("failed to write a key: %w", err)
	}
	return nil
}
