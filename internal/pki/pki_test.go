package pki

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string, now time.Time) *Authority {
	t.Helper()
	a, err := Open(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestClientCertificateVerifies(t *testing.T) {
	a := open(t, t.TempDir(), start)
	pair, err := a.Client("admin", "kcp-admin", "system:kcp:admin")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := parse(pair.Cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.PEM())
	options := x509.VerifyOptions{Roots: roots, CurrentTime: start, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if _, err := cert.Verify(options); err != nil {
		t.Fatalf("the client certificate does not verify: %v", err)
	}
	options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if _, err := cert.Verify(options); err == nil {
		t.Fatal("a client certificate can be used to serve")
	}
}

func TestCertificatesAreKeptUntilTheyMustChange(t *testing.T) {
	dir := t.TempDir()
	hosts := []string{"localhost", "127.0.0.1"}
	serving := func(now time.Time, hosts []string) string {
		pair, err := open(t, dir, now).Serving("serving", hosts)
		if err != nil {
			t.Fatal(err)
		}
		return string(pair.Cert)
	}
	first := serving(start, hosts)
	if again := serving(start.Add(24*time.Hour), hosts); again != first {
		t.Error("a good certificate was replaced")
	}
	if renewed := serving(start.Add(leafLife-renewBefore+time.Hour), hosts); renewed == first {
		t.Error("a certificate about to expire was kept")
	}
	other := serving(start, hosts)
	if moved := serving(start, append(hosts, "10.1.2.3")); moved == other {
		t.Error("a certificate without the new host was kept")
	}
}

func TestBrokenFilesAreNamed(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, start)
	if err := os.WriteFile(filepath.Join(dir, "ca.crt"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, start); err == nil {
		t.Fatal("a broken authority was accepted")
	}
}
