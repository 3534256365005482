package ingest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/telltale-iot/telltale/schema"
)

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b schema.Value) bool { return a == b })); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestShownOnReceiptAckedAfterTheCommit(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.store.manual = true
		s, have := b.connect(nil)
		defer s.Close()
		if have != nil {
			t.Errorf("have %v", have)
		}
		for seq := range uint64(3) {
			b.take(s, reading(seq+1, 1))
		}
		if len(b.screen.shown) != 3 {
			t.Errorf("%d batches shown before the commit, want 3", len(b.screen.shown))
		}
		if a := b.takeAcks(); a != nil {
			t.Errorf("acked before the commit: %v", a)
		}
		b.store.commit(nil)
		equal(t, "acks", b.takeAcks(), [][]schema.Range{{{1, 3}}})
		if st := b.in.Stats(); st.Frames != 3 || st.Readings != 3 {
			t.Errorf("%+v", st)
		}
	})
}

func TestWhatIsStoredIsOnlyAckedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.store.have = schema.Ranges{{1, 5}}
		s, have := b.connect(func(h *schema.Hello) { h.First, h.Last = 4, 6 })
		defer s.Close()
		equal(t, "have", have, []schema.Range{{1, 5}})
		for seq := uint64(4); seq <= 6; seq++ {
			b.take(s, reading(seq, 1))
		}
		equal(t, "acks", b.takeAcks(), [][]schema.Range{{{4, 6}}})
		if len(b.store.batches) != 1 || len(b.screen.shown) != 1 || b.in.Stats().Repeats != 2 {
			t.Errorf("%d stored, %d shown, want one each; %+v", len(b.store.batches), len(b.screen.shown), b.in.Stats())
		}
	})
}

func TestRefusalsNameTheFrameAndSayWhy(t *testing.T) {
	wave := func(step int64, n int) schema.Series {
		return schema.Series{Ch: "w.state", StepUS: step, V: make(schema.Values, n), Q: []schema.Quality{schema.QualityFault}}
	}
	cases := map[string]struct {
		series schema.Series
		says   string
	}{
		"unknown channel":    {schema.Series{Ch: "x.state", V: schema.Values{schema.Number(1)}}, `no channel "x.state"`},
		"another's channel":  {schema.Series{Ch: "pi-2.t.state", V: schema.Values{schema.Number(1)}}, "no channel"},
		"bool for a number":  {schema.Series{Ch: "t.state", V: schema.Values{schema.Bool(true)}}, "holds a number, not the bool true"},
		"number for a bool":  {schema.Series{Ch: "b.state", V: schema.Values{schema.Number(1)}}, "holds a bool"},
		"string for number":  {schema.Series{Ch: "t.state", V: schema.Values{schema.Text("hot")}}, "holds a number"},
		"unknown quality":    {schema.Series{Ch: "t.state", V: schema.Values{schema.Number(1)}, Q: []schema.Quality{"superb"}}, `no quality "superb"`},
		"wave of 300 years":  {wave(1<<62, 2), "more than a day"},
		"wave over the day":  {wave(86_400_000_001, 2), "more than a day"},
		"long channel names": {schema.Series{Ch: strings.Repeat("x", 129), V: schema.Values{schema.Number(1)}}, "no channel"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				s, _ := b.connect(nil)
				defer s.Close()
				good := reading(7, 1)
				good.Series = append(good.Series, c.series) // refused whole: a frame is one thing
				p := s.Readings(good)
				if p == nil || p.Code != schema.CodeBadFrame || p.Seq != 7 || !strings.Contains(p.Message, c.says) {
					t.Fatalf("got %v", p)
				}
				b.take(s, reading(8, 1)) // the neighbour is not disturbed
				equal(t, "acks", b.takeAcks(), [][]schema.Range{{{8, 8}}})
				if len(b.store.batches) != 1 || b.in.Stats().Refused != 1 {
					t.Errorf("%d stored, %+v", len(b.store.batches), b.in.Stats())
				}
			})
		})
	}
}

func TestReadingsBeforeADescriptionMustComeAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s, _, err := b.in.Open(t.Context(), hello(nil), Link{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if p := s.Readings(reading(1, 1)); p == nil || p.Seq != 0 {
			t.Errorf("got %v, want a problem without a seq", p)
		}
	})
}

func TestAChannelOfAnOlderSetupIsStillTaken(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.store.latest = []schema.LiveSeries{{Ch: "old.state", DtMS: []int64{nowMS() - 5000}, V: schema.Values{schema.Number(1)}}}
		s, _ := b.connect(nil)
		defer s.Close()
		r := reading(1, 1)
		r.Series[0].Ch = "old.state"
		b.take(s, r)
	})
}

func TestChannelsThatAreRememberedAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s, _ := b.connect(nil)
		defer s.Close()
		for i := range 3 * maxRemembered / 1000 { // a device that calls its channels differently each time
			var d schema.Descriptor
			for j := range 1000 {
				d.Entities = append(d.Entities, schema.Entity{ID: fmt.Sprintf("e%d_%d", i, j), Channels: []schema.Channel{{Name: "state", Type: schema.TypeNumber}}})
			}
			s.Descriptor(&d)
		}
		if n := len(s.head.described); n > maxRemembered {
			t.Errorf("%d channels are remembered", n)
		}
		r := reading(1, 1)
		r.Series[0].Ch = fmt.Sprintf("e%d_0.state", 3*maxRemembered/1000-2) // of the setup before
		b.take(s, r)
	})
}

func TestSequenceNumbersBeyondTheStoreAreRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s, _ := b.connect(nil)
		defer s.Close()
		const big = 1 << 63
		if p := s.Gap(&schema.Gap{First: 1, Last: 1 << 40, Reason: schema.GapQuota}); p == nil || p.Code != schema.CodeBadFrame || p.Seq != 0 {
			t.Errorf("a gap that burns the epoch: %v", p)
		}
		b.take(s, reading(maxAhead, 1))
		b.take(s, reading(2*maxAhead, 1)) // what came moves the reach
		for _, p := range []*schema.Problem{s.Readings(reading(big, 1)), s.Gap(&schema.Gap{First: 1, Last: big, Reason: schema.GapQuota}),
			s.Event(&schema.Event{Seq: big, Type: "started"})} {
			if p == nil || p.Code != schema.CodeBadFrame {
				t.Errorf("got %v", p)
			}
		}
	})
}

func TestBackfillNeverReplacesANewerValue(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s, _ := b.connect(nil)
		defer s.Close()
		b.take(s, reading(100, 1)) // live first
		old := reading(50, 2)
		old.T0MS -= 3_600_000
		old.Backfill = true
		old.Series[0].DtMS, old.Series[0].V = []int64{0, 1000}, schema.Values{schema.Number(2), schema.Number(3)}
		b.take(s, old)
		unmarked := reading(51, 4) // the device does not say so: time decides
		unmarked.T0MS -= 30_000
		unmarked.MonoMS -= 30_000
		b.take(s, unmarked)
		if len(b.screen.shown) != 1 || b.screen.shown[0].Seq != 100 {
			t.Errorf("shown %+v", b.screen.shown)
		}
		b.takeAcks()
		equal(t, "filled", b.screen.filled, []schema.Span{{FromMS: old.T0MS, ToMS: old.T0MS + 1000}, {FromMS: unmarked.T0MS, ToMS: unmarked.T0MS}})
		if len(b.store.batches) != 3 || !b.store.batches[1].Backfill || b.store.batches[0].Backfill {
			t.Errorf("stored %+v", b.store.batches)
		}
	})
}

