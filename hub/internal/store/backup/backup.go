// Package backup makes copies of a running store, keeps them, and puts one back.
//
// [Keeper] makes one backup at a time: a copy of the store as it is at one moment into a file that nobody mistakes for a backup yet
// (.part), then a trial of that file, and only when the check finds nothing wrong and as many readings as the store itself had does
// it get its name. A backup that failed, or that a kill or a power cut interrupted, leaves nothing that looks like one.
// Held by TestAKillLeavesNoHalfBackup, TestAFullDiskFailsABackupInWords.
//
// [Restore] puts a file in the place of a store; [Keeper.Start] is where to begin reading.
package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/schema"
)

const (
	// nameLayout names a backup after when it began, UTC.
	nameLayout = "telltale-2006-01-02T150405Z.db"
	// partSuffix marks a file that is not a backup yet.
	partSuffix = ".part"
	// retryAfter is how soon a scheduled backup that failed is tried again, at most.
	retryAfter = time.Hour
)

// States of a backup.
const (
	stateRunning   = "running"
	stateVerifying = "verifying"
	stateDone      = "done"
	stateFailed    = "failed"
)

// Source is a store that can be copied while it works.
type Source interface {
	// CopyTo writes the store as it is at one moment into a new file.
	CopyTo(ctx context.Context, file string, progress func(float64)) (store.Copied, error)
}

// Options of [New].
type Options struct {
	// Source is copied.
	Source Source
	// Dir is the folder of the backups; it is made when it does not exist.
	Dir string
	// Keep is how many backups are kept, the newest; 0 = all.
	Keep int
	// Every is how often a backup is made by itself; 0 = never.
	Every time.Duration
	// Log receives what a person should know; nil = nothing is logged.
	Log *slog.Logger
	// Now is the clock; nil = time.Now.
	Now func() time.Time
}

// Keeper makes backups and keeps them. Its methods are safe for concurrent use.
type Keeper struct {
	o     Options
	start chan struct{}

	mu     sync.Mutex
	own    *schema.Backup // the newest that this keeper made or makes; nil = none
	tried  time.Time      // when that began
	closed bool
}

// New returns a keeper, after it has removed what an interrupted backup left in the folder. [Keeper.Run] does the work.
func New(o Options) *Keeper {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	halves, _ := filepath.Glob(filepath.Join(o.Dir, "telltale-*"+partSuffix+"*")) // the pattern is good
	for _, name := range halves {
		o.Log.Info("an interrupted backup is removed", "file", name)
		if err := os.Remove(name); err != nil {
			o.Log.Warn("an interrupted backup cannot be removed", "file", name, "err", err)
		}
	}
	return &Keeper{o: o, start: make(chan struct{}, 1)}
}

// Run makes the backups that are asked for and those that are due, until ctx ends; one that is being made then fails.
func (k *Keeper) Run(ctx context.Context) error {
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.closed = true
	}()
	for {
		var due <-chan time.Time
		if k.o.Every > 0 {
			due = time.After(k.untilDue())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-k.start:
			k.make(ctx)
		case <-due:
			if _, err := k.Start(); err == nil {
				<-k.start
				k.make(ctx)
			}
		}
	}
}

// untilDue is how long until the next backup by schedule.
func (k *Keeper) untilDue() time.Duration {
	now, next := k.o.Now(), time.Time{}
	if all := k.names(); len(all) > 0 {
		next = began(all[0]).Add(k.o.Every)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.own != nil && k.own.State == stateFailed {
		if again := k.tried.Add(min(k.o.Every, retryAfter)); again.After(next) {
			next = again
		}
	}
	return max(0, next.Sub(now))
}

// Start begins a backup and returns it as it is at the start. Errors: *schema.Problem when one is being made, or the hub stops.
func (k *Keeper) Start() (schema.Backup, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.closed:
		return schema.Backup{}, schema.Problemf(schema.CodeUnavailable, "the hub is stopping")
	case k.busy():
		return schema.Backup{}, schema.Problemf(schema.CodeConflict, "a backup is being made, %.0f %% are done; wait until it has ended", 100*k.own.Progress)
	}
	k.tried = k.o.Now()
	at := k.tried
	for taken(filepath.Join(k.o.Dir, Name(at))) { // another one in the same second
		at = at.Add(time.Second)
	}
	k.own = &schema.Backup{Name: Name(at), State: stateRunning, StartedMS: k.tried.UnixMilli()}
	k.start <- struct{}{} // there is room: nothing is being made
	return *k.own, nil
}

// Name returns the name of a backup that begins at a time.
func Name(at time.Time) string { return at.UTC().Format(nameLayout) }

func taken(file string) bool {
	_, err := os.Lstat(file)
	return !errors.Is(err, fs.ErrNotExist)
}

