package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopPatience is how long a process may take to end when asked to.
const stopPatience = 20 * time.Second

// Process is a program that runs beside the test. Its output goes to LogFile.
type Process struct {
	Name    string
	LogFile string

	cmd  *exec.Cmd
	done chan struct{}
	err  error
	once sync.Once
}

// Start runs program with args and environment added to this process's own.
func Start(name, logFile, program string, env []string, args ...string) (*Process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("failed to open the log of %s: %w", name, err)
	}
	defer log.Close()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	// In a group of its own, so that Ctrl-C reaches it through us only; killed
	// by the kernel should we die.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &Process{Name: name, LogFile: logFile, cmd: cmd, done: make(chan struct{})}
	if err := startLocked(cmd); err != nil {
		return nil, fmt.Errorf("failed to start %s: %w", name, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Pid is the process ID.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is how the process ended, once Done is closed.
func (p *Process) Err() error { return p.err }

// Stop asks the process to end and waits. It kills one that does not listen,
// and says so.
func (p *Process) Stop() error {
	if p == nil {
		return nil
	}
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return nil
	case <-time.After(stopPatience):
		p.Kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM and was killed; its log is %s", p.Name, stopPatience, p.LogFile)
	}
}

// Kill ends the process as a power cut would, and waits until it is gone.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// Pause stops the process from running, as a cut network or a hung host would.
// Resume lets it go on.
func (p *Process) Pause()  { p.signal(syscall.SIGSTOP) }
func (p *Process) Resume() { p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) {
	// An error means that it has ended already, which is what callers wait for.
	_ = p.cmd.Process.Signal(s)
}

// LogTail returns the last lines of the log.
func (p *Process) LogTail(lines int) string {
	content, err := os.ReadFile(p.LogFile)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// ResidentBytes is the memory the process holds.
func (p *Process) ResidentBytes() (int64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		return 0, fmt.Errorf("failed to read the memory of %s: %w", p.Name, err)
	}
	for _, line := range strings.Split(string(content), "\n") {
		var kilobytes int64
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kilobytes); n == 1 {
			return kilobytes * 1024, nil
		}
	}
	return 0, fmt.Errorf("%s has no resident memory: it has ended", p.Name)
}

// Run runs a program to its end and returns what it printed on standard output.
// The error holds what it printed on standard error.
func Run(ctx context.Context, env []string, stdin, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		err = &RunError{Command: filepath.Base(program) + " " + strings.Join(args, " "), Stderr: strings.TrimSpace(stderr.String()), Err: err}
	}
	return stdout.String(), err
}

// RunError is a command that failed.
type RunError struct {
	Command, Stderr string
	Err             error
}

// Error says which command, and what it printed.
func (e *RunError) Error() string { return fmt.Sprintf("%s: %v: %s", e.Command, e.Err, e.Stderr) }

// Unwrap returns the cause.
func (e *RunError) Unwrap() error { return e.Err }

// Stderr returns what the command behind err printed on standard error.
func Stderr(err error) string {
	var failed *RunError
	if errors.As(err, &failed) {
		return failed.Stderr
	}
	return ""
}
