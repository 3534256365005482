package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// File returns where the store of a data folder lies.
func File(dir string) string { return filepath.Join(dir, fileName) }

// Lock makes a data folder and takes it for this process, as [Open] does. Error: [ErrInUse].
func Lock(dir string) (unlock func() error, err error) { return lockDir(dir) }

// OpenReadOnly opens a store's file for reading from outside: no hub is disturbed, and nothing is written, not even beside it when no WAL
// belongs to it. shape is how many migrations the file has.
//
// A hub may run on the file meanwhile if the WAL is beside it, as it is then. Errors are for people: [ErrNewer], no such file, not a
// database.
func OpenReadOnly(ctx context.Context, file string) (db *sql.DB, shape int, err error) {
	params := map[string]string{"mode": "ro", "_query_only": "1"}
	if _, err := os.Stat(file); err != nil {
		return nil, 0, err
	}
	if _, err := os.Stat(file + "-wal"); errors.Is(err, fs.ErrNotExist) {
		params["immutable"] = "1" // or SQLite would make one
	}
	name, err := dsn(file, params)
	if err != nil {
		return nil, 0, err
	}
	if db, err = sql.Open("sqlite3", name); err != nil {
		return nil, 0, err
	}
	if shape, err = knownShape(ctx, db); err != nil {
		_ = db.Close()
		return nil, 0, err
	}
	return db, shape, nil
}

// OpenForFilling opens the file of a store that nobody uses for writing rows into it, as whoever builds one does: fast, and nothing of it is durable.
func OpenForFilling(file string) (*sql.DB, error) {
	name, err := dsn(file, map[string]string{"_journal_mode": "OFF", "_synchronous": "OFF", "_foreign_keys": "0"})
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite3", name)
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

// knownShape reads a file's shape. Error: ErrNewer.
func knownShape(ctx context.Context, db *sql.DB) (shape int, err error) {
	known, err := Shape()
	if err != nil {
		return 0, err
	}
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&shape); err != nil {
		return 0, inWords(err)
	}
	if shape > known {
		return 0, fmt.Errorf("%w (the file has shape %d, this program knows %d)", ErrNewer, shape, known)
	}
	var ours int
	if err := db.QueryRowContext(ctx, ourTables).Scan(&ours); err != nil {
		return 0, inWords(err)
	}
	if shape < 1 || ours != 3 {
		return 0, errors.New("the file is not a store of Telltale")
	}
	return shape, nil
}

const ourTables = `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('meta', 'device', 'series')`

// Shape is how many migrations this program knows: the shape of the files it writes.
func Shape() (int, error) {
	steps, err := migrationSteps(migrations)
	return len(steps), err
}
