package ingest

import (
	"math"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// placed takes a frame and returns where it was stored.
func placed(t *testing.T, b *bench, s *Session, r *schema.Readings) (int64, schema.TimeQuality) {
	t.Helper()
	b.take(s, r)
	got := b.store.batches[len(b.store.batches)-1]
	return got.T0MS, got.Time
}

func TestTimesAreBelievedOnlyWhenTheyCanBeTrue(t *testing.T) {
	const (
		year1970 = int64(1000)
		year2099 = int64(4_070_908_800_000)
		hour     = int64(3_600_000)
	)
	// The frame was measured 5 s before the hello's moment, at mono 95 000 of a boot whose hello said 100 000.
	cases := map[string]struct {
		t0     func(now int64) int64
		mono   int64
		dt     []int64
		back   bool
		want   func(now int64) int64
		wantTQ schema.TimeQuality
	}{
		"synced":                       {func(n int64) int64 { return n - 5000 }, 95_000, nil, false, func(n int64) int64 { return n - 5000 }, schema.TimeSynced},
		"synced, 30 s off":             {func(n int64) int64 { return n - 35_000 }, 95_000, nil, false, func(n int64) int64 { return n - 35_000 }, schema.TimeSynced},
		"not synced":                   {func(int64) int64 { return 0 }, 95_000, nil, false, func(n int64) int64 { return n - 5000 }, schema.TimeRelative},
		"1970":                         {func(int64) int64 { return year1970 }, 95_000, nil, false, func(n int64) int64 { return n - 5000 }, schema.TimeSkewed},
		"2099":                         {func(int64) int64 { return year2099 }, 95_000, nil, false, func(n int64) int64 { return n - 5000 }, schema.TimeSkewed},
		"before all time":              {func(int64) int64 { return math.MinInt64 }, 95_000, nil, false, func(n int64) int64 { return n - 5000 }, schema.TimeSkewed},
		"the end of time":              {func(int64) int64 { return math.MaxInt64 }, 95_000, nil, false, func(n int64) int64 { return n - 5000 }, schema.TimeSkewed},
		"an hour ahead":                {func(n int64) int64 { return n + hour }, 95_000, nil, false, func(n int64) int64 { return n - 5000 }, schema.TimeSkewed},
		"an hour behind, fresh":        {func(n int64) int64 { return n - hour }, 95_000, nil, false, func(n int64) int64 { return n - 5000 }, schema.TimeSkewed},
		"an hour behind, backfill":     {func(n int64) int64 { return n - hour }, 95_000, nil, true, func(n int64) int64 { return n - hour }, schema.TimeSynced},
		"offsets into the future":      {func(n int64) int64 { return n }, 100_000, []int64{0, 20 * hour}, false, func(n int64) int64 { return n - 20*hour }, schema.TimeSkewed},
		"mono from the future":         {func(int64) int64 { return 0 }, 100_000 + hour, nil, false, func(n int64) int64 { return n }, schema.TimeSkewed},
		"mono beyond all time":         {func(int64) int64 { return 0 }, math.MaxInt64, nil, false, func(n int64) int64 { return n }, schema.TimeSkewed},
		"offsets before the beginning": {func(int64) int64 { return schema.EarliestMS }, 95_000, []int64{-hour}, true, func(n int64) int64 { return n - 5000 }, schema.TimeSkewed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				s, _ := b.connect(nil)
				defer s.Close()
				r := reading(1, 1)
				r.T0MS, r.MonoMS, r.Backfill = c.t0(nowMS()), c.mono, c.back
				if c.dt != nil {
					r.Series[0].DtMS, r.Series[0].V = c.dt, make(schema.Values, len(c.dt))
					r.Series[0].Q = make([]schema.Quality, len(c.dt))
					for i := range c.dt {
						r.Series[0].Q[i] = schema.QualityFault
					}
				}
				got, tq := placed(t, b, s, r)
				if want := c.want(nowMS()); got != want || tq != c.wantTQ {
					t.Errorf("placed %d ms from now, %s; want %d ms, %s", got-nowMS(), tq, want-nowMS(), c.wantTQ)
				}
			})
		})
	}
}

func TestAClockThatJumpsDoesNotMoveReadings(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s, _ := b.connect(nil)
		defer s.Close()
		for seq := uint64(1); seq <= 4; seq++ {
			passInBubble(time.Second)
			r := reading(seq, 1)
			r.MonoMS = 100_000 + int64(seq)*1000
			want, wantTQ := nowMS(), schema.TimeSynced
			if seq%2 == 0 {
				r.T0MS += 3_600_000 // the wall clock jumps there and back
				wantTQ = schema.TimeSkewed
			}
			if got, tq := placed(t, b, s, r); got != want || tq != wantTQ {
				t.Errorf("seq %d: placed %d ms from now, %s", seq, got-want, tq)
			}
		}
		if b.in.Stats().Skewed != 2 {
			t.Errorf("%+v", b.in.Stats())
		}
	})
}

