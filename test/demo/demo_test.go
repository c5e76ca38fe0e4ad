package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDemo performs the demo, which checks what it shows.
func TestDemo(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	err = run(t.Context(), newStage(out), filepath.Join(t.TempDir(), "demo"), false)
	shown, readErr := os.ReadFile(out.Name())
	if err != nil || readErr != nil {
		t.Fatalf("%v, %v; it showed:\n%s", err, readErr, shown)
	}
	for _, s := range (&demo{}).steps() {
		if !strings.Contains(string(shown), s.title) {
			t.Errorf("step %q was not shown", s.title)
		}
	}
	if escape := regexp.MustCompile("\x1b").FindIndex(shown); escape != nil {
		t.Errorf("what is no terminal got control characters: %q", shown[escape[0]:escape[0]+10])
	}
	for line := range strings.Lines(string(shown)) {
		if strings.TrimRight(line, " \n") != strings.TrimRight(line, "\n") {
			t.Errorf("a line ends with spaces: %q", line)
		}
	}
}

// TestStageOutput shortens and indents what commands show.
func TestStageOutput(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	s := newStage(out)
	s.command("first \\\n  second")
	s.output("one\ntwo\n\nfour\n", 2)
	s.output("", 0)
	shown, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	want := "   $ first \\\n       second\n     one\n     two\n     … and 2 more lines\n"
	if string(shown) != want {
		t.Errorf("showed %q, want %q", shown, want)
	}
}
