// Package disk is the small part of a file system that the agent's durable files need, and the record framing they share.
//
// It exists so that the outbox and the journal can be tested on a disk that tears writes, refuses them or lies about
// syncing (see disktest), while the program uses [Dir], which is the real one. It guarantees that a file created and synced
// through Dir survives a power cut together with its directory entry. It refuses paths: names are plain file names.
package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// File is an open file that is only ever appended to.
type File interface {
	// Write appends p.
	Write(p []byte) (int, error)
	// Sync returns once everything written is on the medium.
	Sync() error
	// Close gives the handle back; it does not sync.
	Close() error
}

// Disk is one flat folder of files.
type Disk interface {
	// Create makes or empties the file and returns it open for appending.
	Create(name string) (File, error)
	// ReadFile returns a file's whole content; fs.ErrNotExist when there is none.
	ReadFile(name string) ([]byte, error)
	// List returns the names of all files, sorted.
	List() ([]string, error)
	// Remove deletes a file; a missing one is not an error.
	Remove(name string) error
}

// ErrName is returned for a file name that is a path.
var ErrName = errors.New("file name must not be a path")

// Dir is a Disk on a real folder.
type Dir struct {
	path string
}

// OpenDir makes the folder (mode 0700) if it is missing and returns it as a Disk.
func OpenDir(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make state folder: %w", err)
	}
	return &Dir{path: path}, nil
}

// Create implements Disk. The directory entry is synced before Create returns.
func (d *Dir) Create(name string) (File, error) {
	p, err := d.join(name)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(p, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if err := d.syncDir(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ReadFile implements Disk.
func (d *Dir) ReadFile(name string) ([]byte, error) {
	p, err := d.join(name)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(p)
}

// List implements Disk.
func (d *Dir) List() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Remove implements Disk.
func (d *Dir) Remove(name string) error {
	p, err := d.join(name)
	if err != nil {
		return err
	}
	if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (d *Dir) join(name string) (string, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, `/\`) {
		return "", fmt.Errorf("%w: %q", ErrName, name)
	}
	return filepath.Join(d.path, name), nil
}

func (d *Dir) syncDir() error {
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
