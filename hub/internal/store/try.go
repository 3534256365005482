package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Try does with a copy what a hub does at its start, reading only: it reads the log into memory and asks for every device, its newest
// readings and its commands. Error: what would stop the hub. The copy must have today's shape and be whole, see package check.
func Try(ctx context.Context, file string) (err error) {
	db, _, err := OpenReadOnly(ctx, file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	s, err := readOnly(ctx, db)
	if err != nil {
		return err
	}
	defer func() { _ = s.writer.conn.c.Close() }() // goes back to the pool
	devices, err := s.Devices(ctx)
	if err != nil {
		return err
	}
	for _, d := range devices {
		if _, _, err := s.Latest(ctx, d.ID); err != nil {
			return err
		}
		if _, err := s.OpenCommands(ctx, d.ID); err != nil {
			return err
		}
		if _, err := s.LatestCommands(ctx, d.ID); err != nil {
			return err
		}
	}
	return nil
}

// readOnly is a store that answers questions about a file and has nobody who writes.
func readOnly(ctx context.Context, db *sql.DB) (*Store, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	o := Options{Log: slog.New(slog.DiscardHandler), Now: time.Now}
	s := &Store{log: o.Log, now: o.Now, window: windowChunks, read: db}
	s.writer = newWriter("", &conn{db: db, c: c, stmts: map[string]*sql.Stmt{}}, o)
	s.head = s.writer.head
	if err = s.writer.conn.row(sqlCountSlots).Scan(&s.writer.slots); err == nil {
		err = s.writer.load()
	}
	if err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("read the log: %w", err)
	}
	return s, nil
}
