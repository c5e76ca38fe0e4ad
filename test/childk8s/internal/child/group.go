package child

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// GroupOptions are the command line of several children that live and end together.
type GroupOptions struct {
	// Root is the directory that gets one directory for each child.
	Root string
	// Names are the children's names.
	Names []string
	// BasePort is the first child's port; the others follow in steps of PortStep. 0 takes free ones.
	BasePort int
	// Nodes and AllowExec are as in Options, for each child.
	Nodes     int
	AllowExec bool
}

// PortStep is the distance between the ports of neighbours in a group.
const PortStep = 10

// member is one child process of a group.
type member struct {
	name string
	cmd  *exec.Cmd
	out  io.Reader
	done chan struct{} // closed when the process has ended
}

// RunGroup runs each child in a process of its own until ctx ends or one of them does, and then ends the
// rest. It prints "ready" on out when all are.
func RunGroup(ctx context.Context, options GroupOptions, out, notes io.Writer) error {
	if err := options.check(); err != nil {
		return err
	}
	ctx, err := withParent(ctx)
	if err != nil {
		return err
	}
	members, err := startMembers(options, notes)
	if err != nil {
		return errors.Join(err, endAll(members))
	}
	go announceAll(members, out, notes)
	select {
	case <-ctx.Done():
		fmt.Fprintln(notes, "ending the children")
		return endAll(members)
	case err := <-firstEnd(members):
		return errors.Join(err, endAll(members))
	}
}

func (o GroupOptions) check() error {
	if o.Root == "" {
		return usagef("--root is missing: name a directory for the clusters' data")
	}
	if len(o.Names) == 0 {
		return usagef("no cluster named: give one or more names, such as eu us")
	}
	if sorted := slices.Sorted(slices.Values(o.Names)); len(slices.Compact(sorted)) != len(o.Names) {
		return usagef("a name is given twice in %s", strings.Join(o.Names, " "))
	}
	return nil
}

// memberArgs is the command line of the child with that index.
func (o GroupOptions) memberArgs(index int) []string {
	name, port := o.Names[index], 0
	if o.BasePort != 0 {
		port = o.BasePort + index*PortStep
	}
	return []string{
		"cluster",
		"--name=" + name,
		"--dir=" + filepath.Join(o.Root, name),
		"--port=" + strconv.Itoa(port),
		"--nodes=" + strconv.Itoa(o.Nodes),
		"--allow-exec=" + strconv.FormatBool(o.AllowExec),
	}
}

func startMembers(options GroupOptions, notes io.Writer) ([]*member, error) {
	var members []*member
	for index, name := range options.Names {
		cmd := exec.Command("/proc/self/exe", options.memberArgs(index)...)
		cmd.Args[0] = "childk8s"
		cmd.Stderr = notes
		// Ctrl-C goes to this process only, which then ends the others in its own way.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return members, fmt.Errorf("failed to make a pipe for %s: %w", name, err)
		}
		if err := cmd.Start(); err != nil {
			return members, fmt.Errorf("failed to start %s: %w", name, err)
		}
		m := &member{name: name, cmd: cmd, out: out, done: make(chan struct{})}
		members = append(members, m)
		go m.wait()
	}
	return members, nil
}

// announceAll reads until every member has said that it is ready; one that ends says nothing, and then
// neither does the group.
func announceAll(members []*member, out, notes io.Writer) {
	for _, m := range members {
		if line, err := bufio.NewReader(m.out).ReadString('\n'); err != nil || strings.TrimSpace(line) != ready {
			return
		}
	}
	fmt.Fprintln(notes, "all children are ready; Ctrl-C ends them and keeps their data")
	fmt.Fprintln(out, ready)
}

// wait gathers the end of the process; its status is in cmd.ProcessState then.
func (m *member) wait() {
	defer close(m.done)
	_ = m.cmd.Wait()
}

// firstEnd delivers an error that says which member ended first, and how.
func firstEnd(members []*member) <-chan error {
	ended := make(chan error, len(members))
	for _, m := range members {
		go func() {
			<-m.done
			ended <- fmt.Errorf("child %s has ended: %v", m.name, m.cmd.ProcessState)
		}()
	}
	return ended
}

// endAll tells every member to end and waits until they have.
func endAll(members []*member) error {
	var errs []error
	for _, m := range members {
		if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			errs = append(errs, fmt.Errorf("failed to end child %s: %w", m.name, err))
		}
	}
	for _, m := range members {
		<-m.done
	}
	return errors.Join(errs...)
}
