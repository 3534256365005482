package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

const (
	// maxSeq is the largest sequence number a store can keep.
	maxSeq = 1<<63 - 2
	// ackDelay lets the acks of one commit come together: a commit calls back within microseconds.
	ackDelay = 2 * time.Millisecond
	// maxSpans bounds the filled spans of one message; more become one.
	maxSpans = 16
	// maxAhead bounds how far a frame's number may lie beyond all that the device said it gave out: what a fast one measures while a dying
	// link is not noticed, many times over. A device that claims more would lose what it measures later, as known already.
	maxAhead = 1 << 20
	// maxRemembered bounds the channels that are remembered from descriptors, as two of the largest hold; beyond that only the last two count.
	maxRemembered = 2 * schema.MaxEntities * schema.MaxChannels
)

// Session is one connection of one device. Frames are given to it one at a time (the connection's reader); Close and Clock may come
// from elsewhere.
type Session struct {
	in     *Ingest
	link   Link
	head   *head
	device string
	epoch  string
	conn   context.Context // of the connection; nothing is waited for after its end, or once a frame was not stored
	end    context.CancelFunc

	boot    string            // of the hello
	bootMS  int64             // when that boot began, Unix ms of the hub
	guesses map[string]offset // other boots, by id

	types map[string]schema.ValueType // by channel; nil = not described yet
	top   uint64                      // the largest number the device gave out, as far as is known

	mu       sync.Mutex
	clock    clock
	have     schema.Ranges // committed numbers of the epoch
	acks     schema.Ranges // committed, not yet told
	filled   []schema.Span
	failure  *schema.Problem
	failTold bool
	timer    *time.Timer // runs flush; nil = nothing to tell
	flushing sync.WaitGroup
	ended    bool
}

// Descriptor sets what the device has; call it before the first frame when the hub knows the descriptor, and after each describe.
func (s *Session) Descriptor(d *schema.Descriptor) {
	types := map[string]schema.ValueType{}
	for i := range d.Entities {
		e := &d.Entities[i]
		for j := range e.Channels {
			types[e.ID+"."+e.Channels[j].Name] = e.Channels[j].Type
		}
	}
	before := s.types
	s.types = types
	s.head.mu.Lock()
	defer s.head.mu.Unlock()
	if len(s.head.described)+len(types) > maxRemembered {
		clear(s.head.described)
		for ch := range before {
			s.head.described[ch] = true
		}
	}
	for ch := range types {
		s.head.described[ch] = true
	}
}

// Readings takes a readings frame: shows it and queues it. While the store's queue is full it waits, in the order in which devices came,
// as long as anything is committed (TestABusyStoreTakesDevicesInTurnAndSendsNoneAway, TestPatienceEndsWhenNothingIsCommittedAnyMore).
//
// The frame belongs to the ingest from here on. A problem with a Seq says that the frame will never be stored (the device makes it a
// gap); one without says that it must come again.
func (s *Session) Readings(r *schema.Readings) *schema.Problem {
	if p := s.check(r); p != nil {
		s.in.count.refused.Add(1)
		return p
	}
	if p := s.reach(r.Seq); p != nil || s.repeated(r.Seq, r.Seq) {
		return p
	}
	low, high, n := extent(r.Series)
	t0, tq, err := s.place(frameTime{t0MS: r.T0MS, monoMS: r.MonoMS, boot: r.Boot, low: low, high: high, fresh: !r.Backfill})
	if err != nil {
		return s.unavailable(err)
	}
	b := schema.Batch{Device: s.device, Epoch: s.epoch, Seq: r.Seq, T0MS: t0, Time: tq, Backfill: r.Backfill, Series: r.Series}
	fresh, old := s.head.split(&b)
	if len(fresh) > 0 {
		live := b
		live.Backfill, live.Series = false, fresh
		s.in.rooms.Publish(live)
	}
	b.Backfill = b.Backfill || len(fresh) == 0
	s.in.count.readings.Add(uint64(n))
	f := frame{first: r.Seq, last: r.Seq, at: schema.Span{FromMS: t0 + low, ToMS: t0 + high}, old: old}
	return s.append(func() error { return s.in.store.Append(b, func(err error) { s.committed(err, f) }) })
}

