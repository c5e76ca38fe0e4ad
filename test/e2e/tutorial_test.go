package e2e

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/atriumhub/atrium/test/harness"
)

// chapter is commands of a document, and what they are said to print.
type chapter struct{ commands, prints string }

var fence = regexp.MustCompile("(?ms)^```(sh|text)\n(.*?)^```$")

// chapters returns the commands in a section of a document, from its heading to the
// next.
func chapters(document, heading string) []chapter {
	_, section, _ := strings.Cut(document, "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var found []chapter
	for _, block := range fence.FindAllStringSubmatch(section, -1) {
		if block[1] == "sh" {
			found = append(found, chapter{commands: block[2]})
		} else if len(found) > 0 {
			found[len(found)-1].prints = block[2]
		}
	}
	return found
}

// TestTutorial does what docs/apis.md says, and sees what it shows.
func TestTutorial(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // the controller is compiled
	defer cancel()
	h := must(startHub(ctx, "tutorial"))(t)
	top := must(filepath.Abs(filepath.Join("..", "..")))(t)
	found := chapters(string(must(os.ReadFile(filepath.Join(top, "docs", "apis.md")))(t)), "Tutorial")
	if len(found) < 8 {
		t.Fatalf("%d chapters in the tutorial, want 8 or more: is the heading or a fence another?", len(found))
	}
	// One shell for all, so that what one chapter leaves running the next finds.
	script := "set -eu\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
	for i, c := range found {
		script += "echo '" + mark(i) + "'\n" + c.commands
	}
	// The programs may be elsewhere; the controller is built into bin.
	out, err := harness.Command{
		Dir: top, Program: "bash", Args: []string{"-c", script},
		Env: []string{"KUBECONFIG=" + h.login(t, root), "PATH=" + strings.Join([]string{world.Bin, filepath.Join(top, "bin"), os.Getenv("PATH")}, string(os.PathListSeparator))},
	}.RunMerged(ctx)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for i, c := range found {
		_, printed, _ := strings.Cut(out, mark(i)+"\n")
		printed, _, _ = strings.Cut(printed, mark(i+1)+"\n")
		for line := range strings.Lines(c.prints) {
			if !shows(printed, line) {
				t.Errorf("the tutorial shows %q after\n%s\nbut there was\n%s", strings.TrimSpace(line), c.commands, printed)
			}
		}
	}
}

func mark(i int) string { return "chapter " + string(rune('A'+i)) }

// shows reports whether a line of printed is as in the document, where runs of
// blanks are alike and "…" is anything.
func shows(printed, line string) bool {
	words := strings.Fields(line)
	for i, word := range words {
		if words[i] = regexp.QuoteMeta(word); word == "…" {
			words[i] = ".*"
		}
	}
	return regexp.MustCompile(`(?m)^` + strings.Join(words, `\s+`) + `\s*$`).MatchString(printed)
}
