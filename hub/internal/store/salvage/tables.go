package salvage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	sqlite3 "github.com/mattn/go-sqlite3"

	"github.com/telltale-iot/telltale/hub/internal/store/check"
)

// table is a table of the new store.
type table struct {
	name    string
	columns []string // in the order in which a row keeps them
	rowID   bool     // the first column is the row's id
}

// tables copies every table that has no packed readings in it.
func (j *job) tables(ctx context.Context) error {
	all, err := j.shapes(ctx)
	if err != nil {
		return err
	}
	if j.survey.Guessed {
		j.add(check.Finding{What: "the list of tables is damaged; they were looked for where a new store has them"})
	}
	for _, t := range all {
		switch t.name {
		case "chunk", "ring", "total", "hour":
			continue
		}
		if err := j.copyTable(ctx, t); err != nil {
			return fmt.Errorf("table %s: %w", t.name, err)
		}
	}
	return j.orphans(ctx)
}

// shapes reads the new store's tables.
func (j *job) shapes(ctx context.Context) ([]table, error) {
	rows, err := j.tx.QueryContext(ctx, `SELECT l.name, l.wr, i.name, i.pk, upper(i.type) FROM pragma_table_list l, pragma_table_info(l.name) i
		WHERE l.type = 'table' AND l.schema = 'main' AND l.name NOT LIKE 'sqlite_%' ORDER BY l.name, i.pk = 0, i.pk, i.cid`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []table
	for rows.Next() {
		var name, column, kind string
		var withoutRowID bool
		var pk int
		if err := rows.Scan(&name, &withoutRowID, &column, &pk, &kind); err != nil {
			return nil, err
		}
		if n := len(all); n == 0 || all[n-1].name != name {
			all = append(all, table{name: name, rowID: !withoutRowID && pk == 1 && kind == "INTEGER"})
		}
		t := &all[len(all)-1]
		t.columns = append(t.columns, column)
	}
	return all, rows.Err()
}

// copyTable copies a table row by row; what the new store refuses is damaged.
func (j *job) copyTable(ctx context.Context, t table) error {
	st, err := j.tx.PrepareContext(ctx, fmt.Sprintf(`INSERT OR REPLACE INTO %s (%s) VALUES (?%s)`, t.name, strings.Join(t.columns, ", "), strings.Repeat(", ?", len(t.columns)-1)))
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	bad := 0
	var broken error
	add := func(id int64, r []any) {
		if len(r) != len(t.columns) || t.rowID && r[0] != nil || t.name == "meta" && !j.meta(r) {
			if t.name != "meta" {
				bad++
			}
			return
		}
		if t.rowID {
			r[0] = id
		}
		var refused sqlite3.Error
		switch _, err := st.ExecContext(ctx, r...); {
		case errors.As(err, &refused) && (refused.Code == sqlite3.ErrConstraint || refused.Code == sqlite3.ErrMismatch):
			bad++
		case err != nil:
			broken = err
		}
	}
	bad += j.each(t.name, add)
	if bad > 0 && broken == nil {
		bad, broken = j.fromIndexes(ctx, t.name)
	}
	if bad > 0 {
		j.add(check.Finding{What: fmt.Sprintf("rows of table %s are lost: %s", t.name, meaning(t.name))})
	}
	return broken
}

// meta looks at a row of the hub's own facts; false = it stays out of the new store, which is another generation with a token of its own.
func (j *job) meta(r []any) bool {
	name, _ := r[0].(string)
	value, _ := r[1].(string)
	if name == "flushed" {
		if n, err := strconv.ParseUint(value, 10, 64); err == nil {
			j.flushed = &n
		}
	}
	return name == "hub_id"
}

// meaning says what it means for people when rows of a table are lost.
func meaning(table string) string {
	switch table {
	case "device":
		return "some devices may have to be paired anew"
	case "meta":
		return "the hub may have another identity, and devices may have to be paired anew"
	case "received", "epoch":
		return "some devices may be said to have lost frames that are stored"
	case "reading":
		return "readings that were not packed yet, at times that are not known"
	case "gap":
		return "some gaps are no longer explained"
	case "retention":
		return "look at the rules of how long readings are kept"
	case "event", "command", "command_step", "command_last":
		return "the history of events and commands has holes"
	}
	return "what they held is not known"
}

// fromIndexes adds rows that an index knows in full; lost = how many places remain where a row may be missing.
func (j *job) fromIndexes(ctx context.Context, table string) (lost int, err error) {
	var added int64
	exec := func(query string, args ...any) {
		r, e := j.tx.ExecContext(ctx, query, args...)
		var refused sqlite3.Error
		switch {
		case errors.As(e, &refused) && refused.Code == sqlite3.ErrConstraint:
			lost++
		case e != nil:
			err = errors.Join(err, e)
		default:
			n, e := r.RowsAffected()
			added, err = added+n, errors.Join(err, e)
		}
	}
	switch table {
	case "series", "epoch":
		query := map[string]string{"series": `INSERT OR IGNORE INTO series (device_id, channel, id) VALUES (?, ?, ?)`,
			"epoch": `INSERT OR IGNORE INTO epoch (device_id, epoch, id) VALUES (?, ?, ?)`}[table]
		lost += j.entries("sqlite_autoindex_"+table+"_1", 3, func(r []any) { exec(query, r...) })
	case "device":
		lost += j.entries("device_key", 2, func(r []any) {
			exec(`INSERT OR IGNORE INTO device (public_key, id, own_name, paired_ms, device_id) VALUES (?1, ?2, 'device ' || ?2, 0, 'lost-' || ?2)`, r...)
		})
		if added > 0 {
			j.add(check.Finding{What: fmt.Sprintf("the names and areas that %d devices were given are lost; their ids and keys are not", added)})
		}
		lost += j.entries("sqlite_autoindex_device_1", 2, func(r []any) {
			if r[0] != nil {
				exec(`UPDATE device SET device_id = ?1, own_name = ?1 WHERE id = ?2 AND device_id = 'lost-' || ?2`, r...)
			}
		})
	default:
		return 1, nil
	}
	return lost, err
}

// entries passes an index's entries.
func (j *job) entries(index string, columns int, fn func(r []any)) (holes int) {
	if j.survey.Trees[index] == nil {
		return 1
	}
	return j.each(index, func(_ int64, r []any) {
		if _, ok := r[len(r)-1].(int64); !ok || len(r) != columns {
			holes++
			return
		}
		fn(r)
	}) + holes
}

// orphans gives series whose device is lost another one, and drops other rows that nothing leads to.
func (j *job) orphans(ctx context.Context) error {
	for _, query := range []string{
		`DELETE FROM boot WHERE device_id NOT IN (SELECT id FROM device)`,
		`DELETE FROM epoch WHERE device_id NOT IN (SELECT id FROM device)`,
		`DELETE FROM received WHERE epoch_id NOT IN (SELECT id FROM epoch)`,
		`DELETE FROM gap WHERE device_id NOT IN (SELECT id FROM device) OR from_ms > to_ms`,
		`DELETE FROM event WHERE device_id NOT IN (SELECT id FROM device)`,
		`DELETE FROM command WHERE device_id NOT IN (SELECT id FROM device)`,
		`DELETE FROM command_last WHERE device_id NOT IN (SELECT id FROM device)`,
		`DELETE FROM command_step WHERE command_id NOT IN (SELECT id FROM command)`,
		`DELETE FROM received AS r WHERE first < 1 OR last < first OR EXISTS (SELECT 1 FROM received o WHERE o.epoch_id = r.epoch_id AND o.first < r.first AND o.last >= r.first - 1)`,
	} {
		if _, err := j.tx.ExecContext(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

// names reads the names of the series, and makes a device for those whose own is lost.
func (j *job) names(ctx context.Context) error {
	rows, err := j.tx.QueryContext(ctx, `SELECT s.id, s.device_id, s.channel, coalesce(d.device_id, ''), d.id IS NULL FROM series s LEFT JOIN device d ON d.id = s.device_id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	lost := map[int64]string{}
	for rows.Next() {
		var id int64
		var n name
		var device string
		var without bool
		if err := rows.Scan(&id, &n.device, &n.channel, &device, &without); err != nil {
			return err
		}
		if without {
			device = "lost-" + strconv.FormatInt(n.device, 10)
			lost[n.device] = device
		}
		j.series[id], j.devices[n.device] = n, device
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(lost)) {
		var key [32]byte // nobody has the private half: the device must be paired anew
		_, _ = rand.Read(key[:])
		if _, err := j.tx.ExecContext(ctx, `INSERT INTO device (id, device_id, own_name, public_key, paired_ms) VALUES (?1, ?2, ?2, ?3, 0)`, id, lost[id], key[:]); err != nil {
			return err
		}
		j.add(check.Finding{Device: lost[id], What: "the name of this device is lost; its readings are kept under this one"})
	}
	return j.tx.QueryRowContext(ctx, `SELECT count(*) FROM device WHERE device_id IS NOT NULL`).Scan(&j.report.Devices)
}
