package app

import (
	"io"
	"path/filepath"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/api"
	"github.com/telltale-iot/telltale/hub/internal/store/backup"
	"github.com/telltale-iot/telltale/schema"
)

// newBackups makes the keeper of the backups.
func (h *Hub) newBackups() *backup.Keeper {
	return backup.New(backup.Options{Source: h.store, Dir: filepath.Join(h.config.Data, "backups"), Keep: h.config.BackupKeep, Every: h.config.BackupEvery, Log: h.log})
}

// copies is what the HTTP routes ask of the backups: api.Backups.
type copies struct{ k *backup.Keeper }

var _ api.Backups = copies{}

// StartBackup begins a backup.
func (c copies) StartBackup() (schema.Backup, error) { return c.k.Start() }

// Backups lists them.
func (c copies) Backups() schema.BackupList { return c.k.List() }

// OpenBackup opens one.
func (c copies) OpenBackup(name string) (io.ReadSeekCloser, time.Time, error) {
	f, err := c.k.Open(name)
	if err != nil {
		return nil, time.Time{}, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, time.Time{}, err
	}
	return f, info.ModTime(), nil
}

// DeleteBackup deletes one.
func (c copies) DeleteBackup(name string) error { return c.k.Delete(name) }
