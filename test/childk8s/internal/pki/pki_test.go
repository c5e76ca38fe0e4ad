package pki

import (
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	serviceIP = net.IPv4(10, 0, 0, 1)
	start     = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
)

func TestLeavesVerifyAgainstTheirAuthority(t *testing.T) {
	dir := ensure(t, t.TempDir(), start)
	cases := []struct {
		name, authority string
		usage           x509.ExtKeyUsage
		user            string
		groups          []string
	}{
		{APIServer, CA, x509.ExtKeyUsageServerAuth, "kube-apiserver", nil},
		{Kubelet, CA, x509.ExtKeyUsageServerAuth, "kubelet", nil},
		{Admin, CA, x509.ExtKeyUsageClientAuth, "kubernetes-admin", []string{"system:masters"}},
		{ControllerManager, CA, x509.ExtKeyUsageClientAuth, "system:kube-controller-manager", nil},
		{Scheduler, CA, x509.ExtKeyUsageClientAuth, "system:kube-scheduler", nil},
		{FrontProxyClient, FrontProxyCA, x509.ExtKeyUsageClientAuth, "front-proxy-client", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cert := read(t, dir, c.name)
			roots := x509.NewCertPool()
			roots.AddCert(read(t, dir, c.authority))
			_, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: start, KeyUsages: []x509.ExtKeyUsage{c.usage}})
			if err != nil {
				t.Fatalf("does not verify: %v", err)
			}
			if cert.Subject.CommonName != c.user || !cmp.Equal(cert.Subject.Organization, c.groups) {
				t.Errorf("is %s, want user %s of groups %v", cert.Subject, c.user, c.groups)
			}
		})
	}
}

func TestFrontProxyClientIsNoClusterUser(t *testing.T) {
	dir := ensure(t, t.TempDir(), start)
	roots := x509.NewCertPool()
	roots.AddCert(read(t, dir, CA))
	_, err := read(t, dir, FrontProxyClient).Verify(x509.VerifyOptions{Roots: roots, CurrentTime: start, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err == nil {
		t.Fatal("the cluster's authority vouches for the front proxy's client")
	}
}

func TestAPIServerAnswersAtItsAddresses(t *testing.T) {
	cert := read(t, ensure(t, t.TempDir(), start), APIServer)
	for _, host := range []string{"127.0.0.1", "10.0.0.1", "localhost", "kubernetes.default.svc"} {
		if err := cert.VerifyHostname(host); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if cert.VerifyHostname("192.168.0.1") == nil {
		t.Error("answers for an address it does not have")
	}
}

func TestEnsureKeepsWhatIsGood(t *testing.T) {
	path := t.TempDir()
	before := files(t, string(ensure(t, path, start)))
	after := files(t, string(ensure(t, path, start.Add(leafLifetime-renewBefore-time.Hour))))
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("a restart changed files: %s", diff)
	}
}

func TestEnsureRenewsOnlyLeaves(t *testing.T) {
	path := t.TempDir()
	before := files(t, string(ensure(t, path, start)))
	after := files(t, string(ensure(t, path, start.Add(leafLifetime))))
	for name, text := range after {
		isAuthority := strings.HasPrefix(name, CA+".") || strings.HasPrefix(name, FrontProxyCA+".") || strings.HasPrefix(name, ServiceAccounts+".")
		if isAuthority != (text == before[name]) {
			t.Errorf("%s: kept = %v, want %v", name, text == before[name], isAuthority)
		}
	}
}

func TestEnsureRenewsForAnotherServiceIP(t *testing.T) {
	path := t.TempDir()
	ensure(t, path, start)
	dir, err := Ensure(path, net.IPv4(10, 9, 0, 1), start)
	if err != nil {
		t.Fatal(err)
	}
	if err := read(t, dir, APIServer).VerifyHostname("10.9.0.1"); err != nil {
		t.Error(err)
	}
}

func TestEnsureRefusesDamagedAuthority(t *testing.T) {
	path := t.TempDir()
	dir := ensure(t, path, start)
	if err := os.WriteFile(dir.Key(CA), []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Ensure(path, serviceIP, start)
	if err == nil || !strings.Contains(err.Error(), dir.Key(CA)) {
		t.Fatalf("want an error that names %s, got %v", dir.Key(CA), err)
	}
}

func TestKeysArePrivate(t *testing.T) {
	dir := ensure(t, t.TempDir(), start)
	keys, err := filepath.Glob(filepath.Join(string(dir), "*.key"))
	if err != nil || len(keys) == 0 {
		t.Fatalf("no keys: %v", err)
	}
	for _, key := range keys {
		info, err := os.Stat(key)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", key, info.Mode())
		}
	}
}

func ensure(t *testing.T, path string, now time.Time) Dir {
	t.Helper()
	dir, err := Ensure(path, serviceIP, now)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func read(t *testing.T, dir Dir, name string) *x509.Certificate {
	t.Helper()
	cert, _, err := readPair(dir.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		texts[entry.Name()] = string(text)
	}
	return texts
}
