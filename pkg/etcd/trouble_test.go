package etcd_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/atriumhub/atrium/pkg/etcd"
)

// used returns a data directory in which a server has run and written. An etcd
// that met damage on its way up cannot be stopped and may still be preparing
// files there, so removal takes patience and may fail.
func used(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "etcd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for try := 0; try < 100 && os.RemoveAll(dir) != nil; try++ {
			runtime.Gosched()
		}
	})
	server := start(t, dir)
	client := dial(t, server)
	for i := range 50 {
		if _, err := client.Put(t.Context(), fmt.Sprintf("key-%d", i), strings.Repeat("v", 2000)); err != nil {
			t.Fatal(err)
		}
	}
	client.Close()
	server.Stop()
	return dir
}

// tryStart returns the error of a start that should fail, and fails if it does
// not come soon.
func tryStart(t *testing.T, dir string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	server, err := etcd.Start(ctx, etcd.Config{Dir: dir})
	if err == nil {
		server.Stop()
	}
	return err
}

// files returns the files in dir that match pattern.
func files(t *testing.T, dir, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "member", pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found
}

// overwrite replaces a part of a file.
func overwrite(t *testing.T, path string, at, length int64) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt([]byte(strings.Repeat("\xde\xad", int(length)/2)), at); err != nil {
		t.Fatal(err)
	}
}

// E3: damage is an error that says so.
func TestDamageIsCorrupt(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string){
		"database is garbage": func(t *testing.T, dir string) {
			overwrite(t, files(t, dir, "snap/db")[0], 0, 16384)
		},
		"database is empty": func(t *testing.T, dir string) {
			if err := os.Truncate(files(t, dir, "snap/db")[0], 100); err != nil {
				t.Fatal(err)
			}
		},
		"database is a text": func(t *testing.T, dir string) {
			if err := os.WriteFile(files(t, dir, "snap/db")[0], []byte(strings.Repeat("to do: backup\n", 5000)), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"log is garbage": func(t *testing.T, dir string) {
			overwrite(t, files(t, dir, "wal/*.wal")[0], 0, 65536)
		},
		"log is damaged in the middle": func(t *testing.T, dir string) {
			overwrite(t, files(t, dir, "wal/*.wal")[0], 20000, 40)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := used(t)
			damage(t, dir)
			err := tryStart(t, dir)
			if !errors.Is(err, etcd.ErrCorrupt) {
				t.Fatalf("got %v, want ErrCorrupt", err)
			}
			if !strings.Contains(err.Error(), dir) {
				t.Errorf("%q does not name the directory", err)
			}
		})
	}
}

// E2, E3: the second user of a directory is told so, and the first works on.
func TestInUse(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir)
	err := tryStart(t, dir)
	if !errors.Is(err, etcd.ErrInUse) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("got %v, want ErrInUse with the process", err)
	}
	if _, err := dial(t, first).Put(t.Context(), "k", "v"); err != nil {
		t.Errorf("the first server no longer works: %v", err)
	}
}

// E2: other programs' locks count too.
func TestInUseByAForeignEtcd(t *testing.T) {
	dir := used(t)
	db, err := bbolt.Open(files(t, dir, "snap/db")[0], 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := tryStart(t, dir); !errors.Is(err, etcd.ErrInUse) {
		t.Errorf("got %v, want ErrInUse", err)
	}
	db.Close()
	start(t, dir) // E4: the refused start has left nothing behind
}

// E3
func TestNotWritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below"), "/proc/self/etcd", "/dev/null"} {
		if err := tryStart(t, dir); !errors.Is(err, etcd.ErrNotWritable) {
			t.Errorf("%s: got %v, want ErrNotWritable", dir, err)
		}
	}
}

func TestStartGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := etcd.Start(ctx, etcd.Config{Dir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// A directory whose path is too long for a socket works all the same, and only
// its owner can reach the socket.
func TestLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 30))
	server := start(t, dir)
	if _, err := dial(t, server).Put(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	socket := strings.TrimPrefix(server.Endpoints()[0], "unix://")
	info, err := os.Stat(filepath.Dir(socket))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%s: %v, %v", filepath.Dir(socket), info.Mode(), err)
	}
	server.Stop()
	if _, err := os.Stat(filepath.Dir(socket)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's directory is left behind: %v", err)
	}
}

// E4
func TestStopLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	start(t, dir).Stop() // whatever is started once per process
	before := runtime.NumGoroutine()
	for range 3 {
		server := start(t, dir)
		server.Stop()
		server.Stop()
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+5; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines became %d:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		}
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the directory has mode %v, %v", info.Mode(), err)
	}
}

// writerDir tells this test binary to be the writer of TestKill.
const writerDir = "ETCD_TEST_WRITER_DIR"

// TestWriter is the process that TestKill kills. It prints each number that
// etcd has acknowledged.
func TestWriter(t *testing.T) {
	dir := os.Getenv(writerDir)
	if dir == "" {
		return
	}
	client := dial(t, start(t, dir))
	for i := 0; ; i++ {
		if _, err := client.Put(t.Context(), "last", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		fmt.Println("acknowledged", i)
	}
}

// E1, E2: after kill -9 everything acknowledged is there, and no lock is left.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	writer := exec.Command(os.Args[0], "-test.run=^TestWriter$", "-test.v")
	writer.Env = append(os.Environ(), writerDir+"="+dir)
	out, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	last := -1
	for lines := bufio.NewScanner(out); last < 200 && lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), "acknowledged %d", &last); err != nil {
			continue
		}
	}
	if err := writer.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Wait()
	if last < 200 {
		t.Fatalf("the writer stopped after %d", last)
	}
	got, err := dial(t, start(t, dir)).Get(t.Context(), "last")
	if err != nil {
		t.Fatal(err)
	}
	var found int
	if len(got.Kvs) == 1 {
		_, err = fmt.Sscan(string(got.Kvs[0].Value), &found)
	}
	if err != nil || found < last {
		t.Errorf("%d was acknowledged, %d is there (%v)", last, found, err)
	}
}
