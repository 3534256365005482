package ingest

import (
	"github.com/telltale-iot/telltale/schema"
)

// maxWaveMS bounds the time a waveform may span, in ms: a day, as for other series. It keeps sums of times far from overflow.
const maxWaveMS = 24 * 3600 * 1000

// check compares a frame with what the device described; the problem names the frame's seq and says what is wrong.
func (s *Session) check(r *schema.Readings) *schema.Problem {
	if s.types == nil { // the frame itself may be right: it must come again
		return problem(0, "describe the device before its first readings")
	}
	for i := range r.Series {
		sr := &r.Series[i]
		if sr.StepUS > 0 && sr.StepUS/1000 > maxWaveMS/int64(len(sr.V)) {
			return problem(r.Seq, "channel %q: a waveform must not span more than a day", sr.Ch)
		}
		for j := range sr.V {
			if !known(sr.QualityAt(j)) {
				return problem(r.Seq, "channel %q: there is no quality %q", sr.Ch, clip(string(sr.QualityAt(j))))
			}
		}
		typ, ok := s.types[sr.Ch]
		if !ok {
			if s.head.remembers(sr.Ch) { // readings from before the device was set up differently
				continue
			}
			return problem(r.Seq, "device %s has no channel %q; describe it first", s.device, clip(sr.Ch))
		}
		for j := range sr.V {
			if got := sr.V[j].Type(); got != "" && got != typ {
				return problem(r.Seq, "channel %q holds a %s, not the %s %s", sr.Ch, typ, got, clip(sr.V[j].String()))
			}
		}
	}
	return nil
}

// remembers reports whether the device has ever described or measured a channel.
func (h *head) remembers(ch string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, measured := h.newest[ch]
	return measured || h.described[ch]
}

func known(q schema.Quality) bool {
	switch q {
	case schema.QualityOK, schema.QualityFault, schema.QualityRange, schema.QualityStale, schema.QualitySim:
		return true
	}
	return false
}

func problem(seq uint64, format string, args ...any) *schema.Problem {
	p := schema.Problemf(schema.CodeBadFrame, format, args...)
	p.Seq = seq
	return p
}

// clip shortens outside text for a message.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// extent returns the offsets of the earliest and the latest reading, in ms after T0, and how many there are.
func extent(series []schema.Series) (low, high int64, n int) {
	for i := range series {
		s := &series[i]
		first, last := s.OffsetMS(0), s.OffsetMS(len(s.V)-1)
		if i == 0 {
			low, high = first, last
		}
		low, high = min(low, first), max(high, last)
		n += len(s.V)
	}
	return low, high, n
}
