package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/hub/internal/store/check"
)

// copyShare is the part of the progress that copying has; the rest is the trial.
const copyShare = 0.5

// Made is a backup that was made.
type Made struct {
	Bytes, Readings int64
}

// Make makes one backup: copy, trial, name. progress hears the state ("running", "verifying") and from 0 to 1.
//
// The file appears under its name only when all of that is done and on the disk; after an error there is none, and nothing else is left.
func Make(ctx context.Context, source Source, file string, progress func(state string, p float64)) (Made, error) {
	part := file + partSuffix
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return Made{}, fmt.Errorf("make the folder of the backups: %w", err)
	}
	c, err := source.CopyTo(ctx, part, func(p float64) { progress(stateRunning, copyShare*p) })
	if err != nil {
		return Made{}, err
	}
	err = try(ctx, part, c, func(p float64) { progress(stateVerifying, copyShare+(1-copyShare)*p) })
	if err == nil {
		err = rename(part, file)
	}
	if err != nil {
		return Made{}, errors.Join(err, os.Remove(part))
	}
	return Made{c.Bytes, c.Readings}, nil
}

// try does with a copy what a restore and the start after it would: checks all of it, counts, and reads it with the store's own code.
func try(ctx context.Context, file string, c store.Copied, progress func(float64)) error {
	r, err := check.File(ctx, file, progress)
	switch {
	case err != nil:
		return fmt.Errorf("try the backup: %w", err)
	case !r.OK():
		return fmt.Errorf("the backup is not good: %w", errLines(r.Findings[0].String(), len(r.Findings)+r.More-1))
	case r.Readings != c.Readings:
		return fmt.Errorf("the backup is not good: it holds %d readings, the store had %d", r.Readings, c.Readings)
	}
	if err := store.Try(ctx, file); err != nil {
		return fmt.Errorf("the backup is not good, a hub could not start with it: %w", err)
	}
	return nil
}

// rename gives a file its name, durably. It never replaces another one.
func rename(from, to string) error {
	if taken(to) {
		return fmt.Errorf("%s is there already", to)
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync() // not every system can
	return d.Close()
}
