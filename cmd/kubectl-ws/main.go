// Command kubectl-ws is the plugin that makes "kubectl ws" work: put it on the
// PATH. It moves between the workspaces of a hub, creates them, and shows them.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/atriumhub/atrium/internal/cli"
	"github.com/atriumhub/atrium/internal/cliws"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Main(ctx, cliws.New(cli.StandardStreams())))
}
