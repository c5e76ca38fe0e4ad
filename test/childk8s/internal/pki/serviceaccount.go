package pki

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
)

// serviceAccountKeyBits is what clusters commonly use; tokens are then signed RS256 as clients expect.
const serviceAccountKeyBits = 2048

// ensureServiceAccountKey keeps or makes the key that signs service account tokens, path.key, and its
// public half, path.pub.
func ensureServiceAccountKey(path string) error {
	der, err := readBlock(path+".key", keyBlock)
	if errors.Is(err, fs.ErrNotExist) {
		return makeServiceAccountKey(path)
	}
	if err != nil {
		return fmt.Errorf("failed to read the service account key: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return fmt.Errorf("failed to parse %s.key: %w", path, err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return fmt.Errorf("%s.key is not an RSA key", path)
	}
	return writePublicKey(path+".pub", key)
}

func makeServiceAccountKey(path string) error {
	key, err := rsa.GenerateKey(rand.Reader, serviceAccountKeyBits)
	if err != nil {
		return fmt.Errorf("failed to generate the service account key: %w", err)
	}
	if err := writeKey(path+".key", key); err != nil {
		return err
	}
	return writePublicKey(path+".pub", key)
}

func writePublicKey(path string, key *rsa.PrivateKey) error {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("failed to encode %s: %w", path, err)
	}
	return writeBlock(path, pubBlock, der, 0o644)
}
