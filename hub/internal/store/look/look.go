// Package look answers SQL about a store's file, packed readings included.
//
// [Open] opens a file for reading only, also while a hub writes it, and adds a view that no file can have by itself:
//
//	readings(device, channel, t, t_ms, value, quality, time_quality)
//
// It has every reading of every device that is not forgotten: packed, still in the log, or from the time before readings were packed. A query
// sees one moment of the file. It is for people and scripts that look: each reading passes through JSON, some two microseconds, and
// only the device and the channel are looked up by an index. Held by TestTheViewHasEveryReadingExactly.
package look

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	sqlite3 "github.com/mattn/go-sqlite3"

	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/hub/internal/store/pack"
	"github.com/telltale-iot/telltale/hub/internal/store/ring"
)

// columns of the view, of a row with the device d and the series s.
const columns = `SELECT d.device_id AS device, s.channel AS channel, strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', (%[1]s) / 1000.0, 'unixepoch') AS t, %[1]s AS t_ms, %[2]s AS value,
	CASE %[3]s & 7 WHEN 0 THEN 'ok' WHEN 2 THEN 'range' WHEN 3 THEN 'stale' WHEN 4 THEN 'sim' ELSE 'fault' END AS quality,
	CASE %[3]s >> 3 & 3 WHEN 0 THEN 'synced' WHEN 1 THEN 'relative' WHEN 3 THEN 'skewed' ELSE 'estimated' END AS time_quality
FROM %[4]s WHERE d.device_id IS NOT NULL`

// view puts together readings of chunks, of the log's slots and of the old table. Each part names device and series by itself, so that a query
// for one of them unpacks no others' chunks.
func view(shape int) string {
	const named = "main.device d JOIN main.series s ON s.device_id = d.id JOIN "
	old := fmt.Sprintf(columns, "r.t_ms", "r.value", "(r.quality | r.time_quality << 3)", named+"main.reading r ON r.series_id = s.id")
	if shape < 3 {
		return old
	}
	packed := fmt.Sprintf(columns, "(e.value ->> 0)", "(e.value ->> 1)", "(e.value ->> 2)", named+"main.chunk c ON c.series_id = s.id JOIN json_each(chunk_json(c.data)) e")
	// CROSS: in this order, or each series would read the log anew.
	logged := fmt.Sprintf(columns, "(e.value ->> 0)", "(e.value ->> 1)", "(e.value ->> 2)", `main.ring g
		CROSS JOIN json_each(slot_json(g.data, coalesce((SELECT value FROM main.meta WHERE name = 'flushed'), '0'))) e
		CROSS JOIN main.series s ON s.id = e.value ->> 3 CROSS JOIN main.device d ON d.id = s.device_id`)
	return packed + " UNION ALL " + logged + " UNION ALL " + old
}

// Open opens a store's file for looking. Close the database when done. Errors are for people: no such file, a newer program's, not a store.
func Open(ctx context.Context, file string) (*sql.DB, error) {
	db, shape, err := store.OpenReadOnly(ctx, file)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // the one that has the view
	if err := prepare(ctx, db, shape); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func prepare(ctx context.Context, db *sql.DB, shape int) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // goes back to the pool
	err = conn.Raw(func(c any) error {
		own, ok := c.(*sqlite3.SQLiteConn)
		if !ok {
			return fmt.Errorf("the driver's connection is a %T", c)
		}
		return errors.Join(own.RegisterFunc("chunk_json", chunkJSON, true), own.RegisterFunc("slot_json", slotJSON, true))
	})
	if err != nil {
		return err
	}
	for _, query := range []string{`PRAGMA query_only = 0`, `CREATE TEMP VIEW readings AS ` + view(shape), `PRAGMA query_only = 1`} {
		if _, err := conn.ExecContext(ctx, query); err != nil {
			return fmt.Errorf("make the view of readings: %w", err)
		}
	}
	return nil
}

// chunkJSON is a chunk as JSON: an array of [t_ms, value, marks].
func chunkJSON(data []byte) (string, error) {
	var b pack.Block
	if err := pack.Decode(&b, data); err != nil {
		return "", fmt.Errorf("%w; hub check names which", err)
	}
	out := append(make([]byte, 0, 32*b.Len()), '[')
	out = appendBlock(out, &b, 0)
	return string(append(out, ']')), nil
}

// slotJSON is a slot of the log: an array of [t_ms, value, marks, series], empty when its readings are packed.
func slotJSON(data []byte, flushed string) (string, error) {
	after, err := strconv.ParseUint(flushed, 10, 64)
	if err != nil {
		return "", fmt.Errorf("the log's position is damaged: %w", err)
	}
	s, err := ring.DecodeSlot(data)
	if err != nil || s.Number <= after {
		return "[]", nil // a damaged one shows nothing: what was in it is not known
	}
	out := []byte{'['}
	err = s.Frames(func(*ring.Frame) error { return nil }, func(_ *ring.Frame, r *ring.Run) { out = appendBlock(out, &r.Block, r.Series) })
	return string(append(out, ']')), err
}

// appendBlock appends the readings of a block, each with the series if that is given.
func appendBlock(out []byte, b *pack.Block, series int64) []byte {
	for i, t := range b.TMS {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, '[')
		out = strconv.AppendInt(out, t, 10)
		out = append(out, ',')
		switch m := b.Mark(i); {
		case m.Null():
			out = append(out, "null"...)
		case b.Kind == pack.Texts:
			text, _ := json.Marshal(b.Text[i]) // a string can always be
			out = append(out, text...)
		case b.Kind == pack.Bools:
			out = strconv.AppendInt(out, int64(b.Num[i]), 10)
		default:
			out = appendNumber(out, b.Num[i])
		}
		out = append(out, ',')
		out = strconv.AppendUint(out, uint64(b.Mark(i)), 10)
		if series != 0 {
			out = append(out, ',')
			out = strconv.AppendInt(out, series, 10)
		}
		out = append(out, ']')
	}
	return out
}

// appendNumber appends a number so that SQLite makes a REAL of it, a whole one too.
func appendNumber(out []byte, x float64) []byte {
	from := len(out)
	out = strconv.AppendFloat(out, x, 'g', -1, 64)
	if !slices.ContainsFunc(out[from:], func(c byte) bool { return c == '.' || c == 'e' }) {
		out = append(out, ".0"...)
	}
	return out
}