// Gap takes a gap frame; its times are put right where the device did not know them. Problems as in Readings.
func (s *Session) Gap(g *schema.Gap) *schema.Problem {
	if p := s.reach(g.Last); p != nil || s.repeated(g.First, g.Last) {
		return p
	}
	placed := *g
	placed.FromMS, placed.ToMS = s.gapTimes(g)
	f := frame{first: g.First, last: g.Last, at: schema.Span{FromMS: placed.FromMS, ToMS: placed.ToMS}}
	return s.append(func() error {
		return s.in.store.AppendGap(s.device, s.epoch, placed, func(err error) {
			if err == nil {
				s.in.rooms.PublishGap(s.device, s.record(&placed))
			}
			s.committed(err, f)
		})
	})
}

// gapTimes bounds a gap whose ends are not known or not believed: by the newest reading before and by now.
func (s *Session) gapTimes(g *schema.Gap) (fromMS, toMS int64) {
	now := s.in.now().UnixMilli()
	believe := func(ms int64) bool {
		return ms >= schema.EarliestMS && ms <= now+schema.FarFuture.Milliseconds()
	}
	if toMS = g.ToMS; !believe(toMS) {
		toMS = now
	}
	if fromMS = g.FromMS; !believe(fromMS) {
		fromMS = s.head.last()
	}
	if fromMS == 0 || fromMS > toMS {
		fromMS = toMS
	}
	if g.Reason == schema.GapRestart {
		fromMS = s.afterLastReading(fromMS, toMS)
	}
	return fromMS, toMS
}

// afterLastReading moves the start of a restart's gap to the last reading that arrived before the agent died: the agent only knows when it
// last wrote to its card, minutes before, and the chart would show a hole where there are readings.
func (s *Session) afterLastReading(fromMS, toMS int64) int64 {
	ctx, cancel := context.WithTimeout(s.conn, storeWithin)
	defer cancel()
	last, err := s.in.store.LastBefore(ctx, s.device, toMS)
	if err != nil { // a gap that is too long is still true
		return fromMS
	}
	return max(fromMS, min(last, toMS))
}

// Event takes an event frame. Problems as in Readings.
func (s *Session) Event(e *schema.Event) *schema.Problem {
	if p := s.reach(e.Seq); p != nil || s.repeated(e.Seq, e.Seq) {
		return p
	}
	t0, tq, err := s.place(frameTime{t0MS: e.T0MS, monoMS: e.MonoMS, boot: e.Boot})
	if err != nil {
		return s.unavailable(err)
	}
	at := schema.Batch{Device: s.device, Epoch: s.epoch, Seq: e.Seq, T0MS: t0, Time: tq}
	f := frame{first: e.Seq, last: e.Seq, at: schema.Span{FromMS: t0, ToMS: t0}}
	return s.append(func() error { return s.in.store.AppendEvent(at, *e, func(err error) { s.committed(err, f) }) })
}

// reach refuses a number far beyond those the device gave out: the hello's, and what came since. The problem has no seq, because a later
// hello may bring the frame into reach.
func (s *Session) reach(last uint64) *schema.Problem {
	if last > maxSeq || last > s.top && last-s.top > maxAhead {
		s.in.count.refused.Add(1)
		return problem(0, "number %d is out of reach: the newest one this device gave out is %d", last, s.top)
	}
	s.top = max(s.top, last)
	return nil
}

// repeated acks again what is stored already.
func (s *Session) repeated(first, last uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.have.Without(first, last)) > 0 {
		return false
	}
	s.in.count.repeats.Add(1)
	s.acks.Add(first, last)
	s.tell()
	return true
}

// append queues a frame; while the store's queue is full this device waits for its turn.
func (s *Session) append(try func() error) *schema.Problem {
	if err := s.in.line.push(s.conn, try); err != nil {
		return s.unavailable(err)
	}
	s.in.count.frames.Add(1)
	return nil
}

// unavailable says that the frame must come again, which takes a new connection; the reason stays in the log.
func (s *Session) unavailable(err error) *schema.Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fail(err)
}

