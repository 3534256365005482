package room_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/room"
	"github.com/telltale-iot/telltale/schema"
)

const t0 = int64(1_790_000_000_000)

// reading makes a batch of one channel, with the numbers from first to first+n-1 one ms apart from t0+first.
func reading(ch string, first, n int) schema.Batch {
	s := schema.Series{Ch: ch}
	for i := range n {
		s.DtMS = append(s.DtMS, int64(i))
		s.V = append(s.V, schema.Number(float64(first+i)))
	}
	return schema.Batch{Device: "pi", T0MS: t0 + int64(first), Series: []schema.Series{s}}
}

func fleet(t *testing.T, o room.Options) *room.Rooms {
	t.Helper()
	rs := room.New(o)
	rs.PublishDevice(schema.Device{ID: "pi", Name: "Pi", Descriptor: &schema.Descriptor{Name: "Pi"}})
	return rs
}

// page is a dashboard as the room sees it, and keeps what it got.
type page struct {
	t     *testing.T
	sub   *room.Subscriber
	buf   []byte
	wakes atomic.Int32

	epoch     string
	ver       uint64
	got       []float64 // values of the series in order, from the last snapshot on
	snapshots int
	cut       bool
	commands  []schema.Command
	filled    []schema.Span
	devices   []schema.Device
	series    []schema.LiveSeries // of the last message
}

func newPage(t *testing.T, rs *room.Rooms) *page {
	p := &page{t: t}
	p.sub = rs.Subscribe(func() { p.wakes.Add(1) })
	return p
}

func (p *page) join(at schema.RoomPosition) {
	p.t.Helper()
	if err := p.sub.Join(at); err != nil {
		p.t.Fatal(err)
	}
}

// pull takes everything there is and returns how many messages that was.
func (p *page) pull() (messages int) {
	p.t.Helper()
	for {
		var msg []byte
		msg, p.buf = p.sub.Next(p.buf)
		if msg == nil {
			return messages
		}
		messages++
		frames, err := schema.Decode(schema.LiveDown, msg)
		if err != nil {
			p.t.Fatalf("%v in %s", err, msg)
		}
		for _, f := range frames {
			p.take(f)
		}
	}
}

func (p *page) take(f schema.Frame) {
	switch f := f.(type) {
	case *schema.Snapshot:
		p.snapshots++
		p.epoch, p.ver, p.got, p.series = f.Epoch, f.Ver, nil, f.Series
		p.devices, p.commands = f.Devices, f.Commands
		p.values(f.Series)
	case *schema.Delta:
		if f.Ver < p.ver {
			p.t.Errorf("version went back from %d to %d", p.ver, f.Ver)
		}
		p.ver, p.series = f.Ver, f.Series
		p.commands = append(p.commands, f.Commands...)
		p.filled = append(p.filled, f.Filled...)
		p.devices = f.Devices
		p.values(f.Series)
	}
}

func (p *page) values(all []schema.LiveSeries) {
	for _, s := range all {
		p.cut = p.cut || s.Cut
		for _, v := range s.V {
			f, _ := v.Float()
			p.got = append(p.got, f)
		}
	}
}

// contiguous fails unless got counts up by one to last.
func (p *page) contiguous(last float64) {
	p.t.Helper()
	for i := 1; i < len(p.got); i++ {
		if p.got[i] != p.got[i-1]+1 {
			p.t.Fatalf("after %v came %v (place %d of %d)", p.got[i-1], p.got[i], i, len(p.got))
		}
	}
	if len(p.got) == 0 || p.got[len(p.got)-1] != last {
		p.t.Fatalf("%d values, the last is not %v: %v", len(p.got), last, p.got)
	}
}

var here = schema.RoomPosition{Room: "device/pi"}

func TestASnapshotIsFollowedByWhatCameAfterIt(t *testing.T) {
	rs := fleet(t, room.Options{})
	go rs.Run(t.Context())
	rs.Publish(reading("a.state", 0, 5))
	p := newPage(t, rs)
	p.join(here)
	p.pull()
	if p.snapshots != 1 || p.devices[0].Name != "Pi" || p.devices[0].Descriptor == nil {
		t.Fatalf("%d snapshots, %+v", p.snapshots, p.devices)
	}
	p.contiguous(4)
	reach(t, rs, func() { rs.Publish(reading("a.state", 5, 3)) }, p)
	p.contiguous(7)
	if p.snapshots != 1 {
		t.Error("a delta was wanted, not another snapshot")
	}
}

