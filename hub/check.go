package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/hub/internal/store/backup"
	"github.com/telltale-iot/telltale/hub/internal/store/check"
	"github.com/telltale-iot/telltale/internal/cli"
)

type checkCommand struct {
	folder
	File string `arg:"" optional:"" type:"path" help:"A file instead of the data folder's store, a backup for one."`
}

// Run checks a store and says what is wrong; a hub may run on it meanwhile.
func (c *checkCommand) Run(ctx context.Context, streams *cli.IO) error {
	file := c.File
	if file == "" {
		file = store.File(c.dir())
	}
	p := newProgress(streams.Err)
	r, err := check.File(ctx, file, func(done float64) { p.state("checking", done) })
	p.clear()
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no file %s", file)
	}
	if err != nil {
		return err
	}
	if err := findings(streams.Out, r); err != nil {
		return err
	}
	if !r.OK() {
		return fmt.Errorf("%s is damaged; restore a backup, or keep what can be read: hub salvage %s -o NEW.db", file, file)
	}
	_, err = fmt.Fprintf(streams.Out, "%s is good: %d readings, %d in %d chunks, the others in the log; %d hourly values\n", file, r.Readings, r.Packed, r.Chunks, r.Hours)
	return err
}

// findings prints what is wrong, one a line.
func findings(to io.Writer, r *check.Report) error {
	for _, f := range r.Findings {
		if _, err := fmt.Fprintln(to, f); err != nil {
			return err
		}
	}
	if r.More > 0 {
		_, err := fmt.Fprintf(to, "… and %d more\n", r.More)
		return err
	}
	return nil
}

type restoreCommand struct {
	File string `arg:"" type:"path" help:"The backup."`
	folder
	Replace bool `help:"Put it in the place of the store that is there; that one is kept aside."`
}

// Run puts a backup in a data folder's place.
func (c *restoreCommand) Run(ctx context.Context, streams *cli.IO) error {
	p := newProgress(streams.Err)
	r, err := backup.Restore(ctx, backup.RestoreOptions{File: c.File, Data: c.dir(), Replace: c.Replace, At: time.Now(),
		Progress: func(done float64) { p.state("restoring", done) }})
	p.clear()
	var bad *backup.NotGood
	if errors.As(err, &bad) {
		return errors.Join(findings(streams.Out, bad.Report), err)
	}
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(streams.Out, "%s is in place with %d readings; when the hub starts, devices send again what they still have\n", store.File(c.dir()), r.Report.Readings); err != nil {
		return err
	}
	if r.Aside == "" {
		return nil
	}
	_, err = fmt.Fprintf(streams.Out, "the store of before is kept as %s\n", r.Aside)
	return err
}
