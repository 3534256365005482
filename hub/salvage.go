package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/telltale-iot/telltale/hub/internal/store/salvage"
	"github.com/telltale-iot/telltale/internal/cli"
)

type salvageCommand struct {
	File   string `arg:"" type:"path" help:"The damaged file; it is only read."`
	Output string `short:"o" required:"" type:"path" placeholder:"NEW" help:"File of the new store."`
}

// Run makes a new store of a damaged one and says what is lost.
func (c *salvageCommand) Run(ctx context.Context, streams *cli.IO) error {
	p := newProgress(streams.Err)
	r, err := salvage.Run(ctx, salvage.Options{File: c.File, Output: c.Output, Progress: func(done float64) { p.state("salvaging", done) }})
	p.clear()
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no file %s", c.File)
	}
	if err != nil {
		return err
	}
	for _, f := range r.Lost {
		if _, err := fmt.Fprintf(streams.Out, "lost: %s\n", f); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(streams.Out, "%s has %d readings of %d devices and is good; what is lost is a gap in it. Put it in place: hub restore %s --replace\n",
		c.Output, r.Readings, r.Devices, c.Output)
	return err
}
