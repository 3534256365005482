package schema

import "fmt"

// Series is some readings of one channel, oldest first.
//
// The time of reading i is T0 of the frame + DtMS[i]; a waveform (StepUS > 0) has one start in DtMS (or none: 0) and reading i is
// StepUS·i µs after it.
type Series struct {
	// Ch is the channel's wire id, "<entity>.<channel>".
	Ch string `json:"ch"`
	// DtMS is the time of each reading in ms after the frame's T0; absent = one reading at T0, or a waveform that starts there.
	DtMS []int64 `json:"dt_ms,omitempty"`
	// StepUS is a waveform's sample step in µs.
	StepUS int64 `json:"step_us,omitempty"`
	// V holds the values, one per reading, in the channel's unit.
	V Values `json:"v"`
	// Q holds the quality of each reading; absent = all ok. A null value needs a quality other than ok.
	Q []Quality `json:"q,omitempty"`
}

// OffsetMS returns the time of reading i in ms after the frame's T0.
func (s *Series) OffsetMS(i int) int64 {
	if s.StepUS > 0 {
		var start int64
		if len(s.DtMS) > 0 {
			start = s.DtMS[0]
		}
		return start + int64(i)*s.StepUS/1000
	}
	if i < len(s.DtMS) {
		return s.DtMS[i]
	}
	return 0
}

// QualityAt returns the quality of reading i.
func (s *Series) QualityAt(i int) Quality {
	if i < len(s.Q) && s.Q[i] != "" {
		return s.Q[i]
	}
	return QualityOK
}

func (s *Series) validate() error {
	switch {
	case len(s.Ch) == 0 || len(s.Ch) > 129:
		return fmt.Errorf("ch must be <entity>.<channel>")
	case len(s.V) == 0:
		return fmt.Errorf("series %q has no values", s.Ch)
	case s.StepUS != 0 && (s.StepUS < MinStepUS || s.StepUS > MaxStepUS):
		return fmt.Errorf("series %q: step_us %d is not within %d to %d", s.Ch, s.StepUS, MinStepUS, MaxStepUS)
	case s.StepUS > 0 && len(s.DtMS) > 1:
		return fmt.Errorf("series %q: a waveform has one start, not %d", s.Ch, len(s.DtMS))
	case s.StepUS == 0 && len(s.DtMS) != len(s.V) && (len(s.DtMS) != 0 || len(s.V) != 1):
		return fmt.Errorf("series %q: %d times for %d values", s.Ch, len(s.DtMS), len(s.V))
	case len(s.Q) != 0 && len(s.Q) != len(s.V):
		return fmt.Errorf("series %q: %d qualities for %d values", s.Ch, len(s.Q), len(s.V))
	}
	for i, dt := range s.DtMS {
		if i > 0 && dt < s.DtMS[i-1] {
			return fmt.Errorf("series %q: times go backwards", s.Ch)
		}
		if dt < -maxSpreadMS || dt > maxSpreadMS {
			return fmt.Errorf("series %q: dt_ms %d is more than a day from t0", s.Ch, dt)
		}
	}
	for _, q := range s.Q {
		if !q.valid() {
			return fmt.Errorf("series %q: unknown quality %q", s.Ch, clip([]byte(q)))
		}
	}
	for i, v := range s.V {
		if v.IsNull() && s.QualityAt(i) == QualityOK {
			return fmt.Errorf("series %q: null needs a quality other than ok", s.Ch)
		}
	}
	return nil
}

// maxSpreadMS bounds the time that one readings frame may span: a day, in ms.
const maxSpreadMS = 24 * 3600 * 1000

func validateSeries(all []Series) error {
	if len(all) == 0 || len(all) > MaxSeries {
		return fmt.Errorf("%d series, must be 1 to %d", len(all), MaxSeries)
	}
	samples := 0
	for i := range all {
		if err := all[i].validate(); err != nil {
			return err
		}
		samples += len(all[i].V)
	}
	if samples > MaxSamples {
		return fmt.Errorf("%d samples, at most %d", samples, MaxSamples)
	}
	return nil
}

// Range is a closed range [first, last] of sequence numbers, written as a two-element array.
type Range [2]uint64

// Span is a closed range of time in Unix ms.
type Span struct {
	FromMS int64 `json:"from_ms"` // first ms
	ToMS   int64 `json:"to_ms"`   // last ms
}

// Batch is a readings frame after the hub gave it its place in time: what ingest hands to rooms and store. It never crosses the wire.
type Batch struct {
	Device   string      // who measured
	Epoch    string      // outbox epoch, 16 hex digits
	Seq      uint64      // position in the epoch, from 1
	T0MS     int64       // Unix ms that the series' offsets count from
	Time     TimeQuality // how T0MS was found
	Backfill bool        // not fresh: belongs into history, must not overwrite a newer value
	Series   []Series    // as received
}

// GapReason says why readings are missing.
type GapReason string

// The reasons for gaps.
const (
	GapQuota   GapReason = "quota"   // the outbox was full and dropped its oldest
	GapDamaged GapReason = "damaged" // the outbox on disk, or the hub's store, was damaged (card, power)
	GapRestart GapReason = "restart" // readings in memory were lost when the agent died
	GapOffline GapReason = "offline" // the device was off or unreachable and measured nothing
	GapRefused GapReason = "refused" // the hub refused the frame as malformed
	GapSensor  GapReason = "sensor"  // the sensor did not answer
)

// GapRecord is a gap as the hub stores and shows it.
type GapRecord struct {
	// Epoch and First to Last name the lost frames; First = 0 when nothing was numbered (the device was off).
	Epoch string `json:"epoch,omitempty"`
	// First lost sequence number.
	First uint64 `json:"first,omitempty"`
	// Last lost sequence number.
	Last uint64 `json:"last,omitempty"`
	// Ch limits the gap to one channel; absent = the whole device.
	Ch string `json:"ch,omitempty"`
	// FromMS is when the gap begins, Unix ms.
	FromMS int64 `json:"from_ms"`
	// ToMS is when it ends, Unix ms.
	ToMS int64 `json:"to_ms"`
	// Reason of the loss.
	Reason GapReason `json:"reason"`
}