// A door that was opened while the hub was away says so only in its backlog.
func TestBackfillThatIsTheNewestIsShown(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.store.latest = []schema.LiveSeries{{Ch: "b.state", DtMS: []int64{nowMS() - 60_000}, V: schema.Values{schema.Bool(false)}}}
		s, _ := b.connect(nil)
		defer s.Close()
		r := &schema.Readings{Seq: 1, T0MS: nowMS() - 30_000, MonoMS: 70_000, Backfill: true, Series: []schema.Series{
			{Ch: "b.state", V: schema.Values{schema.Bool(true)}}, {Ch: "t.state", V: schema.Values{schema.Number(20)}}}}
		b.take(s, r)
		if len(b.screen.shown) != 1 || b.screen.shown[0].Backfill || len(b.screen.shown[0].Series) != 2 {
			t.Errorf("shown %+v", b.screen.shown)
		}
		r.Seq, r.T0MS = 2, nowMS()-45_000 // older than that, newer than the store's
		b.take(s, r)
		if len(b.screen.shown) != 1 {
			t.Errorf("an older value was shown: %+v", b.screen.shown)
		}
	})
}

func TestAFrameIsSplitByWhatIsNew(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s, _ := b.connect(nil)
		defer s.Close()
		b.take(s, reading(1, 1))
		r := reading(2, 2) // the same ms, sent later: newer
		r.Series = append(r.Series, schema.Series{Ch: "b.state", V: schema.Values{schema.Bool(true)}})
		b.take(s, r)
		again := reading(1, 1) // sent again on a new connection before its ack
		again.Series = append(again.Series, schema.Series{Ch: "w.state", V: schema.Values{schema.Number(1)}})
		young, _ := b.connect(nil)
		defer young.Close()
		young.have = nil // as if the commit were still under way
		b.take(young, again)
		var shown []string
		for _, x := range b.screen.shown {
			for _, sr := range x.Series {
				shown = append(shown, fmt.Sprint(x.Seq, " ", sr.Ch))
			}
		}
		equal(t, "shown", shown, []string{"1 t.state", "2 t.state", "2 b.state", "1 w.state"})
	})
}

func TestGapsGetTimesThatCanBeTrue(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s, _ := b.connect(nil)
		defer s.Close()
		b.take(s, reading(1, 1))
		shown := nowMS()
		passInBubble(10 * time.Second)
		b.takeAcks()
		now := nowMS()
		cases := []struct{ in, want schema.Gap }{
			{schema.Gap{FromMS: shown - 9000, ToMS: shown - 8000}, schema.Gap{FromMS: shown - 9000, ToMS: shown - 8000}},
			{schema.Gap{}, schema.Gap{FromMS: shown, ToMS: now}},
			{schema.Gap{FromMS: 5, ToMS: 4_070_908_800_000}, schema.Gap{FromMS: shown, ToMS: now}}, // 1970 to 2099
		}
		for i, c := range cases {
			g := c.in
			g.First, g.Last, g.Reason = uint64(10+10*i), uint64(15+10*i), schema.GapQuota
			if p := s.Gap(&g); p != nil {
				t.Fatal(p)
			}
			got := b.store.gaps[i]
			if got.FromMS != c.want.FromMS || got.ToMS != c.want.ToMS {
				t.Errorf("gap %d is placed %d to %d, want %d to %d", i, got.FromMS, got.ToMS, c.want.FromMS, c.want.ToMS)
			}
		}
		equal(t, "acks", b.takeAcks(), [][]schema.Range{{{10, 15}, {20, 25}, {30, 35}}})
		if len(b.screen.gaps) != 3 || b.screen.gaps[0].Epoch != epochA || b.screen.gaps[0].First != 10 {
			t.Errorf("shown %+v", b.screen.gaps)
		}
	})
}

