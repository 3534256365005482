package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/telltale-iot/telltale/hub/app"
	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/hub/internal/store/backup"
	"github.com/telltale-iot/telltale/internal/cli"
	"github.com/telltale-iot/telltale/schema"
)

// askEvery is how often a running hub is asked how far its backup is.
const askEvery = 500 * time.Millisecond

type backupCommand struct {
	server
	Data   string `type:"path" env:"-" placeholder:"DIR" help:"Back up the store in this folder directly, when no hub runs on it."`
	Output string `short:"o" type:"path" placeholder:"FILE" help:"Fetch the backup into this file as well (with --data: write it there)."`
}

// Run makes a backup, in the running hub or of a folder.
func (c *backupCommand) Run(ctx context.Context, streams *cli.IO) error {
	if c.Data != "" {
		return c.offline(ctx, streams)
	}
	b, err := ask[schema.Backup](ctx, &c.server, "POST", "/api/v1/storage/backups")
	if err != nil {
		return err
	}
	if b, err = c.wait(ctx, streams, b.Name); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(streams.Out, "%s: %d readings, %d bytes, checked\n", b.Name, b.Readings, b.Bytes); err != nil || c.Output == "" {
		return err
	}
	return c.fetch(ctx, b.Name)
}

// offline makes a backup of a folder that no hub uses.
func (c *backupCommand) offline(ctx context.Context, streams *cli.IO) error {
	if _, err := os.Stat(store.File(c.Data)); err != nil {
		return fmt.Errorf("there is no store in %s", c.Data)
	}
	s, err := store.Open(ctx, store.Options{Dir: c.Data})
	if errors.Is(err, store.ErrInUse) {
		return fmt.Errorf("a hub runs on %s; leave --data out and it makes the backup", c.Data)
	}
	if err != nil {
		return err
	}
	file := c.Output
	if file == "" {
		file = filepath.Join(c.Data, "backups", backup.Name(time.Now()))
	}
	p := newProgress(streams.Err)
	made, err := backup.Make(ctx, s, file, p.state)
	p.clear()
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(streams.Out, "%s: %d readings, %d bytes, checked\n", file, made.Readings, made.Bytes)
	return err
}

// wait shows the progress until the backup has ended.
func (c *backupCommand) wait(ctx context.Context, streams *cli.IO, name string) (schema.Backup, error) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	p := newProgress(streams.Err)
	defer p.clear()
	for {
		list, err := ask[schema.BackupList](ctx, &c.server, "GET", "/api/v1/storage/backups")
		if err != nil {
			return schema.Backup{}, err
		}
		found := false
		for _, b := range list.Backups {
			if b.Name != name {
				continue
			}
			found = true
			p.state(b.State, b.Progress)
			switch b.State {
			case "done":
				return b, nil
			case "failed":
				return b, fmt.Errorf("no backup was made: %s", b.Message)
			}
		}
		if !found {
			return schema.Backup{}, fmt.Errorf("the backup %s is gone; was the hub restarted?", name)
		}
		select {
		case <-ctx.Done():
			return schema.Backup{}, ctx.Err()
		case <-tick.C:
		}
	}
}

// fetch downloads a backup. A half one does not get the file's name.
func (c *backupCommand) fetch(ctx context.Context, name string) error {
	body, err := c.do(ctx, "GET", "/api/v1/storage/backups/"+name, nil, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	part := c.Output + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(part, c.Output)
	}
	if err != nil {
		_ = os.Remove(part)
		return fmt.Errorf("fetch the backup: %w", err)
	}
	return nil
}

// ask sends a request without a body and decodes the answer.
func ask[T any](ctx context.Context, s *server, method, path string) (out T, err error) {
	body, err := s.do(ctx, method, path, nil, nil)
	if err != nil {
		return out, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&out); err != nil {
		return out, fmt.Errorf("read the hub's answer: %w", err)
	}
	return out, nil
}

// folder is the data folder of commands that work without a hub.
type folder struct {
	Data string `type:"path" placeholder:"DIR" help:"Data folder of the hub; without it, the usual one."`
}

func (f *folder) dir() string {
	if f.Data != "" {
		return f.Data
	}
	return app.Default().Data
}
