package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func run(args ...string) (string, error) {
	var out bytes.Buffer
	command := newCommand()
	command.SetOut(&out)
	command.SetErr(&out)
	command.SetArgs(args)
	err := command.ExecuteContext(context.Background())
	return out.String(), err
}

func TestHelp(t *testing.T) {
	out, err := run("--help")
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{
		"--hub-kubeconfig", "--child-kubeconfig", "--sync-target ", "--sync-target-uid", "--resources",
		"--heartbeat-interval", "--workers", "--qps", "--burst", "--metrics-bind-address", "-v,", "child-rbac",
	} {
		if !strings.Contains(out, flag) {
			t.Errorf("the help says nothing about %s", flag)
		}
	}
}

func TestChildRBAC(t *testing.T) {
	out, err := run("child-rbac", "--namespace", "agents", "--resources", "services")
	if err != nil || !strings.Contains(out, "kind: ClusterRole\n") || !strings.Contains(out, "namespace: agents") {
		t.Errorf("error %v, output:\n%s", err, out)
	}
}

func TestBadCommandLines(t *testing.T) {
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	const text = `{"kind":"Config","apiVersion":"v1","current-context":"x","contexts":[{"name":"x","context":{"cluster":"x"}}],"clusters":[{"name":"x","cluster":{"server":"https://127.0.0.1:1"}}]}`
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for says, args := range map[string][]string{
		"give --hub-kubeconfig":           {},
		"failed to read --hub-kubeconfig": {"--hub-kubeconfig", kubeconfig + "x"},
		"give --child-kubeconfig":         {"--hub-kubeconfig", kubeconfig},
		"failed to read --child-kube":     {"--hub-kubeconfig", kubeconfig, "--child-kubeconfig", kubeconfig + "x"},
		"no sync target":                  {"--hub-kubeconfig", kubeconfig, "--child-kubeconfig", kubeconfig},
		"does not name the workspace":     {"--hub-kubeconfig", kubeconfig, "--child-kubeconfig", kubeconfig, "--sync-target", "eu", "--sync-target-uid", "u"},
		"unknown command":                 {"now"},
		"unknown flag":                    {"--fast"},
	} {
		if _, err := run(args...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: error is %v, want one that says %q", args, err, says)
		}
	}
}