// fail has the connection closed, once, because something was not stored; the caller holds mu.
func (s *Session) fail(err error) *schema.Problem {
	if s.failure == nil {
		s.in.log.Warn("frames are not stored, the device must send them again", "device", s.device, "err", err)
		s.failure = schema.Problemf(schema.CodeUnavailable, "the hub cannot store readings at the moment; come back and send them again")
		s.end() // nor does it wait for room any more
	}
	s.tell()
	return s.failure
}

// frame is what is remembered of a frame until its commit.
type frame struct {
	first, last uint64
	at          schema.Span   // of its readings
	old         []schema.Span // of those that only belong into history
}

// committed is called by the store, from its writer: it only notes what is to be told.
func (s *Session) committed(err error, f frame) {
	if err == nil {
		s.in.line.moved()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.in.count.failed.Add(1)
		err = fmt.Errorf("seq=%d: %w", f.first, err)
		if !refused(err) || s.refuse(err, f) != nil {
			_ = s.fail(err) // the device hears it when the link ends
		}
		return
	}
	s.have.Add(f.first, f.last)
	s.acks.Add(f.first, f.last)
	s.filled = append(s.filled, f.old...)
	if s.ended {
		if len(s.filled) > 0 {
			s.in.rooms.PublishFilled(s.device, mergeSpans(s.filled))
			s.filled = nil
		}
		return
	}
	s.tell()
}

// refuse puts a gap in the place of a frame that the store will never take; sent again, it would only come back. The caller holds mu.
func (s *Session) refuse(err error, f frame) error {
	s.in.log.Error("frame can never be stored, it becomes a gap", "device", s.device, "err", err)
	g := schema.Gap{First: f.first, Last: f.last, FromMS: f.at.FromMS, ToMS: f.at.ToMS, Reason: schema.GapRefused}
	return s.in.store.AppendGap(s.device, s.epoch, g, func(err error) {
		if err == nil {
			s.in.rooms.PublishGap(s.device, s.record(&g))
		} else if refused(err) { // its own gap, too: once is enough
			err = errors.New("nor can its gap")
		}
		s.committed(err, frame{first: f.first, last: f.last})
	})
}

func refused(err error) bool {
	var r interface{ Refused() bool }
	return errors.As(err, &r) && r.Refused()
}

// tell starts flush soon; the caller holds mu.
func (s *Session) tell() {
	if s.timer != nil || s.ended {
		return
	}
	s.flushing.Add(1)
	s.timer = time.AfterFunc(ackDelay, s.flush)
}

// flush tells what was committed: one ack for all of it.
func (s *Session) flush() {
	defer s.flushing.Done()
	s.mu.Lock()
	acks, filled := s.acks, mergeSpans(s.filled)
	s.acks, s.filled, s.timer = nil, nil, nil
	var failure *schema.Problem
	if s.failure != nil && !s.failTold {
		failure, s.failTold = s.failure, true
	}
	s.mu.Unlock()
	if len(acks) > 0 {
		s.link.Ack(s.epoch, acks)
	}
	if len(filled) > 0 {
		s.in.rooms.PublishFilled(s.device, filled)
	}
	if failure != nil {
		s.link.Fail(failure)
	}
}

// Close ends the session; no Ack or Fail runs after it returned. Frames that wait for their commit are still stored. Closing twice is fine.
func (s *Session) Close() {
	s.mu.Lock()
	if !s.ended {
		s.ended = true
		s.end()
		if s.timer != nil && s.timer.Stop() {
			s.flushing.Done() // flush will not
		}
	}
	s.mu.Unlock()
	s.flushing.Wait()
}

// mergeSpans sorts spans and joins those that touch; too many become one.
func mergeSpans(spans []schema.Span) []schema.Span {
	slices.SortFunc(spans, func(a, b schema.Span) int { return cmp.Compare(a.FromMS, b.FromMS) })
	out := spans[:0]
	for _, x := range spans {
		if n := len(out); n > 0 && x.FromMS <= out[n-1].ToMS+1 {
			out[n-1].ToMS = max(out[n-1].ToMS, x.ToMS)
			continue
		}
		out = append(out, x)
	}
	if len(out) > maxSpans {
		last := out[0].ToMS
		for _, x := range out {
			last = max(last, x.ToMS)
		}
		out = []schema.Span{{FromMS: out[0].FromMS, ToMS: last}}
	}
	return out
}
