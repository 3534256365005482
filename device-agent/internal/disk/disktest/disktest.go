// Package disktest is a disk in memory for tests: it can lose what was not synced, tear the last write, refuse or fail.
//
// It guarantees the worst that a power cut may do: after [Disk.PowerCut] only synced bytes are left (plus, if asked, a torn
// part of what was not). It is safe for concurrent use.
package disktest

import (
	"fmt"
	"io/fs"
	"slices"

	"github.com/telltale-iot/telltale/device-agent/internal/disk"
)

// Disk implements disk.Disk in memory, with faults.
type Disk struct {
	mu    disk.Lock // a hook of Fail may hang while it is held
	files map[string]*content
	fault func(op, name string) error
	syncs int
}

type content struct {
	data   []byte
	synced int
}

// New returns an empty disk without faults.
func New() *Disk { return &Disk{mu: disk.NewLock(), files: map[string]*content{}} }

// Fail installs a hook asked before each operation ("create", "write", "sync", "read", "remove"); its error is the result.
func (d *Disk) Fail(fault func(op, name string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = fault
}

// PowerCut forgets what was not synced, except the first keep bytes of each file's unsynced tail (a torn write).
func (d *Disk) PowerCut(keep int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.files {
		c.data = c.data[:min(len(c.data), c.synced+keep)]
		c.synced = len(c.data)
	}
}

// Put replaces a file's content, as synced.
func (d *Disk) Put(name string, data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[name] = &content{data: slices.Clone(data), synced: len(data)}
}

// Bytes returns the sum of all file sizes.
func (d *Disk) Bytes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.BytesLocked()
}

// BytesLocked is Bytes for use inside the hook of Fail.
func (d *Disk) BytesLocked() int {
	sum := 0
	for _, c := range d.files {
		sum += len(c.data)
	}
	return sum
}

// Syncs returns how many syncs succeeded: what wears a memory card.
func (d *Disk) Syncs() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs
}

// Create implements disk.Disk.
func (d *Disk) Create(name string) (disk.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.ask("create", name); err != nil {
		return nil, err
	}
	c := &content{}
	d.files[name] = c
	return &file{d: d, name: name, c: c}, nil
}

// ReadFile implements disk.Disk.
func (d *Disk) ReadFile(name string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.ask("read", name); err != nil {
		return nil, err
	}
	c, ok := d.files[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return slices.Clone(c.data), nil
}

// List implements disk.Disk.
func (d *Disk) List() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := make([]string, 0, len(d.files))
	for n := range d.files {
		names = append(names, n)
	}
	slices.Sort(names)
	return names, nil
}

// Remove implements disk.Disk.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.ask("remove", name); err != nil {
		return err
	}
	delete(d.files, name)
	return nil
}

func (d *Disk) ask(op, name string) error {
	if d.fault == nil {
		return nil
	}
	if err := d.fault(op, name); err != nil {
		return fmt.Errorf("%s %s: %w", op, name, err)
	}
	return nil
}

type file struct {
	d    *Disk
	name string
	c    *content
}

func (f *file) Write(p []byte) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.ask("write", f.name); err != nil {
		return 0, err
	}
	f.c.data = append(f.c.data, p...)
	return len(p), nil
}

func (f *file) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.ask("sync", f.name); err != nil {
		// Linux marks the pages clean after a failed sync: what was in them is lost, and the next sync succeeds all the same.
		clear(f.c.data[f.c.synced:])
		f.c.synced = len(f.c.data)
		return err
	}
	f.c.synced = len(f.c.data)
	f.d.syncs++
	return nil
}

func (f *file) Close() error { return nil }
