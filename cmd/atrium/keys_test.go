package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/atriumhub/atrium/internal/pki"
)

func TestKeys(t *testing.T) {
	dir := t.TempDir()
	run := func(args ...string) (string, error) {
		command := newKeysCommand()
		var out bytes.Buffer
		command.SetOut(&out)
		command.SetErr(&out)
		command.SilenceUsage, command.SilenceErrors = true, true
		command.SetArgs(append(args, "--root-dir", dir))
		err := command.Execute()
		return out.String(), err
	}
	if _, err := run("rotate"); err == nil || !strings.Contains(err.Error(), "--root-dir") {
		t.Errorf("where no hub is: %v", err)
	}
	secrets := pki.TokenSecrets(filepath.Join(dir, "pki"))
	if _, err := secrets.Open(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	files, err := secrets.List()
	if err != nil {
		t.Fatal(err)
	}
	old := files[0].ID
	if _, err := run("retire", old); err == nil || !strings.Contains(err.Error(), "Add another first") {
		t.Errorf("retiring the only one: %v", err)
	}
	if out, err := run("rotate"); err != nil || !strings.Contains(out, "signs from now on") {
		t.Errorf("rotating: %s, %v", out, err)
	}
	if out, err := run("list"); err != nil || strings.Count(out, "verifies") != 1 || strings.Count(out, "signs") != 1 || !strings.Contains(out, old) {
		t.Errorf("listing: %s, %v", out, err)
	}
	if out, err := run("retire", old); err != nil || !strings.Contains(out, old) {
		t.Errorf("retiring the old one: %s, %v", out, err)
	}
	if out, err := run("list"); err != nil || strings.Contains(out, old) {
		t.Errorf("listing afterwards: %s, %v", out, err)
	}
}
