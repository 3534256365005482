package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/internal/cli"
	"github.com/telltale-iot/telltale/schema"
)

type pairCommand struct {
	server
	Uses    int `default:"1" help:"How many devices may use the code."`
	Minutes int `default:"10" help:"How long the code is good."`
}

// Run fetches a code and prints it.
func (c *pairCommand) Run(ctx context.Context, streams *cli.IO) error {
	body, err := c.do(ctx, "POST", "/api/v1/pairing-codes", nil, schema.PairingRequest{Uses: c.Uses, Minutes: c.Minutes})
	if err != nil {
		return err
	}
	defer body.Close()
	var code schema.PairingCode
	if err := json.NewDecoder(body).Decode(&code); err != nil {
		return fmt.Errorf("read the hub's answer: %w", err)
	}
	_, err = fmt.Fprintf(streams.Out, "%s\n\nGood until %s for %d device(s). On the device:\n  device-agent --hub %s --code %s\n",
		code.Code, time.UnixMilli(code.ExpiresMS).Format(time.TimeOnly), code.Uses, c.Hub, code.Code)
	return err
}
