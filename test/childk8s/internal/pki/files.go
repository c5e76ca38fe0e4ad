package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
)

const (
	certBlock = "CERTIFICATE"
	keyBlock  = "PRIVATE KEY"
	pubBlock  = "PUBLIC KEY"
)

func readPair(path string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certDER, err := readBlock(path+".crt", certBlock)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(certDER)
	if err != nil {
		return nil, nil, fmt.Errorf("failed to parse %s.crt: %w", path, err)
	}
	keyDER, err := readBlock(path+".key", keyBlock)
	if err != nil {
		return nil, nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyDER)
	if err != nil {
		return nil, nil, fmt.Errorf("failed to parse %s.key: %w", path, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, fmt.Errorf("%s.key does not belong to %s.crt", path, path)
	}
	return cert, key, nil
}

// writePair writes the key first: a certificate without its key would look like a damaged pair, a key
// without a certificate is simply written over the next time.
func writePair(path string, cert *x509.Certificate, key *ecdsa.PrivateKey) error {
	if err := writeKey(path+".key", key); err != nil {
		return err
	}
	return writeBlock(path+".crt", certBlock, cert.Raw, 0o644)
}

func writeKey(path string, key crypto.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("failed to encode %s: %w", path, err)
	}
	return writeBlock(path, keyBlock, der, 0o600)
}

func readBlock(path, kind string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s holds no PEM block of type %s", path, kind)
	}
	return block.Bytes, nil
}

// writeBlock replaces the file in one step, so that a kill leaves the old file or the new one.
func writeBlock(path, kind string, der []byte, mode os.FileMode) error {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("failed to write %s: %w", path, err)
	}
	defer os.Remove(temp.Name())
	err = pem.Encode(temp, &pem.Block{Type: kind, Bytes: der})
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Chmod(temp.Name(), mode)
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("failed to write %s: %w", path, err)
	}
	return nil
}