// Readings that the store has not committed are in no history: whoever joins must get all of them from the room.
func TestASnapshotHasWhatTheStoreHasNotYet(t *testing.T) {
	for _, window := range []time.Duration{time.Second, 5 * time.Second} {
		t.Run(window.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rs := fleet(t, room.Options{CommitEvery: window})
				const n = 60
				for i := range n {
					time.Sleep(time.Second)
					rs.Publish(reading("a.state", i, 1))
				}
				p := newPage(t, rs)
				p.join(here)
				p.pull()
				if want := int(window/time.Second) + 1; len(p.got) < want || len(p.got) > want+3 {
					t.Errorf("%d readings of one a second, a commit in %s", len(p.got), window)
				}
				if len(p.got) == 0 || p.got[len(p.got)-1] != n-1 {
					t.Errorf("got %v", p.got)
				}
			})
		})
	}
}

// reach runs change and waits until it has reached p.
func reach(t *testing.T, rs *room.Rooms, change func(), p *page) {
	t.Helper()
	woken := make(chan struct{}, 8)
	other := rs.Subscribe(func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})
	defer other.Close()
	if err := other.Join(here); err != nil {
		t.Fatal(err)
	}
	for msg := []byte{0}; msg != nil; {
		msg, _ = other.Next(nil)
	}
	for len(woken) > 0 {
		<-woken
	}
	change()
	select {
	case <-woken:
	case <-t.Context().Done():
	}
	p.pull()
}

// TestJoinNeverLosesNorDoubles publishes a counter while pages join, lag, leave and resume at random; each must have every number once.
func TestJoinNeverLosesNorDoubles(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rs := fleet(t, room.Options{})
	ctx, stop := context.WithCancel(t.Context())
	var all, publisher sync.WaitGroup
	all.Go(func() { _ = rs.Run(ctx) })
	const total = 3000
	var published atomic.Int64
	publisher.Go(func() {
		rng := rand.New(rand.NewPCG(seed, 0))
		for next := 0; next < total; {
			n := min(1+rng.IntN(5), total-next)
			rs.Publish(reading("a.state", next, n))
			next += n
			published.Store(int64(next))
			if rng.IntN(8) == 0 {
				runtime.Gosched()
			}
		}
	})
	var readers sync.WaitGroup
	pages := make([]*page, 16)
	for i := range pages {
		pages[i] = newPage(t, rs)
		readers.Go(func() {
			p, rng := pages[i], rand.New(rand.NewPCG(seed, uint64(i+1)))
			p.join(here)
			for published.Load() < total {
				switch rng.IntN(20) {
				case 0: // a lost connection: another subscriber goes on from the position
					p.sub.Close()
					p.sub = rs.Subscribe(func() {})
					p.join(schema.RoomPosition{Room: here.Room, Epoch: p.epoch, Ver: p.ver})
				case 1:
					p.sub.Leave(here.Room)
					p.join(schema.RoomPosition{Room: here.Room, Epoch: p.epoch, Ver: p.ver})
				default:
					p.pull()
				}
				runtime.Gosched()
			}
		})
	}
	publisher.Wait()
	readers.Wait()
	rs.Publish(reading("a.state", total, 1))
	for _, p := range pages { // a fresh position takes whatever the tick still holds back
		p.sub.Close()
		p.sub = rs.Subscribe(func() {})
		p.join(schema.RoomPosition{Room: here.Room, Epoch: p.epoch, Ver: p.ver})
		p.pull()
		p.contiguous(total)
	}
	stop()
	all.Wait()
}

func TestAThousandSubscribersShareOneEncoding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var encodings atomic.Int32
		rs := fleet(t, room.Options{OnEncoded: func(int) { encodings.Add(1) }})
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go rs.Run(ctx)
		one := newPage(t, rs)
		one.join(here)
		others := make([]*room.Subscriber, 999)
		for i := range others {
			others[i] = rs.Subscribe(func() {})
			if err := others[i].Join(here); err != nil {
				t.Fatal(err)
			}
		}
		pull := func() {
			one.pull()
			for _, s := range others {
				for msg := []byte{0}; msg != nil; {
					msg, _ = s.Next(nil)
				}
			}
		}
		pull()
		if n := encodings.Load(); n != 1 {
			t.Errorf("%d encodings of the snapshot", n)
		}
		encodings.Store(0)
		for i := range 50 {
			rs.Publish(reading("a.state", i*10, 10))
			time.Sleep(20 * time.Millisecond) // a fake second in all
			pull()
		}
		time.Sleep(room.Tick)
		pull()
		one.contiguous(499)
		if n := encodings.Load(); n > 14 {
			t.Errorf("%d encodings for 1000 subscribers in a second of 10 ticks", n)
		}
	})
}

