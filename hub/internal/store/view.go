package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
)

const (
	// windowChunks is how many chunks one read transaction reads: a reader that stays inside one keeps the WAL from being used again.
	windowChunks = 64
	// windowBytes bounds their packed readings in memory.
	windowBytes = 1 << 20
)

// moment is the file and the head at one and the same time, for some series.
type moment struct {
	conn *sql.Conn
	head headView
}

// at calls f with file and head as they were at one moment; f must not keep the moment. When readings were moved from one to the other
// between the two looks, it looks again: nothing is ever missed or seen twice. ctx bounds the waiting only.
// Held by TestQueriesBesideSealsSeeEverythingOnce.
func (s *Store) at(ctx context.Context, f func(m *moment) error, series ...int64) error {
	conn, err := s.read.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for {
		m := moment{conn: conn, head: s.head.view(series...)}
		same, err := m.try(f)
		if same || err != nil {
			return err
		}
		if m.head.closed {
			return ErrClosed
		}
		select {
		case <-m.head.swapped:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// try runs f in a read transaction if the file is where the head is. The driver gets no cancelable context: its own cancellation costs
// several times more per row than the row.
func (m *moment) try(f func(m *moment) error) (same bool, err error) {
	if _, err := m.conn.ExecContext(context.Background(), `BEGIN`); err != nil {
		return false, err
	}
	defer func() { _, _ = m.conn.ExecContext(context.Background(), `ROLLBACK`) }()
	at, err := flushed(m.row(sqlFlushed))
	if err != nil || at != m.head.flushed {
		return false, err
	}
	return true, f(m)
}

func (m *moment) row(query string, args ...any) *sql.Row {
	return m.conn.QueryRowContext(context.Background(), query, args...)
}

func (m *moment) rows(query string, args ...any) (*sql.Rows, error) {
	return m.conn.QueryContext(context.Background(), query, args...)
}

// chunk is a chunk as a question reads it.
type chunk struct {
	id         int64
	kind       pack.Kind
	t0MS, t1MS int64
	readings   int64
	sums              // of the readings that have a value; min, max and sum of numbers and bools
	data       []byte // nil = the sums are enough
}

// sqlChunks finds the chunks of a series that touch a span: one that begins before it at most, because they do not overlap. Those that lie in one
// piece of the width ?4 and inside the span come without their data, where their sums say all.
const sqlChunks = `SELECT id, kind, t0_ms, t1_ms, n, n_values, coalesce(vmin, 0), coalesce(vmax, 0), coalesce(vsum, 0),
	CASE WHEN ?4 > 0 AND t0_ms / ?4 = t1_ms / ?4 AND t0_ms >= ?2 AND t1_ms <= ?3 AND (kind <> 1 OR n_values = 0 OR abs(vsum) < 1e308) THEN NULL
		WHEN ?4 < 0 AND kind = 2 AND n_values = n AND vmin = vmax AND t0_ms >= ?2 AND t1_ms <= ?3 THEN NULL ELSE data END
	FROM chunk WHERE series_id = ?1 AND t0_ms >= coalesce((SELECT max(t0_ms) FROM chunk WHERE series_id = ?1 AND t0_ms < ?2), ?2)
	AND t0_ms <= ?3 AND t1_ms >= ?2 ORDER BY t0_ms, id`

// What a question needs of chunks: all their readings, sums per bucket (a width above 0), or states.
const (
	needReadings = 0
	needStates   = -1
)

// window is all readings of a series in a span, at one moment.
type window struct {
	fromMS, toMS int64
	chunks       []chunk
	head         memoryView
	hours        []hourSum // whose readings one by one are gone
}

// window reads the chunks from fromMS on, at most as many as one transaction should, and says where the window ends.
func (m *moment) window(s *Store, series, fromMS, toMS, need int64) (w window, err error) {
	w = window{fromMS: fromMS, toMS: toMS, head: m.head.series[0]}
	rows, err := m.rows(sqlChunks, series, fromMS, toMS, need)
	if err != nil {
		return w, err
	}
	defer rows.Close()
	end, size := fromMS, 0
	for rows.Next() {
		var c chunk
		if err := rows.Scan(&c.id, &c.kind, &c.t0MS, &c.t1MS, &c.readings, &c.n, &c.min, &c.max, &c.sum, &c.data); err != nil {
			return w, err
		}
		c.scaled = c.sum * downscale
		if (len(w.chunks) >= s.window || size >= windowBytes) && c.t0MS > end { // readings of one ms stay together
			w.toMS = c.t0MS - 1
			break
		}
		end, size = max(end, c.t1MS), size+len(c.data)
		w.chunks = append(w.chunks, c)
	}
	return w, rows.Err()
}

// walk calls fn for windows that make up a span, oldest first. Each is read at a moment of its own; between them ctx is looked at.
func (s *Store) walk(ctx context.Context, series, fromMS, toMS, need int64, fn func(w *window) error) error {
	for fromMS <= toMS {
		if err := ctx.Err(); err != nil {
			return err
		}
		var w window
		err := s.at(ctx, func(m *moment) (err error) {
			if w, err = m.window(s, series, fromMS, toMS, need); err == nil && need > 0 {
				w.hours, err = m.lostHours(series, w.fromMS, w.toMS)
			}
			return err
		}, series)
		if err != nil {
			return err
		}
		if err := fn(&w); err != nil {
			return err
		}
		fromMS = w.toMS + 1
	}
	return nil
}

// points returns a window's readings in order. Those of damaged chunks are left out and told.
func (w *window) points(buf []point, block *pack.Block, damaged func(c *chunk)) []point {
	buf = buf[:0]
	for i := range w.chunks {
		c := &w.chunks[i]
		if c.data == nil { // a bool that did not change
			buf = append(buf, point{tMS: c.t0MS, num: c.min, kind: c.kind})
			continue
		}
		if err := pack.Decode(block, c.data); err != nil {
			damaged(c)
			continue
		}
		buf = appendBlock(buf, block, w.fromMS, w.toMS)
	}
	buf = w.head.points(buf, w.fromMS, w.toMS)
	sortPoints(buf)
	return buf
}

// damaged tells that a chunk cannot be read; what is around it is shown.
func (s *Store) damaged(series int64) func(c *chunk) {
	return func(c *chunk) {
		s.log.Warn("packed readings are damaged and left out", "segment", c.id, "count", c.readings, "from", c.t0MS, "to", c.t1MS,
			"err", fmt.Errorf("chunk %d of series %d: %w", c.id, series, pack.ErrDamaged))
	}
}
