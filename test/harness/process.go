package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

const (
	// stopPatience is how long a process may take to end when asked to.
	stopPatience = 20 * time.Second
	// lookAgain is how often a log is read while waiting for a line: files tell
	// nobody that they grew.
	lookAgain = 20 * time.Millisecond
	// tailLines is how much of a log an error shows.
	tailLines = 15
)

// Process is a program that runs beside the test. Its output is added to
// LogFile.
type Process struct {
	Name    string
	LogFile string

	cmd     *exec.Cmd
	started int64 // where in LogFile this run begins
	done    chan struct{}
	err     error
}

// Start runs program with args and environment added to this process's own.
// The program ends when this process does, unless outlive is set.
func Start(name, logFile string, outlive bool, env []string, program string, args ...string) (*Process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("failed to open the log of %s: %w", name, err)
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		return nil, fmt.Errorf("failed to open the log of %s: %w", name, err)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes(outlive)
	p := &Process{Name: name, LogFile: logFile, cmd: cmd, started: info.Size(), done: make(chan struct{})}
	if err := startLocked(cmd); err != nil {
		return nil, fmt.Errorf("failed to start %s: %w", name, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// attributes put a process into a group of its own, so that Ctrl-C reaches it
// through us only. One that outlives us gets a session of its own, so that it
// does not go with our terminal; any other is killed by the kernel should we die.
func attributes(outlive bool) *syscall.SysProcAttr {
	if outlive {
		return &syscall.SysProcAttr{Setsid: true}
	}
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// Pid is the process ID.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is how the process ended, once Done is closed.
func (p *Process) Err() error { return p.err }

// Stop asks the process to end and waits. It returns how the process ended if
// that was not well, and kills one that does not listen.
func (p *Process) Stop() error {
	if p == nil {
		return nil
	}
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
		if p.err != nil {
			return fmt.Errorf("%s ended with %w; the end of its log:\n%s", p.Name, p.err, p.LogTail(tailLines))
		}
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

// Wait waits until the process ends by itself.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("%s still runs: %w; the end of its log:\n%s", p.Name, ctx.Err(), p.LogTail(tailLines))
	}
}

// Pause stops the process from running, as a hung host would. Resume lets it go
// on.
func (p *Process) Pause() { p.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (p *Process) Resume() { p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) {
	// An error means that it has ended already, which is what callers wait for.
	_ = p.cmd.Process.Signal(s)
}

// AwaitLine waits until the process has printed something that matches, and
// returns the match and its groups. It fails when the process ends first.
func (p *Process) AwaitLine(ctx context.Context, pattern *regexp.Regexp) ([]string, error) {
	for {
		ended := p.ended()
		text, err := p.Output()
		if err != nil {
			return nil, err
		}
		if match := pattern.FindStringSubmatch(text); match != nil {
			return match, nil
		}
		if ended {
			return nil, fmt.Errorf("%s ended early, with %w; the end of its log:\n%s", p.Name, endOf(p.err), p.LogTail(tailLines))
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s has not printed %q: %w; the end of its log:\n%s", p.Name, pattern, ctx.Err(), p.LogTail(tailLines))
		case <-p.done:
		case <-time.After(lookAgain):
		}
	}
}

var errExitedWell = errors.New("exit status 0")

func endOf(err error) error {
	if err == nil {
		return errExitedWell
	}
	return err
}

func (p *Process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Output is what the process has printed since it was started.
func (p *Process) Output() (string, error) {
	content, err := os.ReadFile(p.LogFile)
	if err != nil {
		return "", fmt.Errorf("failed to read the log of %s: %w", p.Name, err)
	}
	return string(content[min(p.started, int64(len(content))):]), nil
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
