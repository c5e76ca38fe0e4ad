package main

import (
	"encoding/json"
	"os/exec"
	"testing"
)

// TestVersionsAreTheHubs keeps this module's versions equal to the hub's. Nothing breaks when they differ,
// but every package above a module that differs is compiled twice, which costs minutes.
func TestVersionsAreTheHubs(t *testing.T) {
	hub, own := versions(t, "../../go.mod"), versions(t, "go.mod")
	for path, version := range own {
		if wanted, shared := hub[path]; shared && wanted != version {
			t.Errorf("%s is %s here and %s in the hub: in test/childk8s type\n  go get %s@%s && go mod tidy", path, version, wanted, path, wanted)
		}
	}
}

// versions returns what a go.mod file asks for, after its replace lines.
func versions(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := exec.Command("go", "mod", "edit", "-json", file).Output()
	if err != nil {
		t.Fatalf("failed to read %s: %v", file, err)
	}
	var mod struct {
		Require []struct{ Path, Version string }
		Replace []struct {
			Old, New struct{ Path, Version string }
		}
	}
	if err := json.Unmarshal(text, &mod); err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for _, r := range mod.Require {
		versions[r.Path] = r.Version
	}
	for _, r := range mod.Replace {
		if _, required := versions[r.Old.Path]; required && r.New.Path == r.Old.Path {
			versions[r.Old.Path] = r.New.Version
		}
	}
	return versions
}
