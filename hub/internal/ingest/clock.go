package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

const (
	// maxGuesses bounds the boots one connection may bring readings of: an outbox of weeks on a machine that keeps restarting.
	maxGuesses = 64
	// jitterMS is how much later than before a boot's offset may be measured and still be the link's delay, not the clock.
	jitterMS = 1000
	// guessMS is how long before the present boot an unknown one is placed when nothing else is known, in ms: a day.
	guessMS = 24 * 3600 * 1000
	// maxMonoMS is the longest a machine can have been up, in ms: 1000 years. Beyond it a sum could overflow.
	maxMonoMS = 1000 * 366 * 24 * 3600 * 1000
	// storeWithin bounds the wait for the store in the middle of a frame.
	storeWithin = 10 * time.Second
)

// offset is the hub's clock minus a boot's monotonic clock.
type offset struct {
	ms int64
	tq schema.TimeQuality // relative = measured, estimated = guessed
}

// clock compares the present boot's clocks with the hub's.
type clock struct {
	offsetMS int64
	synced   bool
	aheadMS  int64
}

// startClock measures the boot's monotonic clock at the hello. Of several measurements the smallest is right: the link only delays.
func (s *Session) startClock(ctx context.Context, h *schema.Hello) error {
	now := s.in.now().UnixMilli()
	mono := min(h.MonoMS, maxMonoMS)
	measured := now - mono
	before, tq, err := s.in.store.Boot(ctx, s.device, h.BootID)
	if err != nil {
		return err
	}
	s.boot, s.bootMS, s.guesses = h.BootID, measured, map[string]offset{}
	s.clock = clock{offsetMS: measured, synced: h.Synced, aheadMS: h.WallMS - now}
	if tq == schema.TimeRelative && measured >= before && measured-before <= jitterMS {
		s.clock.offsetMS = before
		return nil
	}
	if err := s.in.store.SaveBoot(ctx, s.device, h.BootID, measured, schema.TimeRelative); err != nil {
		// Live readings do not need it; only those that come in a later boot would be placed by a guess.
		s.in.log.Warn("boot is not saved", "device", s.device, "err", err)
	}
	return nil
}

// Status follows the device's clock.
func (s *Session) Status(st *schema.Status) {
	now := s.in.now().UnixMilli()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock.synced, s.clock.aheadMS = st.Synced, st.WallMS-now
	if st.MonoMS < 0 || st.MonoMS > maxMonoMS {
		return
	}
	if off := now - st.MonoMS; off < s.clock.offsetMS || off > s.clock.offsetMS+jitterMS {
		s.clock.offsetMS = off
	}
}

// Clock says how far the device's wall clock can be believed, and by how many ms it is ahead of the hub's.
func (s *Session) Clock() (tq schema.TimeQuality, aheadMS int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.clock.synced:
		return schema.TimeRelative, s.clock.aheadMS
	case s.clock.aheadMS > schema.FarFuture.Milliseconds() || s.clock.aheadMS < -schema.FarFuture.Milliseconds():
		return schema.TimeSkewed, s.clock.aheadMS
	}
	return schema.TimeSynced, s.clock.aheadMS
}

// frameTime is what a frame says of its time.
type frameTime struct {
	t0MS, monoMS int64
	boot         string
	low, high    int64 // offsets of its earliest and latest reading, ms
	fresh        bool  // measured just now, not backfill
}

// place finds a frame's T0 in Unix ms of the hub, and how it was found. It never refuses; the error is the store's.
func (s *Session) place(f frameTime) (int64, schema.TimeQuality, error) {
	s.mu.Lock()
	c := s.clock
	s.mu.Unlock()
	now := s.in.now().UnixMilli()
	far := schema.FarFuture.Milliseconds()
	unset := now < schema.EarliestMS // the hub's own clock was never set: the device knows better
	own := f.boot == "" || f.boot == s.boot
	latest := now + far
	if unset {
		latest = 1 << 52
	}
	mono := min(f.monoMS, maxMonoMS)
	inBounds := func(t0 int64) bool { return t0 >= schema.EarliestMS-f.low && t0 <= latest-f.high }
	if f.t0MS != 0 && inBounds(f.t0MS) {
		off := f.t0MS - (mono + c.offsetMS)
		if unset || !own || !f.fresh || off <= far && off >= -far {
			return f.t0MS, schema.TimeSynced, nil
		}
	}
	off := offset{c.offsetMS, schema.TimeRelative}
	if !own {
		var err error
		if off, err = s.otherBoot(f.boot, mono); err != nil {
			return 0, "", err
		}
	}
	t0, tq := mono+off.ms, off.tq
	switch {
	case unset:
		tq = schema.TimeEstimated
	case t0+f.high > latest: // the monotonic clock jumped too
		t0, tq = now-f.high, schema.TimeSkewed
	case t0+f.low < schema.EarliestMS:
		t0, tq = schema.EarliestMS-f.low, schema.TimeSkewed
	case f.t0MS != 0 && tq == schema.TimeRelative:
		tq = schema.TimeSkewed
	}
	if tq == schema.TimeSkewed {
		s.in.count.skewed.Add(1)
	}
	return t0, tq, nil
}

// otherBoot returns the offset of a boot before the present one: measured in its time, or guessed once and kept, so that order and
// spacing are right.
func (s *Session) otherBoot(boot string, monoMS int64) (offset, error) {
	if off, ok := s.guesses[boot]; ok {
		return off, nil
	}
	if len(s.guesses) >= maxGuesses {
		return offset{s.bootMS - guessMS - monoMS, schema.TimeEstimated}, nil
	}
	ctx, cancel := context.WithTimeout(s.conn, storeWithin)
	defer cancel()
	ms, tq, err := s.in.store.Boot(ctx, s.device, boot)
	if err != nil {
		return offset{}, err
	}
	if tq == "" {
		// It ran after the last reading the hub has from before the present boot, and at most a day before that.
		last, err := s.in.store.LastBefore(ctx, s.device, s.bootMS)
		if err != nil {
			return offset{}, err
		}
		ms, tq = max(last+1, s.bootMS-guessMS)-monoMS, schema.TimeEstimated
		if err := s.in.store.SaveBoot(ctx, s.device, boot, ms, tq); err != nil {
			return offset{}, fmt.Errorf("keep the place of boot %q: %w", boot, err)
		}
	}
	s.guesses[boot] = offset{ms, tq}
	return s.guesses[boot], nil
}
