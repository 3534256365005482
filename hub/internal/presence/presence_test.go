package presence_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/presence"
	"github.com/telltale-iot/telltale/schema"
)

// world is the store and the rooms of a register.
type world struct {
	mu      sync.Mutex
	touched int
	gaps    []schema.Span
	shown   []schema.Presence
}

func (w *world) TouchDevice(context.Context, string, int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.touched++
	return nil
}

func (w *world) AddGap(_ context.Context, _ string, g schema.GapRecord) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gaps = append(w.gaps, schema.Span{FromMS: g.FromMS, ToMS: g.ToMS})
	return nil
}

func (w *world) PublishPresence(_ string, p schema.Presence) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shown = append(w.shown, p)
}

func (w *world) PublishGap(string, schema.GapRecord) {}

const second = int64(1000)

// registerInBubble returns a register that knows a device with a reading every second, the newest at t=1000 s.
func registerInBubble(t *testing.T) (*presence.Register, *world, func(atS int64)) {
	w := &world{}
	var mu sync.Mutex
	now := time.UnixMilli(0)
	r := presence.New(presence.Options{Store: w, Rooms: w, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = r.Run(ctx) })
	t.Cleanup(func() { stop(); all.Wait() })
	d := schema.Device{ID: "pi", Presence: schema.Presence{State: schema.PresenceOffline}, Descriptor: &schema.Descriptor{Entities: []schema.Entity{
		{ID: "slow", Channels: []schema.Channel{{IntervalMS: 60_000}}}, {ID: "air", Channels: []schema.Channel{{IntervalMS: 1000}}}}}}
	r.Know(d, 1000*second)
	return r, w, func(atS int64) {
		mu.Lock()
		defer mu.Unlock()
		now = time.UnixMilli(atS * second)
	}
}

// TestOnlyTimeWithoutReadingsIsAGap: contact is lost at 1000 s and comes back at 2000 s; what counts is what was measured meanwhile.
func TestOnlyTimeWithoutReadingsIsAGap(t *testing.T) {
	for _, c := range []struct {
		name   string
		filled [][2]int64 // s, in the order of arrival
		want   []schema.Span
	}{
		{"it was off all the time", nil, []schema.Span{{FromMS: 1000 * second, ToMS: 2001 * second}}},
		{"it measured all the time", [][2]int64{{1001, 1500}, {1500, 2000}}, nil},
		{"backlog in any order", [][2]int64{{1800, 2000}, {1001, 1200}, {1600, 1800}, {1200, 1600}}, nil},
		{"it ran, was off, ran again", [][2]int64{{1001, 1300}, {1700, 2000}}, []schema.Span{{FromMS: 1300 * second, ToMS: 1700 * second}}},
		{"a short hole is no gap", [][2]int64{{1005, 1993}}, nil},
		{"older backlog does not matter", [][2]int64{{10, 20}, {990, 2000}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, w, at := registerInBubble(t)
				at(2000)
				r.Online("pi", presence.Arrival{Session: 1, Backlog: 5})
				r.Status("pi", &schema.Status{Backlog: 5}, schema.TimeSynced, 0)
				r.Measured("pi", 2001*second, 2001*second) // live comes first
				for _, f := range c.filled {
					r.Measured("pi", f[0]*second, f[1]*second)
				}
				synctest.Wait()
				if len(w.gaps) != 0 {
					t.Errorf("gaps before everything was delivered: %v", w.gaps)
				}
				r.Status("pi", &schema.Status{}, schema.TimeSynced, 0)
				r.Status("pi", &schema.Status{}, schema.TimeSynced, 0)
				synctest.Wait()
				if !slices.Equal(w.gaps, c.want) {
					t.Errorf("got %v, want %v", w.gaps, c.want)
				}
			})
		})
	}
}

