package main

import (
	"context"

	"github.com/telltale-iot/telltale/hub/app"
	"github.com/telltale-iot/telltale/internal/cli"
)

type auditCommand struct{ settings }

// Run writes every stored reading as a line of JSON.
func (s *auditCommand) Run(ctx context.Context, streams *cli.IO) error {
	c, err := s.load()
	if err != nil {
		return cli.WithCode(cli.ExitUsage, err)
	}
	return app.Audit(ctx, c.Data, logger(c, streams.Err), streams.Out)
}
