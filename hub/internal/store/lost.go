package store

import (
	"fmt"

	"github.com/telltale-iot/telltale/hub/internal/store/ring"
	"github.com/telltale-iot/telltale/schema"
)

// lostSpan is a time in which readings of a device were in a damaged part of the ring, or may have been.
type lostSpan struct {
	device       int64
	name         string
	fromMS, toMS int64
}

// lostSlots is a run of slots that cannot be read.
type lostSlots struct {
	first, last  uint64
	fromMS, toMS int64 // when they were written; fromMS 0 = not known
}

// missing returns the runs of slots between flushed and the newest that could not be read. A damaged slot behind the newest counts unless
// what is left of it looks like one of the ring's round before.
func (r *replay) missing(count uint64, nowMS int64) (all []lostSlots) {
	for n := r.last + 1; n <= r.head.flushed+count; n++ {
		had, bad := r.bad[n]
		if !bad || had == 0 || had%count == n%count && had <= r.head.flushed {
			break
		}
		r.last = n
	}
	i, began := 0, int64(0)
	for n := r.head.flushed + 1; n <= r.last; n++ {
		if i < len(r.slots) && r.slots[i].Number == n {
			began = r.slots[i].BeganMS
			i++
			continue
		}
		if m := len(all); m > 0 && all[m-1].last == n-1 {
			all[m-1].last = n
			continue
		}
		l := lostSlots{first: n, last: n, fromMS: began, toMS: nowMS}
		if i < len(r.slots) {
			l.toMS = r.slots[i].BeganMS
		}
		all = append(all, l)
	}
	return all
}

// pieces follows the pieces of frames through the slots.
type pieces struct {
	open         bool
	epoch        int64
	seq          uint64
	next         int
	fromMS, toMS int64
}

// piece notes a piece. It returns the spans of frames of which another piece is lost: the one before, its own, or both.
func (p *pieces) piece(f *ring.Frame, slotMS int64) (broken []pieces) {
	follows := p.open && p.epoch == f.Epoch && p.seq == f.Seq && p.next == f.Piece
	if p.open && !follows {
		broken = append(broken, *p)
	}
	if !follows {
		*p = pieces{epoch: f.Epoch, seq: f.Seq, fromMS: f.T0MS, toMS: f.T0MS}
		if f.Piece > 0 { // its beginning is lost; what follows of it belongs to the same span
			broken = append(broken, pieces{open: true, epoch: f.Epoch, seq: f.Seq, fromMS: f.T0MS, toMS: max(f.T0MS, slotMS)})
		}
	}
	p.open, p.next, p.toMS = f.More, f.Piece+1, max(p.toMS, slotMS)
	return broken
}

const (
	sqlAllEvents = `SELECT epoch_id, seq, seq FROM event`
	sqlAllGaps   = `SELECT epoch_id, first, last FROM gap WHERE epoch_id IS NOT NULL AND first > 0`
	sqlLastOf    = `SELECT coalesce(max((SELECT t1_ms FROM chunk c WHERE c.series_id = s.id ORDER BY t0_ms DESC, id DESC LIMIT 1)), 0)
	FROM series s WHERE s.device_id = ?1`
)

// losses says whose readings may have been in lost slots, and claims anew what else was in them: events and gaps are in their tables.
//
// The sequence numbers are not claimed: a device that still has such a frame sends it again, and what it no longer has becomes a
// numbered gap at its next hello. Held by TestADamagedSlotIsTold.
func (r *replay) losses(c *conn, lost []lostSlots) (spans []lostSpan, err error) {
	for _, query := range []string{sqlAllEvents, sqlAllGaps} {
		if err := r.claimAll(c, query); err != nil {
			return nil, err
		}
	}
	for _, l := range lost {
		for id, d := range r.devices {
			if !r.concerns(id, d, l) {
				continue
			}
			span := lostSpan{device: id, name: d.name, fromMS: l.fromMS, toMS: l.toMS}
			if span.fromMS == 0 { // since the last seal
				if err := c.row(sqlLastOf, id).Scan(&span.fromMS); err != nil {
					return nil, err
				}
			}
			if span.fromMS == 0 || span.fromMS > span.toMS {
				span.fromMS = span.toMS
			}
			spans = append(spans, span)
		}
	}
	for _, p := range r.broken {
		if id, ok := r.epochs[p.epoch]; ok {
			spans = append(spans, lostSpan{device: id, name: r.devices[id].name, fromMS: p.fromMS, toMS: p.toMS})
		}
	}
	return spans, nil
}

// concerns reports whether readings of a device may have been in lost slots. They were not if its numbers have no hole and go on after them, or
// if it was not there.
func (r *replay) concerns(id int64, d *aliveDevice, l lostSlots) bool {
	const seenEvery = 120_000 // "last seen" is stored each minute, in ms
	active, after := d.lastSeenMS > 0 && d.lastSeenMS >= l.fromMS-seenEvery, false
	for epoch, slot := range r.newest {
		if r.epochs[epoch] != id {
			continue
		}
		active = true
		after = after || slot > l.last
		if len(r.head.sets[epoch]) > 1 {
			return true
		}
	}
	return active && !after
}

func (r *replay) claimAll(c *conn, query string) error {
	rows, err := c.rows(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	claims := map[int64]schema.Ranges{}
	for rows.Next() {
		var epoch int64
		var first, last uint64
		if err := rows.Scan(&epoch, &first, &last); err != nil {
			return err
		}
		set := claims[epoch]
		set.Add(first, last)
		claims[epoch] = set
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for epoch, set := range claims {
		if _, alive := r.epochs[epoch]; !alive {
			continue
		}
		have, err := r.set(c, epoch)
		if err != nil {
			return err
		}
		for _, g := range set {
			have.Add(g[0], g[1])
		}
		r.head.sets[epoch] = have
	}
	return nil
}

// tellLost stores the spans as gaps, in the transaction of a seal: then the slots are free and the next start does not find them again.
func (w *writer) tellLost() error {
	for _, l := range w.lost {
		err := w.conn.exec(sqlAddGap, l.device, nil, 0, 0, nil, l.fromMS, max(l.fromMS, l.toMS), string(schema.GapDamaged))
		if err != nil {
			return fmt.Errorf("gap: %w", err)
		}
	}
	return nil
}