func TestWhatTheDeviceExplainedIsNoGapOfOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w, at := registerInBubble(t)
		at(2000)
		r.Online("pi", presence.Arrival{Session: 1, Backlog: 1})
		r.Explained("pi", 1000*second, 1700*second) // its memory was lost in a restart
		r.Measured("pi", 2001*second, 2001*second)
		r.Status("pi", &schema.Status{}, schema.TimeSynced, 0)
		synctest.Wait()
		if want := []schema.Span{{FromMS: 1700 * second, ToMS: 2001 * second}}; !slices.Equal(w.gaps, want) {
			t.Errorf("got %v, want %v", w.gaps, want)
		}
	})
}

func TestAFlappingLinkIsOneOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w, at := registerInBubble(t)
		for i := range int64(50) {
			at(2000 + i)
			r.Online("pi", presence.Arrival{Session: uint64(i)})
			r.Offline("pi", uint64(i))
		}
		r.Online("pi", presence.Arrival{Session: 99})
		r.Measured("pi", 2050*second, 2050*second)
		r.Status("pi", &schema.Status{}, schema.TimeSynced, 0)
		synctest.Wait()
		if want := []schema.Span{{FromMS: 1000 * second, ToMS: 2050 * second}}; !slices.Equal(w.gaps, want) {
			t.Errorf("got %v, want %v", w.gaps, want)
		}
	})
}

func TestManyHolesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w, at := registerInBubble(t)
		at(1_000_000)
		r.Online("pi", presence.Arrival{Session: 1})
		for i := range int64(5000) {
			r.Measured("pi", (1100+i*100)*second, (1101+i*100)*second)
		}
		r.Measured("pi", 1_000_001*second, 1_000_001*second)
		r.Status("pi", &schema.Status{}, schema.TimeSynced, 0)
		synctest.Wait()
		if len(w.gaps) == 0 || len(w.gaps) > 64 {
			t.Errorf("%d gaps", len(w.gaps))
		}
	})
}

func TestAReplacedSessionDoesNotTakeTheDeviceOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w, at := registerInBubble(t)
		at(1001)
		r.Online("pi", presence.Arrival{Session: 1, Addr: "a"})
		at(1002)
		r.Online("pi", presence.Arrival{Session: 2, Addr: "b"})
		r.Offline("pi", 1)
		if p, _ := r.Presence("pi"); p.State != schema.PresenceOnline || p.SinceMS != 1001*second || p.Addr != "b" {
			t.Errorf("%+v", p)
		}
		at(1010)
		r.Offline("pi", 2)
		if p, _ := r.Presence("pi"); p.State != schema.PresenceOffline || p.SinceMS != 1010*second || p.LastSeenMS != 1010*second {
			t.Errorf("%+v", p)
		}
		synctest.Wait()
		if len(w.shown) != 3 || w.touched != 2 {
			t.Errorf("shown %d times, stored %d times", len(w.shown), w.touched)
		}
	})
}

func TestStatusShowsBacklogAndHowFarHistoryIsComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, at := registerInBubble(t)
		at(2000)
		r.Online("pi", presence.Arrival{Session: 1})
		r.Status("pi", &schema.Status{Backlog: 7, BacklogFromMS: 1200 * second, RTTMS: 3, Degraded: "disk is read-only"}, schema.TimeRelative, -5)
		p, _ := r.Presence("pi")
		if p.Backlog != 7 || p.CompleteToMS != 1200*second || p.Degraded == "" || p.Clock != schema.TimeRelative || p.ClockOffsetMS != -5 {
			t.Errorf("%+v", p)
		}
		r.Measured("pi", 1999*second, 2000*second)
		r.Status("pi", &schema.Status{}, schema.TimeSynced, 0)
		if p, _ := r.Presence("pi"); p.CompleteToMS != 2000*second || p.Degraded != "" {
			t.Errorf("%+v", p)
		}
		r.Warn("pi", "two machines")
		if p, _ := r.Presence("pi"); !strings.Contains(p.Degraded, "two") {
			t.Errorf("%+v", p)
		}
		r.Forget("pi")
		if _, ok := r.Presence("pi"); ok {
			t.Error("still known")
		}
	})
}
