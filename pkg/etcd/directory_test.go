package etcd_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/atriumhub/atrium/pkg/etcd"
)

// E3: damaged data is an error, not the end of the process. It is left as it is.
func TestDamagedData(t *testing.T) {
	const page = 4096
	cases := map[string]func(content []byte) []byte{
		"cut off":              func(content []byte) []byte { return content[:5*page] },
		"first pages":          func(content []byte) []byte { return spoil(content, 0, 3*page) },
		"all but first pages":  func(content []byte) []byte { return spoil(content, 4*page, len(content)) },
		"another kind of file": func([]byte) []byte { return bytes.Repeat([]byte("garbage!"), page) },
	}
	for name, damage := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir)
			file := filepath.Join(dir, "member", "snap", "db")
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			content = damage(content)
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := etcd.Start(t.Context(), etcd.Config{Dir: dir}); !errors.Is(err, etcd.ErrCorrupt) {
				t.Errorf("started with %v", err)
			}
			if after, err := os.ReadFile(file); err != nil || !bytes.Equal(content, after) {
				t.Errorf("the data was changed: %v", err)
			}
		})
	}
}

// fill leaves a database of some hundred pages.
func fill(t *testing.T, dir string) {
	t.Helper()
	server := start(t, dir)
	client := dial(t, server)
	for i := range 100 {
		if _, err := client.Put(t.Context(), fmt.Sprint(i), strings.Repeat("x", 10_000)); err != nil {
			t.Fatal(err)
		}
	}
	server.Stop()
}

// spoil overwrites a part of content.
func spoil(content []byte, from, to int) []byte {
	copy(content[from:to], bytes.Repeat([]byte{0xA5}, to-from))
	return content
}
