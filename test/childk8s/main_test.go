package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// asProgram makes the test binary be childk8s itself: the tests start what they test without building it
// a second time.
const asProgram = "CHILDK8S_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// patience is for busy machines; a start takes some three seconds.
const patience = 2 * time.Minute

// program is a started childk8s.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stderr *safeBuffer
	ended  bool
}

// safeBuffer can be read while the process writes.
type safeBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.String()
}

func command(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = "childk8s"
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

func start(t *testing.T, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{t: t, cmd: cmd, stderr: &safeBuffer{}}
	cmd.Stderr = p.stderr
	// A pipe of our own: reading from it goes on when the process has ended and others hold it still.
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = writer
	p.stdout = bufio.NewReader(reader)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	t.Cleanup(func() {
		if !p.ended {
			cmd.Process.Kill()
			cmd.Wait()
		}
		reader.Close()
		if t.Failed() {
			t.Logf("%v said:\n%s", cmd.Args, p.stderr)
		}
	})
	if err := reader.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return p
}

// awaitReady waits for the line that says so.
func (p *program) awaitReady() {
	p.t.Helper()
	line, err := p.stdout.ReadString('\n')
	if err != nil || line != "ready\n" {
		p.t.Fatalf("said %q (%v) where \"ready\" should be", line, err)
	}
}

// awaitSilence waits until no process holds the standard output any more.
func (p *program) awaitSilence() {
	p.t.Helper()
	if rest, err := io.ReadAll(p.stdout); err != nil {
		p.t.Fatalf("standard output stays open after %q: %v", rest, err)
	}
}

// stop sends the signal and returns the exit status, -1 for a death by signal, and how long it took.
func (p *program) stop(signal syscall.Signal) (int, time.Duration) {
	p.t.Helper()
	begin := time.Now()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
	return p.wait(), time.Since(begin)
}

func (p *program) wait() int {
	p.t.Helper()
	p.ended = true
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// stopCleanly ends a program as its users do and checks what they are promised.
func (p *program) stopCleanly() {
	p.t.Helper()
	status, took := p.stop(syscall.SIGTERM)
	if status != 0 || took > 10*time.Second {
		p.t.Errorf("SIGTERM: exit status %d after %v, want 0 within a few seconds", status, took)
	}
	p.awaitSilence()
	p.t.Logf("ended in %v", took.Round(time.Millisecond))
}

// login makes a client from the admin.kubeconfig in dir.
func login(t *testing.T, dir string) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(dir, "admin.kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// childKubectl runs the kubectl of the same binary and returns what it prints.
func childKubectl(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := command(append([]string{"kubectl", "--kubeconfig", filepath.Join(dir, "admin.kubeconfig")}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func timeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
