package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// Whoever asks while readings move from the head into chunks sees each of them once, and none missing that was acked before.
func TestQueriesBesideSealsSeeEverythingOnce(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	describe(t, s)
	const frames, per = 100, 10
	ctx, stop := context.WithCancel(t.Context())
	acked := make(chan uint64, 1)
	acked <- 0
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	for range 3 {
		all.Go(func() {
			for ctx.Err() == nil {
				before := <-acked
				acked <- before
				h, err := s.History(ctx, "lamp", HistoryQuery{Channels: []string{"e.n"}, FromMS: testT0, ToMS: testT0 + frames*per - 1, Points: 7})
				if errors.Is(err, context.Canceled) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				var n int64
				for _, c := range h.Series[0].Count {
					n += c
				}
				if n < int64(before)*per || n%per != 0 || n > frames*per {
					t.Errorf("%d readings seen, %d were acked before", n, before*per)
					return
				}
			}
		})
	}
	dt, v := make([]int64, per), make([]float64, per)
	for i := range dt {
		dt[i] = int64(i)
	}
	for seq := uint64(1); seq <= frames; seq++ {
		mustAppend(t, s, numbers("lamp", seq, testT0+int64(seq*7919%frames)*per, "e.n", dt, v...)) // out of order: chunks are rewritten
		<-acked
		acked <- seq
		if seq%5 == 0 {
			if err := s.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A full ring is packed by itself, and what was in it stays readable and is not read again at the next start.
func TestAFullRingIsPacked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{Dir: dir, CommitEvery: time.Millisecond, slots: 16})
	if err != nil {
		t.Fatal(err)
	}
	pair(t, s, "lamp")
	dt, v := make([]int64, 600), make([]float64, 600)
	for i := range dt {
		dt[i], v[i] = int64(i), 1/float64(i+3) // about five kilobytes
	}
	const frames = 40
	for seq := uint64(1); seq <= frames; seq++ {
		mustAppend(t, s, numbers("lamp", seq, testT0+int64(seq)*1000, "t.state", dt, v...))
	}
	var chunks, head int
	err = s.writer.do(t.Context(), func(w *writer) error {
		head = w.head.readings
		return w.conn.row(`SELECT count(*) FROM chunk`).Scan(&chunks)
	})
	if err != nil || chunks == 0 || head >= frames*len(v) {
		t.Errorf("%d chunks, %d readings in memory, %v", chunks, head, err)
	}
	if got := audit(t, s, "lamp"); len(got) != frames*len(v) {
		t.Errorf("%d readings, want %d", len(got), frames*len(v))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir)
	if s.head.readings != 0 {
		t.Errorf("%d readings were left in the ring", s.head.readings)
	}
	if got := audit(t, s, "lamp"); len(got) != frames*len(v) {
		t.Errorf("after a restart %d readings, want %d", len(got), frames*len(v))
	}
}

func TestHoursAnswerWhereReadingsAreGone(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	describe(t, s)
	const hours = 20
	from := floor(testT0, hourMS)
	dt, v := make([]int64, 60), make([]float64, 60)
	for h := range int64(hours) {
		for i := range dt {
			dt[i], v[i] = int64(i)*60_000, float64(h)
		}
		mustAppend(t, s, numbers("lamp", uint64(h+1), from+h*hourMS, "e.n", dt, v...))
		if err := s.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if h == 9 { // retention: the first ten hours go
			if err := s.writer.do(t.Context(), func(w *writer) error { return w.conn.exec(`DELETE FROM chunk`) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	count := func(points int, fromMS, toMS int64) (n int64, h schema.History) {
		h = history(t, s, HistoryQuery{Channels: []string{"e.n"}, FromMS: fromMS, ToMS: toMS, Points: points})
		for _, c := range h.Series[0].Count {
			n += c
		}
		return n, h
	}
	if n, h := count(100, from, from+hours*hourMS-1); n != hours*60 || h.BucketMS >= hourMS || len(h.Series[0].TMS) < 10+10*4 {
		t.Errorf("fine: %d readings in %d buckets of %d ms", n, len(h.Series[0].TMS), h.BucketMS)
	}
	if n, h := count(10, from, from+hours*hourMS-1); n != hours*60 || h.BucketMS != 2*hourMS {
		t.Errorf("coarse: %d readings in buckets of %d ms", n, h.BucketMS)
	}
	n, h := count(1000, from+hourMS, from+5*hourMS-1)
	if n != 4*60 || h.BucketMS != hourMS {
		t.Errorf("all gone: %d readings in buckets of %d ms", n, h.BucketMS)
	}
	equal(t, "mean", h.Series[0].Mean, []float64{1, 2, 3, 4})
	var minutes int64
	if err := s.read.QueryRowContext(t.Context(), `SELECT min(minutes) FROM hour`).Scan(&minutes); err != nil || minutes != 1<<60-1 {
		t.Errorf("minutes %x, %v", minutes, err)
	}
}

// While chunks cannot be written readings are acked as long as the ring has room, then no longer, and after that all goes on by itself.
func TestAFailingSealStopsAcksOnlyWhenTheRingIsFull(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	now.Store(testT0)
	s, err := Open(t.Context(), Options{Dir: t.TempDir(), CommitEvery: time.Millisecond, slots: 8, Now: func() time.Time { return time.UnixMilli(now.Load()) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	pair(t, s, "lamp")
	exec := func(statement string) {
		t.Helper()
		if err := s.writer.do(t.Context(), func(w *writer) error { return w.conn.exec(statement) }); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TRIGGER no BEFORE INSERT ON chunk BEGIN SELECT RAISE(ABORT, 'no chunk'); END`)
	acked := 0
	for seq := uint64(1); seq <= 12; seq++ {
		err := appendAll(t, s, slotful("lamp", seq))[0]
		if err == nil {
			acked++
		} else if !errors.Is(err, errRingFull) {
			t.Fatal(err)
		}
	}
	if acked < 7 || acked > 8 || s.Health() == nil {
		t.Errorf("%d frames acked in 8 slots, health %v", acked, s.Health())
	}
	if got := audit(t, s, "lamp"); len(got) != acked*slotReadings {
		t.Errorf("%d readings, want %d", len(got), acked*slotReadings)
	}
	exec(`DROP TRIGGER no`)
	now.Add(sealAgain.Milliseconds())
	for seq := uint64(1); seq <= 12; seq++ {
		mustAppend(t, s, slotful("lamp", seq))
	}
	if got := audit(t, s, "lamp"); len(got) != 12*slotReadings || s.Health() != nil {
		t.Errorf("%d readings, want %d; health %v", len(got), 12*slotReadings, s.Health())
	}
}