func TestRestartGapBeginsAfterTheLastReading(t *testing.T) {
	for _, c := range []struct {
		name       string
		last, want int64 // ms before the restart
	}{{"readings arrived after the card was written", 2000, 2000}, {"nothing arrived since", 900_000, 600_000}} {
		inBubble(t, func(t *testing.T, b *bench) {
			s, _ := b.connect(nil)
			defer s.Close()
			restart := nowMS()
			b.store.last = restart - c.last
			if p := s.Gap(&schema.Gap{First: 10, Last: 19, FromMS: restart - 600_000, ToMS: restart, Reason: schema.GapRestart}); p != nil {
				t.Fatal(p)
			}
			if got := restart - b.store.gaps[0].FromMS; got != c.want {
				t.Errorf("%s: the gap begins %d ms before the restart, want %d", c.name, got, c.want)
			}
		})
	}
}

func TestWhatCanNeverComeAgainIsAGap(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.store.have = schema.Ranges{{1, 40}, {60, 80}} // a store that was restored from a backup
		s, _ := b.connect(func(h *schema.Hello) { h.First, h.Last = 101, 120 })
		equal(t, "gaps", seqs(b.store.gaps), []schema.Range{{41, 59}, {81, 100}})
		if a := b.takeAcks(); a != nil {
			t.Errorf("acked what the device does not have: %v", a)
		}
		s.Close()
		s, have := b.connect(func(h *schema.Hello) { h.Last = 120 }) // an empty outbox
		defer s.Close()
		equal(t, "have", have, []schema.Range{{1, 100}})
		equal(t, "gaps", seqs(b.store.gaps), []schema.Range{{41, 59}, {81, 100}, {101, 120}})
	})
}

func seqs(gaps []schema.Gap) []schema.Range {
	var out []schema.Range
	for _, g := range gaps {
		out = append(out, schema.Range{g.First, g.Last})
	}
	return out
}

func TestEventsAreStoredAndAcked(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s, _ := b.connect(nil)
		defer s.Close()
		e := &schema.Event{Seq: 3, MonoMS: 99_000, Type: "started"}
		if p := s.Event(e); p != nil {
			t.Fatal(p)
		}
		equal(t, "acks", b.takeAcks(), [][]schema.Range{{{3, 3}}})
		if at := b.store.events[0]; at.T0MS != nowMS()-1000-(2*ackDelay).Milliseconds() || at.Time != schema.TimeRelative {
			t.Errorf("placed %+v", at)
		}
	})
}

func TestNothingIsToldAfterClose(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.store.manual = true
		s, _ := b.connect(nil)
		b.take(s, reading(1, 1))
		b.take(s, reading(2, 1))
		b.store.commit(nil) // the ack is due in ackDelay
		s.Close()
		s.Close()
		old := reading(3, 1)
		old.T0MS -= 60_000
		old.MonoMS -= 60_000
		old.Backfill = true
		b.take(s, old)           // came in before the close
		b.take(s, reading(1, 1)) // so did this, which is stored already
		b.store.commit(nil)
		if a := b.takeAcks(); a != nil || len(b.fails) != 0 {
			t.Errorf("after close: %v %v", a, b.fails)
		}
		if len(b.store.batches) != 3 || len(b.screen.filled) != 1 {
			t.Errorf("%d stored, filled %v", len(b.store.batches), b.screen.filled)
		}
	})
}

// TestSessionsFromManyGoroutines is for the race detector: commits, flushes, status and closing at once.
func TestSessionsFromManyGoroutines(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		var all sync.WaitGroup
		for g := range uint64(4) {
			s, _ := b.connect(nil)
			all.Go(func() {
				for i := range uint64(50) {
					if p := s.Readings(reading(1+g+4*i, 1)); p != nil {
						t.Error(p)
					}
					s.Status(&schema.Status{MonoMS: 100_000, WallMS: nowMS(), Synced: true})
					napInBubble(time.Millisecond)
				}
			})
			all.Go(func() {
				napInBubble(time.Duration(20+g) * time.Millisecond)
				s.Clock()
				s.Close()
			})
		}
		all.Wait()
		synctest.Wait()
		equal(t, "stored", []schema.Range(b.store.have), []schema.Range{{1, 200}})
	})
}

// passOnlyInBubble lets fake time pass in a goroutine of a test.
func napInBubble(d time.Duration) { time.Sleep(d) }