// busy reports whether a backup is being made; mu must be held.
func (k *Keeper) busy() bool {
	return k.own != nil && (k.own.State == stateRunning || k.own.State == stateVerifying)
}

// List returns all backups, newest first: those in the folder, and the one that this keeper makes or could not make.
func (k *Keeper) List() schema.BackupList {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := []schema.Backup{}
	if k.own != nil && k.own.State != stateDone {
		all = append(all, *k.own)
	}
	for _, name := range k.names() {
		info, err := os.Stat(filepath.Join(k.o.Dir, name))
		switch {
		case err != nil: // deleted meanwhile
		case k.own != nil && k.own.Name == name && k.own.State == stateDone:
			all = append(all, *k.own)
		default:
			all = append(all, schema.Backup{Name: name, State: stateDone, Progress: 1, StartedMS: began(name).UnixMilli(),
				EndedMS: info.ModTime().UnixMilli(), Bytes: info.Size()})
		}
	}
	return schema.BackupList{Backups: all}
}

// Newest returns the backup that was begun last since the start; nil = none.
func (k *Keeper) Newest() *schema.Backup {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.own == nil {
		return nil
	}
	b := *k.own
	return &b
}

// Open opens a backup for reading. Error: *schema.Problem when there is none of that name.
func (k *Keeper) Open(name string) (*os.File, error) {
	if !valid(name) {
		return nil, unknown(name)
	}
	f, err := os.Open(filepath.Join(k.o.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, unknown(name)
	}
	return f, err
}

// Delete deletes a backup. Error: *schema.Problem when there is none of that name, or it is being made.
func (k *Keeper) Delete(name string) error {
	if !valid(name) {
		return unknown(name)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if own := k.own != nil && k.own.Name == name; own && k.busy() {
		return schema.Problemf(schema.CodeConflict, "the backup %s is being made; wait until it has ended", name)
	} else if own {
		failed := k.own.State == stateFailed
		k.own = nil
		if failed {
			return nil
		}
	}
	err := os.Remove(filepath.Join(k.o.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return unknown(name)
	}
	return err
}

func unknown(name string) error {
	return schema.Problemf(schema.CodeNotFound, "there is no backup %q", name)
}

// valid reports whether a name is one of a backup; nothing else reaches the disk.
func valid(name string) bool {
	ok, err := regexp.MatchString(`^telltale-\d{4}-\d\d-\d\dT\d{6}Z\.db$`, name)
	return ok && err == nil
}

// began reads a name's time.
func began(name string) time.Time {
	t, _ := time.Parse(nameLayout, name) // the year 1 for a name like …-99-99T…: the oldest
	return t
}

// names lists the backups in the folder, newest first.
func (k *Keeper) names() []string {
	entries, err := os.ReadDir(k.o.Dir)
	if err != nil {
		return nil // none was made yet
	}
	var all []string
	for _, e := range entries {
		if e.Type().IsRegular() && valid(e.Name()) {
			all = append(all, e.Name())
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(b, a) })
	return all
}

// make makes the backup that Start has put down, and forgets the oldest.
func (k *Keeper) make(ctx context.Context) {
	k.mu.Lock()
	name, tried := k.own.Name, k.tried
	k.mu.Unlock()
	b, err := Make(ctx, k.o.Source, filepath.Join(k.o.Dir, name), k.progress)
	if err == nil {
		k.o.Log.Info("backup made and tried", "file", name, "bytes", b.Bytes, "count", b.Readings, "took", k.o.Now().Sub(tried))
		k.prune()
	} else {
		k.o.Log.Error("no backup was made", "file", name, "err", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.own.EndedMS = k.o.Now().UnixMilli()
	switch {
	case ctx.Err() != nil:
		k.own.State, k.own.Message = stateFailed, "the hub was stopped meanwhile"
	case err != nil:
		k.own.State, k.own.Message = stateFailed, err.Error()
	default:
		k.own.State, k.own.Progress, k.own.Bytes, k.own.Readings = stateDone, 1, b.Bytes, b.Readings
	}
}

// prune deletes the oldest backups.
func (k *Keeper) prune() {
	all := k.names()
	if k.o.Keep == 0 || len(all) <= k.o.Keep {
		return
	}
	for _, old := range all[k.o.Keep:] {
		if err := os.Remove(filepath.Join(k.o.Dir, old)); err != nil {
			k.o.Log.Warn("an old backup cannot be deleted", "file", old, "err", err)
		}
	}
}

func (k *Keeper) progress(state string, p float64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.own.State, k.own.Progress = state, max(k.own.Progress, p)
}

// errLines says the first of what is wrong.
func errLines(first string, more int) error {
	if more > 0 {
		return fmt.Errorf("%s (and %d more)", first, more)
	}
	return errors.New(first)
}
