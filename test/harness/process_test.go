package harness

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// asParent makes this test binary start a process and wait to be killed.
const asParent = "HARNESS_TEST_PARENT"

func TestMain(m *testing.M) {
	if log := os.Getenv(asParent); log != "" {
		p, err := Start("sleep", log, false, nil, "sleep", "600")
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(p.Pid())
		select {}
	}
	os.Exit(m.Run())
}

func shell(t *testing.T, script string) *Process {
	t.Helper()
	p, err := Start("script", filepath.Join(t.TempDir(), "log"), false, nil, "sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// TestProcessesEndWithUs kills the process that started one.
func TestProcessesEndWithUs(t *testing.T) {
	parent := exec.Command("/proc/self/exe")
	parent.Env = append(os.Environ(), asParent+"="+filepath.Join(t.TempDir(), "log"))
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(line, &pid); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	ctx := within(t, soon)
	for alive(pid) {
		select {
		case <-ctx.Done():
			t.Fatalf("process %d is still there", pid)
		case <-time.After(time.Millisecond):
		}
	}
}

// alive reports whether a process runs; one that has ended but was not waited for
// does not.
func alive(pid int) bool {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(content), ") Z ")
}

func TestAwaitLine(t *testing.T) {
	p := shell(t, "echo port 17; exec sleep 600")
	found, err := p.AwaitLine(within(t, soon), regexp.MustCompile(`port (\d+)`))
	if err != nil || found[1] != "17" {
		t.Errorf("found %q, %v", found, err)
	}
	_, err = p.AwaitLine(within(t, never), regexp.MustCompile("nothing"))
	if err == nil || !strings.Contains(err.Error(), "port 17") {
		t.Errorf("the error should show the log: %v", err)
	}
	p = shell(t, "echo no luck; exit 3")
	_, err = p.AwaitLine(within(t, soon), regexp.MustCompile("luck at last"))
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("the error should say how it ended: %v", err)
	}
}

func TestStop(t *testing.T) {
	good := shell(t, `trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done`)
	if _, err := good.AwaitLine(within(t, soon), regexp.MustCompile("up")); err != nil {
		t.Fatal(err)
	}
	if err := good.Stop(); err != nil {
		t.Errorf("one that ends well: %v", err)
	}
	bad := shell(t, `trap 'echo sorry; exit 4' TERM; echo up; while :; do sleep 0.01; done`)
	if _, err := bad.AwaitLine(within(t, soon), regexp.MustCompile("up")); err != nil {
		t.Fatal(err)
	}
	if err := bad.Stop(); err == nil || !strings.Contains(err.Error(), "exit status 4") || !strings.Contains(err.Error(), "sorry") {
		t.Errorf("one that does not: %v", err)
	}
}

func TestRun(t *testing.T) {
	out, err := Command{Program: "sh", Args: []string{"-c", `read line; echo "$line, $NAME"; echo trouble >&2; exit 5`}, Stdin: "hello\n", Env: []string{"NAME=you"}}.Run(within(t, soon))
	if out != "hello, you\n" || Stderr(err) != "trouble" || !strings.Contains(err.Error(), "exit status 5") {
		t.Errorf("printed %q, %v", out, err)
	}
	out, err = Command{Program: "sh", Args: []string{"-c", "echo one; echo two >&2; echo three"}}.RunMerged(within(t, soon))
	if out != "one\ntwo\nthree\n" || err != nil {
		t.Errorf("printed %q, %v", out, err)
	}
	began := time.Now()
	_, err = Command{Program: "sh", Args: []string{"-c", "sleep 600 & wait"}}.Run(within(t, never))
	if err == nil || time.Since(began) > soon {
		t.Errorf("ended after %s with %v", time.Since(began), err)
	}
}
