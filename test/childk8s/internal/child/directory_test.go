package child

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDirectoryIsForOneProcess(t *testing.T) {
	path := t.TempDir()
	first, err := openDirectory(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openDirectory(path); err == nil || !strings.Contains(err.Error(), "in use by another childk8s") {
		t.Fatalf("second open: %v", err)
	}
	first.close()
	again, err := openDirectory(path)
	if err != nil {
		t.Fatalf("after the first has gone: %v", err)
	}
	again.close()
}

func TestDirectoryThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{
		filepath.Join(file, "eu"): "not a directory",
		"/proc/childk8s/eu":       "no such file or directory",
	}
	for path, want := range cases {
		_, err := openDirectory(path)
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error that names it and says %q", path, err, want)
		}
	}
}

func TestIdentityIsRemembered(t *testing.T) {
	dir, err := openDirectory(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.close()
	if _, found, err := dir.identity(); found || err != nil {
		t.Fatalf("new directory: found %v, %v", found, err)
	}
	want := identity{Name: "eu", Port: 1, KubeletPort: 2}
	if err := dir.remember(want); err != nil {
		t.Fatal(err)
	}
	if got, found, err := dir.identity(); got != want || !found || err != nil {
		t.Fatalf("got %v, %v, %v", got, found, err)
	}
}

func TestTakenPortIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = listen(portOf(taken), "--port")
	if err == nil || !strings.Contains(err.Error(), "taken by another process") || !strings.Contains(err.Error(), "--port") {
		t.Fatalf("got %v", err)
	}
}

func TestParentIsWatched(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	watched, err := withParent(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if watched.Err() != nil {
		t.Fatalf("the parent lives, but: %v", context.Cause(watched))
	}
}
