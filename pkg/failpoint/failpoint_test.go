package failpoint

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestCheck(t *testing.T) {
	for value, wrong := range map[string]bool{
		"":                            false,
		"before-create-content@x":     false,
		"after-release@x":             false,
		"before-create-content":       true,
		"before-create-content@":      true,
		"before-creating-anything@x":  true,
		"create-content@x":            true,
		"after-release@x@y":           false, // of the subject x@y, which there is not
		strings.Repeat("x", 1<<10):    true,
		"before-create-content@x:y:z": false,
	} {
		if err := check(value); (err != nil) != wrong {
			t.Errorf("%.40q: %v", value, err)
		}
	}
}

func TestUnarmed(t *testing.T) {
	boom := errors.New("boom")
	if err := Around(Release, "x", func() error { return boom }); !errors.Is(err, boom) {
		t.Errorf("error %v", err)
	}
}

// TestArmed runs this test again in a process that is to die.
func TestArmed(t *testing.T) {
	if armed != "" {
		_ = Around(Release, "x", func() error { return errors.New("no after") })
		_ = Around(Release, "y", func() error { return nil })
		os.Stdout.WriteString("alive\n")
		_ = Around(Release, "x", func() error { os.Stdout.WriteString("done\n"); return nil })
		os.Stdout.WriteString("not dead\n")
		return
	}
	for point, want := range map[string]string{"before-release@x": "", "after-release@x": "alive\ndone\n"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestArmed$")
		cmd.Env = append(os.Environ(), Env+"="+point)
		out, err := cmd.Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("%s: ended with %v", point, err)
		}
		if string(out) != want {
			t.Errorf("%s: printed %q, want %q", point, out, want)
		}
	}
}
