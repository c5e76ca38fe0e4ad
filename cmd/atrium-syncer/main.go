// Atrium-syncer connects one child cluster to a hub: it brings down what is
// placed on the child and brings up how it fares there. See pkg/syncer.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	noticeCuts()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "atrium-syncer:", err)
		os.Exit(1)
	}
}

// noticeCuts makes client-go find out within 15 seconds, not 45, that a
// connection is dead although nobody closed it.
func noticeCuts() {
	for name, seconds := range map[string]string{
		"HTTP2_READ_IDLE_TIMEOUT_SECONDS": "10",
		"HTTP2_PING_TIMEOUT_SECONDS":      "5",
	} {
		if _, set := os.LookupEnv(name); !set {
			os.Setenv(name, seconds)
		}
	}
}
