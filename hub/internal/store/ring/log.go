package ring

import (
	"encoding/binary"
	"slices"
)

// leastPiece is the room that is worth beginning a piece of a run for.
const leastPiece = 64

// Log puts frames into slots, one transaction at a time: frames go in with [Log.Readings] and [Log.Claim], [Log.Dirty] are the slots to be
// written, and then [Log.Commit] or [Log.Rollback]. The newest slot stays open: the next transaction goes on in it.
type Log struct {
	slots []Slot // dirty ones, oldest first; the last one is open
	saved Slot   // the open slot as it was committed; no number = none is open
	last  uint64 // newest number that was committed
	buf   []byte // of a run
}

// NewLog goes on after the newest number in use.
func NewLog(last uint64) *Log { return &Log{last: last} }

// Last is the newest number that was committed.
func (l *Log) Last() uint64 { return l.last }

// Needs returns at most how many slots a transaction takes for frames of so many bytes, as [Cost] counts them.
func Needs(bytes int) int { return bytes/(Room-2*leastPiece) + 2 }

// The most bytes that parts of a frame take in the log, for [Needs].
const (
	CostFrame   = 64 // a frame's head
	CostSeries  = 32 // a series in it
	CostReading = 16 // a reading, beside the bytes of its text
)

// open returns the slot that the next frame goes into.
func (l *Log) open(nowMS int64) *Slot {
	if len(l.slots) == 0 {
		if l.saved.Number != 0 {
			l.slots = append(l.slots, Slot{l.saved.Number, l.saved.BeganMS, slices.Clone(l.saved.payload)})
		} else {
			l.next(l.last+1, nowMS)
		}
	}
	return &l.slots[len(l.slots)-1]
}

func (l *Log) next(number uint64, nowMS int64) *Slot {
	l.slots = append(l.slots, Slot{Number: number, BeganMS: nowMS, payload: make([]byte, 0, Room)})
	return &l.slots[len(l.slots)-1]
}

// Claim puts in sequence numbers first to last of an epoch that have no readings.
func (l *Log) Claim(nowMS, epoch int64, first, last uint64) {
	f := Frame{Type: Claim, Epoch: epoch, Seq: first, Last: last}
	s := l.open(nowMS)
	if Room-len(s.payload) < CostFrame {
		s = l.next(s.Number+1, nowMS)
	}
	start := len(s.payload)
	s.payload = appendHead(s.payload, &f, s.BeganMS)
	setLength(s.payload[start:])
}

// Writer puts one frame of readings in, run by run. Nothing else may go into the log before [Writer.End].
type Writer struct {
	log    *Log
	nowMS  int64
	frame  Frame
	start  int   // of the piece in its slot
	before int64 // series of the run before
}

// Readings begins a frame of readings.
func (l *Log) Readings(nowMS int64, f Frame) Writer {
	f.Type = Readings
	w := Writer{log: l, nowMS: nowMS, frame: f}
	if s := l.open(nowMS); Room-len(s.payload) < leastPiece {
		l.next(s.Number+1, nowMS)
	}
	w.begin()
	return w
}

// begin starts the frame's next piece in the open slot.
func (w *Writer) begin() {
	s := w.slot()
	w.start, w.before = len(s.payload), 0
	s.payload = appendHead(s.payload, &w.frame, s.BeganMS)
}

func (w *Writer) slot() *Slot { return &w.log.slots[len(w.log.slots)-1] }

// End ends the frame.
func (w *Writer) End() { setLength(w.slot().payload[w.start:]) }

func setLength(frame []byte) { binary.LittleEndian.PutUint16(frame, uint16(len(frame))) }

// Add puts readings in, cut to where the slots end. Texts have at most schema.MaxText bytes.
func (w *Writer) Add(r *Run) {
	for from := 0; from < r.Len(); {
		to := w.fit(r, from)
		if to == from {
			w.turn()
			continue
		}
		s := w.slot()
		s.payload = append(s.payload, w.log.buf...)
		w.before, from = r.Series, to
	}
}

// fit encodes as many readings as the open slot takes, and returns where they end.
func (w *Writer) fit(r *Run, from int) (to int) {
	room := Room - len(w.slot().payload)
	for to = min(r.Len(), from+room); to > from; {
		w.log.buf = appendRun(w.log.buf[:0], &w.frame, r, w.before, from, to)
		need := len(w.log.buf)
		if need <= room {
			return to
		}
		if room < leastPiece {
			return from
		}
		to = from + min((to-from)*room/need, to-from-1)
	}
	return from
}

// turn ends the piece and goes on in the next slot. A piece without readings is taken back.
func (w *Writer) turn() {
	s := w.slot()
	if w.before == 0 {
		s.payload = s.payload[:w.start]
	} else {
		s.payload[w.start+lengthSize] |= moreFlag
		setLength(s.payload[w.start:])
		w.frame.Piece++
	}
	w.log.next(s.Number+1, w.nowMS)
	w.begin()
}

// Dirty returns the slots that this transaction changed. They are the log's until Commit or Rollback.
func (l *Log) Dirty() []Slot { return l.slots }

// Commit makes the transaction's slots the truth.
func (l *Log) Commit() {
	if n := len(l.slots); n > 0 {
		l.saved = l.slots[n-1]
		l.last = l.saved.Number
		clear(l.slots)
		l.slots = l.slots[:0]
	}
}

// Rollback forgets the transaction.
func (l *Log) Rollback() {
	clear(l.slots)
	l.slots = l.slots[:0]
}

// CloseSlot ends the open slot: the next transaction begins another one.
func (l *Log) CloseSlot() { l.saved = Slot{} }
