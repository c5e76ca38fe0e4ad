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
	"syscall"
)

// Command is a program that runs to its end.
type Command struct {
	// Dir is where it runs; empty means here.
	Dir string
	// Env is added to this process's environment.
	Env []string
	// Stdin is what it reads.
	Stdin string
	// Program and Args are the command line.
	Program string
	Args    []string
}

// Run runs the command and returns what it printed on standard output. The
// error is a *RunError, which holds what it printed on standard error.
func (c Command) Run(ctx context.Context) (stdout string, err error) {
	stdout, _, err = c.run(ctx, false)
	return stdout, err
}

// RunMerged is Run for a person's eyes: standard error stands where it was
// printed.
func (c Command) RunMerged(ctx context.Context) (output string, err error) {
	output, _, err = c.run(ctx, true)
	return output, err
}

func (c Command) run(ctx context.Context, merged bool) (out, errs string, err error) {
	cmd := exec.CommandContext(ctx, c.Program, c.Args...)
	cmd.Dir, cmd.Env, cmd.Stdin = c.Dir, append(os.Environ(), c.Env...), strings.NewReader(c.Stdin)
	// Killed by the kernel should we die, and kept away from Ctrl-C like the rest.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if merged {
		cmd.Stderr = &stdout
	}
	if err = startLocked(cmd); err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		}
		err = &RunError{Command: c.String(), Stderr: strings.TrimSpace(stderr.String()), Err: err}
	}
	return stdout.String(), stderr.String(), err
}

// String is the command line, without the directory of the program.
func (c Command) String() string {
	return strings.Join(append([]string{filepath.Base(c.Program)}, c.Args...), " ")
}

// RunError is a command that failed.
type RunError struct {
	// Command is the command line, Stderr what it printed there.
	Command, Stderr string
	// Err says how it ended.
	Err error
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
