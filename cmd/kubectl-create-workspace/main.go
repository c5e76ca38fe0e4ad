// Command kubectl-create-workspace is the plugin that makes "kubectl create
// workspace" work: put it on the PATH. It is "kubectl ws create" under the name
// that fits the rest of kubectl.
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
	os.Exit(cli.Main(ctx, cliws.NewCreateWorkspace(cli.StandardStreams())))
}
