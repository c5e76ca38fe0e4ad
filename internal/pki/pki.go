// Package pki makes the few keys and certificates a hub needs, and keeps them
// in files: an authority, a serving certificate, client certificates for the
// administrators, and the secrets behind service account tokens.
//
// Files are made once and kept. Certificates that expire within the renewal
// window are made anew from the same authority, so that a restart is enough to
// renew them and clients that trust the authority notice nothing.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/client-go/util/keyutil"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 365 * 24 * time.Hour
	renewBefore   = 60 * 24 * time.Hour
)

// Authority signs certificates. Its key never leaves dir.
type Authority struct {
	dir  string
	now  time.Time
	cert *x509.Certificate
	key  crypto.Signer
	pem  []byte
}

// Pair is a certificate and its key, PEM encoded, and the files they are in.
type Pair struct {
	CertFile, KeyFile string
	Cert, Key         []byte
}

// Open reads the authority in dir, or makes one. now decides what has expired.
func Open(dir string, now time.Time) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("failed to make %s: %w", dir, err)
	}
	a := &Authority{dir: dir, now: now}
	key, err := loadOrMakeKey(filepath.Join(dir, "ca.key"))
	if err != nil {
		return nil, err
	}
	a.key = key
	if a.pem, err = os.ReadFile(a.CertFile()); errors.Is(err, fs.ErrNotExist) {
		err = a.makeSelf()
	}
	if err != nil {
		return nil, fmt.Errorf("failed to open the certificate authority: %w", err)
	}
	if a.cert, err = parse(a.pem); err != nil {
		return nil, fmt.Errorf("failed to read %s: %w", a.CertFile(), err)
	}
	return a, nil
}

// CertFile is the file that holds the authority's certificate.
func (a *Authority) CertFile() string { return filepath.Join(a.dir, "ca.crt") }

// PEM is the authority's certificate.
func (a *Authority) PEM() []byte { return a.pem }

// Serving returns a serving certificate for the given hosts (names or IPs).
func (a *Authority) Serving(name string, hosts []string) (Pair, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "atrium"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return a.leaf(name, template)
}

// Client returns a client certificate for a user in the given groups.
func (a *Authority) Client(name, user string, groups ...string) (Pair, error) {
	return a.leaf(name, &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

func (a *Authority) leaf(name string, template *x509.Certificate) (Pair, error) {
	pair := Pair{CertFile: filepath.Join(a.dir, name+".crt"), KeyFile: filepath.Join(a.dir, name+".key")}
	key, err := loadOrMakeKey(pair.KeyFile)
	if err != nil {
		return pair, err
	}
	if pair.Key, err = os.ReadFile(pair.KeyFile); err != nil {
		return pair, err
	}
	if pair.Cert, err = os.ReadFile(pair.CertFile); err == nil && a.stillGood(pair.Cert, template, key) {
		return pair, nil
	}
	template.NotAfter = a.now.Add(leafLife)
	if pair.Cert, err = a.sign(template, a.cert, key.Public()); err != nil {
		return pair, fmt.Errorf("failed to sign %s: %w", pair.CertFile, err)
	}
	return pair, write(pair.CertFile, pair.Cert, 0o644)
}

// stillGood reports whether an existing certificate says what template asks,
// was signed by this authority for this key, and lasts.
func (a *Authority) stillGood(encoded []byte, template *x509.Certificate, key crypto.Signer) bool {
	cert, err := parse(encoded)
	if err != nil || cert.CheckSignatureFrom(a.cert) != nil || cert.NotAfter.Before(a.now.Add(renewBefore)) {
		return false
	}
	public, ok := cert.PublicKey.(*ecdsa.PublicKey)
	return ok && public.Equal(key.Public()) &&
		cert.Subject.CommonName == template.Subject.CommonName &&
		slices.Equal(cert.Subject.Organization, template.Subject.Organization) &&
		slices.Equal(cert.DNSNames, template.DNSNames) &&
		slices.EqualFunc(cert.IPAddresses, template.IPAddresses, net.IP.Equal)
}

func (a *Authority) makeSelf() error {
	self := &x509.Certificate{
		Subject:  pkix.Name{CommonName: "atrium-ca"},
		NotAfter: a.now.Add(authorityLife),
		IsCA:     true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	var err error
	if a.pem, err = a.sign(self, self, a.key.Public()); err != nil {
		return err
	}
	return write(a.CertFile(), a.pem, 0o644)
}

func (a *Authority) sign(template, parent *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = a.now.Add(-5 * time.Minute)
	template.KeyUsage |= x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func parse(encoded []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(encoded)
	if block == nil {
		return nil, errors.New("no PEM block")
	}
	return x509.ParseCertificate(block.Bytes)
}

func loadOrMakeKey(file string) (crypto.Signer, error) {
	encoded, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return makeKey(file)
	case err != nil:
		return nil, fmt.Errorf("failed to read key: %w", err)
	}
	parsed, err := keyutil.ParsePrivateKeyPEM(encoded)
	if err != nil {
		return nil, fmt.Errorf("failed to read key %s: %w", file, err)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("key %s cannot sign", file)
	}
	return key, nil
}

func makeKey(file string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	encoded, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return nil, err
	}
	return key, write(file, encoded, 0o600)
}

// write replaces file in one step, so that a crash never leaves half of it.
func write(file string, content []byte, mode fs.FileMode) error {
	next := file + ".next"
	if err := os.WriteFile(next, content, mode); err != nil {
		return fmt.Errorf("failed to write %s: %w", file, err)
	}
	return os.Rename(next, file)
}
