package store

import (
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
)

const (
	// chunkReadings is how many readings a full chunk has: twice as many would save five percent of bytes and double what the ends of a
	// chart cost.
	chunkReadings = 2048
	// openReadings is how many readings a chunk has that still takes those that follow it.
	openReadings = chunkReadings / 2

	minTime, maxTime = math.MinInt64, math.MaxInt64
)

// packer puts readings of one series into its chunks. It keeps the memory that it needs.
type packer struct {
	points []point // the readings to put in
	merged []point
	block  pack.Block
	data   []byte
	hours  []hourSum

	newT0MS, newID int64 // of the newest chunk written, the first of those that begin at that ms; 0 = none
}

// shrink gives back memory that only a large backlog needs.
func (p *packer) shrink() {
	const most = 1 << 14 // readings
	if cap(p.points) > most || cap(p.merged) > most {
		p.points, p.merged = nil, nil
	}
}

const (
	sqlChunkAt = `SELECT id, kind, t1_ms, n, data FROM chunk WHERE series_id = ?1 AND t0_ms <= ?2 ORDER BY t0_ms DESC, id DESC LIMIT 1`
	sqlChunkT0 = `SELECT coalesce(min(t0_ms), 9223372036854775807) FROM chunk WHERE series_id = ?1 AND t0_ms > ?2`

	sqlAddChunk = `INSERT INTO chunk (` + chunkColumns + `) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)`
	sqlSetChunk = `UPDATE chunk SET kind = ?2, t1_ms = ?3, n = ?4, n_values = ?5, vmin = ?6, vmax = ?7, vsum = ?8, data = ?9 WHERE id = ?1`
)

// there is a chunk that readings may have to be merged with.
type there struct {
	id   int64 // 0 = none
	kind pack.Kind
	t1MS int64
	n    int
	data []byte
}

// pack merges p.points into the chunks of a series and adds them to its hours. Chunks never overlap in time; those that the new readings
// do not fall into stay as they are. Held by TestEverythingStoredIsReadBack.
func (p *packer) pack(c *conn, series int64) error {
	sortPoints(p.points)
	ofOneKind(p.points)
	for i := 0; i < len(p.points); {
		t := p.points[i].tMS
		var at there
		err := c.row(sqlChunkAt, series, t).Scan(&at.id, &at.kind, &at.t1MS, &at.n, &at.data)
		if err != nil && !isNoRows(err) {
			return err
		}
		var next int64
		if err := c.row(sqlChunkT0, series, t).Scan(&next); err != nil {
			return err
		}
		j := i + 1
		for j < len(p.points) && p.points[j].tMS < next {
			j++
		}
		if err := p.group(c, series, &at, p.points[i:j], next); err != nil {
			return err
		}
		i = j
	}
	return p.addHours(c, series)
}

// group stores readings that begin in or after the chunk at and before the one that begins at next (maxTime = there is none).
func (p *packer) group(c *conn, series int64, at *there, all []point, next int64) error {
	newest := next == maxTime
	p.newT0MS, p.newID = 0, 0
	overlap := at.id != 0 && all[0].tMS <= at.t1MS
	if join := overlap || at.id != 0 && at.n < openReadings && fitsKind(all, at.kind); !join {
		return p.cut(c, series, 0, all, newest)
	}
	if err := pack.Decode(&p.block, at.data); err != nil {
		// Left for hub check to report. The new readings go beside it.
		return p.cut(c, series, 0, all, newest)
	}
	p.merged = append(appendBlock(p.merged[:0], &p.block, minTime, maxTime), all...)
	sortPoints(p.merged)
	ofOneKind(p.merged)
	if err := p.cut(c, series, at.id, p.merged, newest && !overlap); err != nil || newest {
		return err
	}
	return p.keepOrder(c, series, next)
}

const (
	chunkColumns  = `series_id, kind, t0_ms, t1_ms, n, n_values, vmin, vmax, vsum, data`
	sqlMoveChunks = `INSERT INTO chunk (` + chunkColumns + `) SELECT ` + chunkColumns + ` FROM chunk
	WHERE series_id = ?1 AND t0_ms = ?2 AND id < ?3 ORDER BY id`
	sqlDropMoved = `DELETE FROM chunk WHERE series_id = ?1 AND t0_ms = ?2 AND id < ?3`
)

// keepOrder gives the chunks that begin at a time new ids when a chunk that was just cut has a piece that begins there too and belongs before
// them: chunks that begin at one ms are in the order of their ids.
func (p *packer) keepOrder(c *conn, series, t0MS int64) error {
	if p.newT0MS != t0MS {
		return nil
	}
	if err := c.exec(sqlMoveChunks, series, t0MS, p.newID); err != nil {
		return err
	}
	return c.exec(sqlDropMoved, series, t0MS, p.newID)
}

// fitsKind reports whether readings can follow in a chunk of a kind.
func fitsKind(all []point, kind pack.Kind) bool {
	for i := range all {
		if !all[i].mark.Null() {
			return all[i].kind == kind
		}
	}
	return true
}

// cut stores points as chunks, the first one in place of the chunk with the id replace (0 = none). fill: full chunks and a rest that others
// will follow into; otherwise even ones, that late readings fit into.
func (p *packer) cut(c *conn, series, replace int64, all []point, fill bool) error {
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].kind == all[0].kind {
			n++
		}
		for left := n; left > 0; {
			size := min(left, chunkReadings)
			if pieces := (left + chunkReadings - 1) / chunkReadings; !fill || n < len(all) {
				size = (left + pieces - 1) / pieces
			}
			if err := p.save(c, series, replace, all[:size]); err != nil {
				return err
			}
			replace, left, all = 0, left-size, all[size:]
		}
	}
	return nil
}

// save writes one chunk.
func (p *packer) save(c *conn, series, replace int64, all []point) error {
	blockOf(&p.block, all)
	var err error
	if p.data, err = pack.Append(p.data[:0], &p.block); err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	st := p.block.Stats()
	var vmin, vmax, vsum any
	if p.block.Kind != pack.Texts && st.Values > 0 {
		vmin, vmax, vsum = st.Min, st.Max, st.Sum
	}
	if replace != 0 {
		return c.exec(sqlSetChunk, replace, p.block.Kind, st.T1MS, st.Readings, st.Values, vmin, vmax, vsum, p.data)
	}
	id, err := c.insert(sqlAddChunk, series, p.block.Kind, st.T0MS, st.T1MS, st.Readings, st.Values, vmin, vmax, vsum, p.data)
	if p.newT0MS != st.T0MS || p.newID == 0 {
		p.newT0MS, p.newID = st.T0MS, id
	}
	return err
}
