package cliatrium

import (
	"context"

	"github.com/atriumhub/atrium/internal/cli"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// session is a hub and the workspace to work in.
type session struct {
	*cli.Session
	hub  *client.Hub
	path logicalcluster.Path
}

func open(ctx context.Context, env environment, options *cli.Options) (*session, error) {
	loaded, hub, path, err := options.OpenWorkspace(ctx, env.streams)
	if err != nil {
		return nil, err
	}
	return &session{Session: loaded, hub: hub, path: path}, nil
}

func (s *session) explain(err error) error { return cli.Explain(err, s.Base) }
