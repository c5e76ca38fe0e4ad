package pki

import (
	"context"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/atriumhub/atrium/pkg/identity/issuer"
)

const (
	secretBlock  = "ATRIUM TOKEN SECRET"
	secretSuffix = ".pem"
	// secretTime begins the names of files, so that they sort by age.
	secretTime = "20060102T150405.000000000Z"
)

// Secrets is a directory of the master secrets that the keys of service account
// tokens are derived from, one in a file. The last one by name signs, all verify.
type Secrets struct{ dir string }

// SecretFile is one of them.
type SecretFile struct {
	// Name is that of the file.
	Name string
	// ID is that of the secret, which key IDs begin with.
	ID string

	secret issuer.Secret
}

// TokenSecrets returns the token secrets of the directory that holds a hub's
// keys.
func TokenSecrets(dir string) Secrets { return Secrets{filepath.Join(dir, "token-secrets")} }

// Dir is where the files are.
func (s Secrets) Dir() string { return s.dir }

// Open reads the secrets, and makes the first.
func (s Secrets) Open(now time.Time) (*issuer.Ring, error) {
	files, err := s.List()
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		if _, err := s.Add(now); err != nil {
			return nil, err
		}
	}
	return s.Read()
}

// Read returns the secrets as a ring. A file that is not right is an error: to
// go on without it would refuse the tokens it has signed.
func (s Secrets) Read() (*issuer.Ring, error) {
	files, err := s.List()
	if err != nil {
		return nil, err
	}
	secrets := make([]issuer.Secret, 0, len(files))
	for _, file := range files {
		secrets = append(secrets, file.secret)
	}
	ring, err := issuer.NewRing(secrets...)
	if err != nil {
		return nil, fmt.Errorf("failed to read %s: %w", s.dir, err)
	}
	return ring, nil
}

// List returns the secrets there are, the oldest first.
func (s Secrets) List() ([]SecretFile, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("failed to read %s: %w", s.dir, err)
	}
	var files []SecretFile
	for _, entry := range entries {
		if entry.IsDir() || strings.HasPrefix(entry.Name(), ".") || !strings.HasSuffix(entry.Name(), secretSuffix) {
			continue
		}
		secret, err := readSecret(filepath.Join(s.dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, SecretFile{Name: entry.Name(), ID: secret.ID(), secret: secret})
	}
	return files, nil
}

// Add makes a secret, which signs from now on.
func (s Secrets) Add(now time.Time) (SecretFile, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return SecretFile{}, fmt.Errorf("failed to make %s: %w", s.dir, err)
	}
	key := make([]byte, issuer.SecretSize)
	if _, err := rand.Read(key); err != nil {
		return SecretFile{}, err
	}
	secret, err := issuer.NewSecret(key)
	if err != nil {
		return SecretFile{}, err
	}
	name := now.UTC().Format(secretTime) + secretSuffix
	encoded := pem.EncodeToMemory(&pem.Block{Type: secretBlock, Bytes: key})
	if err := write(filepath.Join(s.dir, name), encoded, 0o600); err != nil {
		return SecretFile{}, err
	}
	return SecretFile{Name: name, ID: secret.ID(), secret: secret}, nil
}

// ErrSigns is the error of removing the secret that signs.
var ErrSigns = errors.New("it is the one that signs")

// Remove removes the secret with the given ID. Tokens it has signed are refused
// from then on.
func (s Secrets) Remove(id string) error {
	files, err := s.List()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(files, func(f SecretFile) bool { return f.ID == id })
	switch {
	case at < 0:
		return fmt.Errorf("there is no secret %q in %s", id, s.dir)
	case at == len(files)-1:
		return fmt.Errorf("secret %s cannot be retired: %w. Add another first", id, ErrSigns)
	}
	return os.Remove(filepath.Join(s.dir, files[at].Name))
}

func readSecret(file string) (issuer.Secret, error) {
	encoded, err := os.ReadFile(file)
	if err != nil {
		return issuer.Secret{}, fmt.Errorf("failed to read secret: %w", err)
	}
	block, _ := pem.Decode(encoded)
	if block == nil || block.Type != secretBlock {
		return issuer.Secret{}, fmt.Errorf("%s is not a token secret: it has no PEM block %q", file, secretBlock)
	}
	secret, err := issuer.NewSecret(block.Bytes)
	if err != nil {
		return issuer.Secret{}, fmt.Errorf("%s is not a token secret: %w", file, err)
	}
	return secret, nil
}

// Watch calls changed whenever files may have changed, until ctx ends. It is
// told by the kernel and asks nothing.
func (s Secrets) Watch(ctx context.Context, changed func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("failed to watch %s: %w", s.dir, err)
	}
	defer watcher.Close()
	if err := watcher.Add(s.dir); err != nil {
		return fmt.Errorf("failed to watch %s: %w", s.dir, err)
	}
	changed() // what happened before the watch began
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-watcher.Events:
			if !open {
				return nil
			}
			changed()
		case err := <-watcher.Errors:
			return fmt.Errorf("failed to watch %s: %w", s.dir, err)
		}
	}
}
