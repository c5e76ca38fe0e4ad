package pki

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func ids(t *testing.T, secrets Secrets) []string {
	t.Helper()
	ring, err := secrets.Read()
	if err != nil {
		t.Fatal(err)
	}
	return ring.IDs()
}

func TestSecrets(t *testing.T) {
	secrets, now := TokenSecrets(t.TempDir()), time.Unix(1_800_000_000, 0)
	for range 2 { // the second time it is there
		if _, err := secrets.Open(now); err != nil {
			t.Fatal(err)
		}
	}
	first := ids(t, secrets)
	if len(first) != 1 {
		t.Fatalf("a new hub has secrets %v", first)
	}
	added, err := secrets.Add(now.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(t, secrets); len(got) != 2 || got[0] != first[0] || got[1] != added.ID {
		t.Errorf("after rotation: %v, expected %s and then %s", got, first[0], added.ID)
	}
	if info, err := os.Stat(filepath.Join(secrets.Dir(), added.Name)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is open to others: %v, %v", info, err)
	}
	if err := secrets.Remove(added.ID); !errors.Is(err, ErrSigns) {
		t.Errorf("removing the one that signs: %v", err)
	}
	if err := secrets.Remove("nothing"); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("removing one that is not there: %v", err)
	}
	if err := secrets.Remove(first[0]); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, secrets); len(got) != 1 || got[0] != added.ID {
		t.Errorf("after retirement: %v, expected only %s", got, added.ID)
	}
}

func TestFilesThatAreNoSecret(t *testing.T) {
	for name, content := range map[string]string{
		"nothing": "", "a key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"too short": "-----BEGIN ATRIUM TOKEN SECRET-----\nAAAA\n-----END ATRIUM TOKEN SECRET-----\n",
	} {
		t.Run(name, func(t *testing.T) {
			secrets := TokenSecrets(t.TempDir())
			if _, err := secrets.Open(time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(secrets.Dir(), "z.pem")
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := secrets.Read(); err == nil || !strings.Contains(err.Error(), file) {
				t.Errorf("%v; expected an error that names %s", err, file)
			}
		})
	}
}

func TestWatchSeesFilesComeAndGo(t *testing.T) {
	secrets := TokenSecrets(t.TempDir())
	if _, err := secrets.Open(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	changed, ended := make(chan struct{}, 100), make(chan error, 1)
	go func() { ended <- secrets.Watch(ctx, func() { changed <- struct{}{} }) }()
	until := func(n int) {
		for {
			select {
			case <-changed:
				if len(ids(t, secrets)) == n {
					return
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("was not told of the change to %d secrets", n)
			}
		}
	}
	until(1)
	if _, err := secrets.Add(time.Unix(2, 0)); err != nil {
		t.Fatal(err)
	}
	until(2)
	if err := secrets.Remove(ids(t, secrets)[0]); err != nil {
		t.Fatal(err)
	}
	until(1)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
