package room

import (
	"time"

	"github.com/telltale-iot/telltale/schema"
)

const (
	// keep is how long a room remembers every reading of a channel, beside the time that the store takes them together: longer than a tick, a
	// slow page and the commit itself.
	keep = 2 * time.Second
	// keepWave is how long at least for waveforms: what a strip on the screen shows.
	keepWave = 8 * time.Second
	// maxKept bounds the readings remembered per channel; 8 s at the fastest sample rate.
	maxKept = 8192
)

// piece is one published series of a channel. What it points to is never changed.
type piece struct {
	ver     uint64
	at      time.Time // when it was published
	t0MS    int64
	series  schema.Series
	quality schema.TimeQuality
}

// first and last are the times of the piece's readings, Unix ms.
func (p *piece) first() int64 { return p.t0MS + p.series.OffsetMS(0) }
func (p *piece) last() int64  { return p.t0MS + p.series.OffsetMS(len(p.series.V)-1) }

// channel is the recent past of one channel: pieces in the order of time and of version, the newest always among them.
type channel struct {
	id     string
	window time.Duration // how long readings may be in no history yet
	pieces []piece
	kept   int    // readings in pieces
	cut    uint64 // version of the newest piece that was forgotten
}

// add appends p or the part of it that is newer than what is there. It returns the span that was left out, if any.
func (c *channel) add(p piece) (older schema.Span, some bool) {
	if n := len(c.pieces); n > 0 {
		newest := c.pieces[n-1].last()
		if p.last() < newest {
			return schema.Span{FromMS: p.first(), ToMS: p.last()}, true
		}
		if p.first() < newest {
			older, some = schema.Span{FromMS: p.first(), ToMS: newest}, true
			p.series = after(&p, newest)
		}
	}
	c.pieces = append(c.pieces, p)
	c.kept += len(p.series.V)
	c.forget(p.at)
	return older, some
}

// after returns the readings of p at or after t.
func after(p *piece, t int64) schema.Series {
	s := p.series
	i := 0
	for p.t0MS+s.OffsetMS(i) < t {
		i++
	}
	out := schema.Series{Ch: s.Ch, StepUS: s.StepUS, V: s.V[i:]}
	if len(s.Q) > 0 {
		out.Q = s.Q[i:]
	}
	if s.StepUS > 0 {
		out.DtMS = []int64{s.OffsetMS(i)}
	} else if len(s.DtMS) > 0 {
		out.DtMS = s.DtMS[i:]
	}
	return out
}

// forget drops what is too old or too much, but never the newest piece.
func (c *channel) forget(now time.Time) {
	age, drop := keep+c.window, 0
	if c.pieces[len(c.pieces)-1].series.StepUS > 0 {
		age = max(age, keepWave)
	}
	for drop < len(c.pieces)-1 && (c.kept > maxKept || now.Sub(c.pieces[drop].at) > age) {
		c.kept -= len(c.pieces[drop].series.V)
		c.cut = c.pieces[drop].ver
		drop++
	}
	clear(c.pieces[:drop]) // let go of what they point to; append moves the rest when the array is used up
	c.pieces = c.pieces[drop:]
}

// since appends the readings with since < ver <= head to out, with times relative to t0. A waveform that was interrupted gives several series.
func (c *channel) since(out []schema.LiveSeries, since, head uint64, t0 int64) []schema.LiveSeries {
	started := len(out)
	for i := range c.pieces {
		p := &c.pieces[i]
		if p.ver <= since || p.ver > head {
			continue
		}
		if len(out) == started || !joins(&out[len(out)-1], p, t0) {
			out = append(out, schema.LiveSeries{Ch: c.id, StepUS: p.series.StepUS, Cut: len(out) == started && c.cut > since && since > 0})
		}
		extend(&out[len(out)-1], p, t0)
	}
	return out
}

// joins reports whether p can be written behind what s has.
func joins(s *schema.LiveSeries, p *piece, t0 int64) bool {
	if s.StepUS != p.series.StepUS {
		return false
	}
	if s.StepUS == 0 {
		return true
	}
	next := s.DtMS[0] + int64(len(s.V))*s.StepUS/1000
	gap := p.first() - t0 - next
	return gap >= -1 && gap <= 1
}

func extend(s *schema.LiveSeries, p *piece, t0 int64) {
	had := len(s.V)
	if s.StepUS == 0 {
		for i := range p.series.V {
			s.DtMS = append(s.DtMS, p.t0MS+p.series.OffsetMS(i)-t0)
		}
	} else if had == 0 {
		s.DtMS = []int64{p.first() - t0}
	}
	s.V = append(s.V, p.series.V...)
	s.Time = p.quality
	if s.Time == schema.TimeSynced {
		s.Time = ""
	}
	if len(p.series.Q) > 0 || len(s.Q) > 0 {
		for len(s.Q) < had {
			s.Q = append(s.Q, schema.QualityOK)
		}
		for i := range p.series.V {
			s.Q = append(s.Q, p.series.QualityAt(i))
		}
	}
}
