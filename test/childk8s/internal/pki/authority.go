package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"time"
)

const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	leafLifetime      = 365 * 24 * time.Hour
	renewBefore       = 30 * 24 * time.Hour

	// backdate lets a certificate made now be accepted by a process whose clock is a little behind.
	backdate = 5 * time.Minute
)

// authority is a certificate that signs others, with its key.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// ensureAuthority loads the authority at path.crt and path.key, or makes it if there is none (P2). The key alone is
// what a kill during makeAuthority leaves, and counts as none.
func ensureAuthority(path, commonName string, now time.Time) (*authority, error) {
	if _, err := os.Stat(path + ".crt"); errors.Is(err, fs.ErrNotExist) {
		return makeAuthority(path, commonName, now)
	}
	cert, key, err := readPair(path)
	if err != nil {
		return nil, fmt.Errorf("failed to read the certificate authority: %w", err)
	}
	if !cert.IsCA || now.After(cert.NotAfter) {
		return nil, fmt.Errorf("%s.crt is not a certificate authority, or has expired: delete the directory to begin anew", path)
	}
	return &authority{cert: cert, key: key}, nil
}

func makeAuthority(path, commonName string, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("failed to generate the key of %s: %w", commonName, err)
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityLifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	cert, err := sign(template, template, key, key)
	if err != nil {
		return nil, fmt.Errorf("failed to sign %s: %w", commonName, err)
	}
	return &authority{cert: cert, key: key}, writePair(path, cert, key)
}

// ensureLeaf keeps the certificate at path.crt when P1 holds for it, and makes it anew otherwise.
func (a *authority) ensureLeaf(path string, leaf leaf, now time.Time) error {
	cert, _, err := readPair(path)
	if err == nil && a.covers(cert, leaf, now) {
		return nil
	}
	if err := a.issue(path, leaf, now); err != nil {
		return fmt.Errorf("failed to issue the certificate of %s: %w", leaf.commonName, err)
	}
	return nil
}

func (a *authority) issue(path string, leaf leaf, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := serialNumber()
	if err != nil {
		return err
	}
	template := leaf.template()
	template.SerialNumber = serial
	template.NotBefore = now.Add(-backdate)
	template.NotAfter = now.Add(leafLifetime)
	cert, err := sign(template, a.cert, key, a.key)
	if err != nil {
		return err
	}
	return writePair(path, cert, key)
}

// covers says whether cert may stay in use as this leaf.
func (a *authority) covers(cert *x509.Certificate, leaf leaf, now time.Time) bool {
	if cert.CheckSignatureFrom(a.cert) != nil || now.Add(renewBefore).After(cert.NotAfter) {
		return false
	}
	return leaf.matches(cert)
}

func sign(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func serialNumber() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("failed to draw a serial number: %w", err)
	}
	return serial.Add(serial, big.NewInt(1)), nil
}
