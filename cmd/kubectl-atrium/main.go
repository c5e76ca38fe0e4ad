// Command kubectl-atrium is the plugin that makes "kubectl atrium" work: put it
// on the PATH. It publishes and binds APIs and answers claims, registers child
// clusters with a hub, takes them out of service, and binds compute to a workspace.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/atriumhub/atrium/internal/cli"
	"github.com/atriumhub/atrium/internal/cliatrium"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Main(ctx, cliatrium.New(cli.StandardStreams())))
}
