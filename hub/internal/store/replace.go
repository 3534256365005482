package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace puts a file in the place of a folder's store. The old store keeps existing under the name aside, with its WAL if it has one
// that cannot be folded in; a name that is not needed stays free. The folder must be locked, and all files on one disk.
//
// A kill at any point leaves a whole store in the folder, the old or the new one, and loses neither. The next [Open] begins a new generation.
// Held by TestAKillWhileAStoreIsReplacedLeavesOneOfThem.
func Replace(dir, with, aside string) error {
	for _, step := range replaceSteps(dir, with, aside) {
		if err := step(); err != nil {
			return fmt.Errorf("replace the store: %w", err)
		}
	}
	return nil
}

func replaceSteps(dir, with, aside string) []func() error {
	file := File(dir)
	return []func() error{
		func() error { // the old store's WAL is folded into its file; a damaged store keeps it
			if !exists(file) {
				return nil
			}
			if c, err := openConn(file); err == nil {
				_ = c.close()
			}
			return nil
		},
		// Without the marker the next start knows that the database is a copy. If it is still the old one by then, devices only send again what
		// it has.
		func() error { return removeIfThere(filepath.Join(dir, markerName)) },
		func() error { return removeIfThere(file + "-shm") },
		func() error { // only of a store that SQLite cannot open
			if !exists(file + "-wal") {
				return nil
			}
			return os.Rename(file+"-wal", aside+"-wal")
		},
		func() error {
			if !exists(file) {
				return nil
			}
			if err := os.Link(file, aside); err == nil {
				return nil
			}
			return os.Rename(file, aside) // a file system without links: for a moment there is no store
		},
		func() error { return os.Rename(with, file) },
		func() error {
			d, err := os.Open(dir)
			if err != nil {
				return err
			}
			_ = d.Sync() // not every system can
			return d.Close()
		},
	}
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

func removeIfThere(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
