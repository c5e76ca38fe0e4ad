package cliws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/atriumhub/atrium/internal/cli"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// What switches a terminal to a screen of its own without a cursor, and back.
const (
	ownScreen   = "\x1b[?1049h\x1b[?25l"
	formerState = "\x1b[?25h\x1b[?1049l"
	fromTheTop  = "\x1b[H\x1b[2J"
)

// isTerminal tells whether a stream is a terminal.
func isTerminal(stream io.Writer) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// errNoTerminal is for those who ask a pipe for an interactive tree.
var errNoTerminal = errors.New("an interactive tree needs a terminal to read keys from and to draw on: use 'kubectl ws tree' to print it, or 'kubectl ws find <text>' to search")

// browse lets somebody choose a workspace and enters it.
func browse(ctx context.Context, env environment, options cli.Options) error {
	in, reads := env.streams.In.(*os.File)
	if !reads || !term.IsTerminal(int(in.Fd())) || !env.terminal(env.streams.Out) {
		return errNoTerminal
	}
	session, hub, start, err := options.OpenWorkspace(ctx, env.streams)
	if err != nil {
		return err
	}
	b := newBrowser(start)
	for _, br := range b.way() {
		if err := load(ctx, hub, br); err != nil {
			return cli.Explain(err, session.Base)
		}
	}
	chosen, err := interact(ctx, in, env.streams.Out, hub, b)
	if err != nil || chosen == "" {
		return err
	}
	use := &useCommand{env: env, options: options}
	return use.goTo(ctx, session, cli.ParseDestination(":"+chosen.String(), ""))
}

// load asks for the children of a branch. One that may not be looked into says
// so in its row.
func load(ctx context.Context, hub *client.Hub, br *branch) error {
	if br.mount {
		br.load(nil, "")
		return nil
	}
	found, err := children(ctx, hub, br.path)
	switch {
	case apierrors.IsForbidden(err):
		br.load(nil, "you may not look into it")
	case apierrors.IsNotFound(err), apierrors.IsServiceUnavailable(err):
		br.load(nil, "not ready")
	case err != nil:
		return fmt.Errorf("listing the workspaces in %q: %w", br.path.String(), err)
	default:
		br.load(found, "")
	}
	return nil
}

// interact shows the browser until somebody has chosen, or wants none. The
// terminal is left as it was.
func interact(ctx context.Context, in *os.File, out io.Writer, hub *client.Hub, b *browser) (logicalcluster.Path, error) {
	fd := int(in.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", fmt.Errorf("preparing the terminal: %w", err)
	}
	fmt.Fprint(out, ownScreen)
	defer func() {
		fmt.Fprint(out, formerState)
		_ = term.Restore(fd, before)
	}()
	typed := typing(in)
	for {
		draw(out, fd, b)
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case input, ok := <-typed:
			if !ok {
				return "", nil
			}
			for _, k := range readKeys(input) {
				switch b.press(k) {
				case wishQuit:
					return "", nil
				case wishEnter:
					return b.at.path, nil
				case wishLoad:
					if err := load(ctx, hub, b.at); err != nil {
						b.message = err.Error()
					}
				}
			}
		}
	}
}

// typing passes on what is typed. It ends with the process: a read from a
// terminal cannot be called off.
func typing(in io.Reader) <-chan string {
	typed := make(chan string)
	go func() {
		defer close(typed)
		buffer := make([]byte, 256)
		for {
			n, err := in.Read(buffer)
			if err != nil {
				return
			}
			typed <- string(buffer[:n])
		}
	}()
	return typed
}

func draw(out io.Writer, fd int, b *browser) {
	columns, lines, err := term.GetSize(fd)
	if err != nil || columns <= 0 || lines <= 0 {
		columns, lines = 80, 24
	}
	fmt.Fprint(out, fromTheTop+strings.Join(b.view(columns, lines), "\r\n"))
}