func TestAQuietRoomIsServedAtOnceAndABusyOneTenTimesASecond(t *testing.T) {
	for _, c := range []struct {
		name       string
		every      time.Duration
		hidden     bool
		least      int
		most       int
		delayAtOut time.Duration // the longest a reading may wait; 0 = not checked
	}{
		{"one a second arrives at once", time.Second, false, 10, 10, time.Nanosecond},
		{"ten a second arrive at once", 100 * time.Millisecond, false, 99, 101, time.Nanosecond},
		{"a hundred a second are merged", 10 * time.Millisecond, false, 95, 104, 100 * time.Millisecond},
		{"a hidden page gets one a second", 100 * time.Millisecond, true, 9, 12, 1100 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rs := fleet(t, room.Options{})
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				go rs.Run(ctx)
				var mu sync.Mutex
				var p *page
				messages, waiting := 0, time.Time{}
				wake := make(chan struct{}, 1)
				p = &page{t: t}
				p.sub = rs.Subscribe(func() {
					select {
					case wake <- struct{}{}:
					default:
					}
				})
				go func() {
					for {
						select {
						case <-ctx.Done():
							return
						case <-wake:
						}
						mu.Lock()
						messages += p.pull()
						if c.delayAtOut > 0 && !waiting.IsZero() && time.Since(waiting) > c.delayAtOut {
							t.Errorf("a reading waited %s", time.Since(waiting))
						}
						waiting = time.Time{}
						mu.Unlock()
					}
				}()
				p.join(here)
				p.sub.SetHidden(c.hidden)
				time.Sleep(5 * time.Second)
				mu.Lock()
				messages = 0
				mu.Unlock()
				n := 0
				for end := time.Now().Add(10 * time.Second); time.Now().Before(end); n++ {
					mu.Lock()
					if waiting.IsZero() {
						waiting = time.Now()
					}
					mu.Unlock()
					rs.Publish(reading("a.state", n, 1))
					time.Sleep(c.every)
				}
				time.Sleep(2 * time.Second)
				mu.Lock()
				defer mu.Unlock()
				if messages < c.least || messages > c.most {
					t.Errorf("%d messages for %d readings in 10 s, want %d to %d", messages, n, c.least, c.most)
				}
				p.contiguous(float64(n - 1))
			})
		})
	}
}

// TestAJoltDelaysASteadySourceOnlyOnce has a 10 Hz source whose rhythm is shifted once: the reading after the shift may wait for the tick, but
// the source must not go on waiting for every tick from then on.
func TestAJoltDelaysASteadySourceOnlyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs := fleet(t, room.Options{})
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go rs.Run(ctx)
		p := &page{t: t}
		woken := make(chan struct{}, 1)
		p.sub = rs.Subscribe(func() {
			select {
			case woken <- struct{}{}:
			default:
			}
		})
		p.join(here)
		<-woken
		p.pull()
		late := 0
		for n := range 60 {
			rs.Publish(reading("a.state", n, 1))
			synctest.Wait()
			select {
			case <-woken:
				p.pull()
			default:
				late++
			}
			if n == 20 {
				time.Sleep(30 * time.Millisecond)
			} else {
				time.Sleep(100 * time.Millisecond)
			}
			select {
			case <-woken:
				p.pull()
			default:
			}
		}
		if late > 4 {
			t.Errorf("%d of 40 readings after the jolt waited for a tick", late)
		}
	})
}

// TestPublishNeverWaits has a subscriber that never pulls: publishing goes on, and memory stays.
func TestPublishNeverWaits(t *testing.T) {
	rs := fleet(t, room.Options{})
	go rs.Run(t.Context())
	stuck := newPage(t, rs)
	stuck.join(here)
	fill := func(from, n int) {
		for i := range n {
			rs.Publish(reading("a.state", from+i*10, 10))
			rs.PublishCommand("pi", schema.Command{ID: fmt.Sprintf("%032d", i%500), Entity: "lamp", Channel: "state", State: schema.StateDone})
			rs.PublishFilled("pi", []schema.Span{{FromMS: int64(i) * 1e6, ToMS: int64(i)*1e6 + 1}})
		}
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	fill(0, 2000)
	before := heap()
	fill(20_000, 20_000)
	if after := heap(); after > before+4<<20 {
		t.Errorf("heap grew from %d to %d bytes for a subscriber that takes nothing", before, after)
	}
	stuck.pull()
	if stuck.snapshots != 1 {
		t.Errorf("%d snapshots after coming back", stuck.snapshots)
	}
	stuck.contiguous(20_000 + 200_000 - 1)
}
