package cli

import (
	"path/filepath"
	"testing"
)

func TestLoadWithoutKubeconfig(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "config")
	t.Setenv("KUBECONFIG", missing)
	_, err := (&Options{}).Load(Streams{})
	want := "no kubeconfig at " + missing + ": name a hub's with --kubeconfig or $KUBECONFIG"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