func TestAHubWithoutAClockBelievesTheDevice(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.in.now = func() time.Time { return time.UnixMilli(5_000) } // 1970
		s, _ := b.connect(nil)
		defer s.Close()
		r := reading(1, 1)
		if got, tq := placed(t, b, s, r); got != r.T0MS || tq != schema.TimeSynced {
			t.Errorf("placed %d %s", got, tq)
		}
		r = reading(2, 1)
		r.T0MS = 0
		if _, tq := placed(t, b, s, r); tq != schema.TimeEstimated {
			t.Errorf("a time of a hub without a clock is called %s", tq)
		}
	})
}

func TestTheSmallestOffsetIsTheTrueOne(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		// The hello was 800 ms under way; the same boot had been measured better before.
		b.store.boots["boot-1"] = offset{nowMS() - 100_800, schema.TimeRelative}
		s, _ := b.connect(nil)
		defer s.Close()
		place := func(seq uint64, want int64) {
			t.Helper()
			r := reading(seq, 1)
			r.T0MS = 0
			r.MonoMS = 90_000
			if got, tq := placed(t, b, s, r); got != want || tq != schema.TimeRelative {
				t.Errorf("placed %d ms from what is right, %s", got-want, tq)
			}
		}
		place(1, nowMS()-10_800)
		s.Status(&schema.Status{MonoMS: 100_000, WallMS: nowMS()})
		place(2, nowMS()-10_800)
		s.Status(&schema.Status{MonoMS: 101_000, WallMS: nowMS()}) // a faster link shows that even this was late
		place(3, nowMS()-11_000)
		passInBubble(time.Minute) // the device slept: its monotonic clock stood still
		s.Status(&schema.Status{MonoMS: 101_000, WallMS: nowMS()})
		place(4, nowMS()-11_000)
	})
}

func TestOtherBootsKeepOrderAndSpacing(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		bootMS := nowMS() - 100_000
		b.store.boots["known"] = offset{bootMS - 900_000, schema.TimeRelative}
		b.store.last = bootMS - 600_000 // the newest reading from before this boot
		back := func(seq uint64, boot string, mono int64) *schema.Readings {
			r := reading(seq, 1)
			r.T0MS, r.MonoMS, r.Boot, r.Backfill = 0, mono, boot, true
			return r
		}
		s, _ := b.connect(nil)
		if got, tq := placed(t, b, s, back(1, "known", 5000)); got != bootMS-895_000 || tq != schema.TimeRelative {
			t.Errorf("a boot the hub had met: %d %s", got-bootMS, tq)
		}
		first, tq := placed(t, b, s, back(2, "lost", 70_000))
		if first != b.store.last+1 || tq != schema.TimeEstimated {
			t.Errorf("a boot the hub never met: %d %s", first-bootMS, tq)
		}
		s.Close()
		s, _ = b.connect(nil) // the guess outlives the connection
		defer s.Close()
		if second, _ := placed(t, b, s, back(3, "lost", 75_000)); second != first+5000 {
			t.Errorf("spacing %d, want 5000", second-first)
		}
		synced := back(4, "lost", 80_000)
		synced.T0MS = bootMS - 50_000_000 // its clock was set before it went away
		if got, tq := placed(t, b, s, synced); got != synced.T0MS || tq != schema.TimeSynced {
			t.Errorf("%d %s", got-bootMS, tq)
		}
		for i := range uint64(maxGuesses + 10) {
			r := back(10+i, "boot "+string(rune('A'+i)), 0)
			if got, tq := placed(t, b, s, r); tq != schema.TimeEstimated || got >= bootMS || got < schema.EarliestMS {
				t.Errorf("boot %d: %d %s", i, got, tq)
			}
		}
		if len(s.guesses) > maxGuesses {
			t.Errorf("%d boots remembered", len(s.guesses))
		}
	})
}

func TestClockSaysHowFarTheDeviceIsOff(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s, _ := b.connect(func(h *schema.Hello) { h.WallMS += 1500 })
		defer s.Close()
		check := func(wantTQ schema.TimeQuality, want int64) {
			t.Helper()
			if tq, ahead := s.Clock(); tq != wantTQ || ahead != want {
				t.Errorf("%s, %d ms ahead; want %s, %d", tq, ahead, wantTQ, want)
			}
		}
		check(schema.TimeSynced, 1500)
		s.Status(&schema.Status{MonoMS: 100_000, WallMS: nowMS() - 3_600_000, Synced: true})
		check(schema.TimeSkewed, -3_600_000)
		s.Status(&schema.Status{MonoMS: -1, WallMS: nowMS(), Synced: false})
		check(schema.TimeRelative, 0)
	})
}
