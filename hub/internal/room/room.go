package room

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// fromStart stands for "send a snapshot" where a version is expected.
const fromStart = ^uint64(0)

// maxTombs bounds the forgotten devices that the fleet remembers to tell about.
const maxTombs = 256

// room is the live state of one device, or of the fleet.
type room struct {
	name   string
	epoch  string
	device string // "" for the fleet
	owner  *Rooms

	head atomic.Uint64 // how far subscribers may be sent; written under mu

	mu       sync.Mutex
	ver      uint64 // counts changes
	floor    uint64 // who is further behind needs a snapshot
	t0MS     int64  // of the newest batch: what offsets count from
	devices  map[string]*deviceState
	tombs    int
	channels map[string]*channel
	order    []*channel
	commands commands
	gaps     ring[schema.GapRecord]
	filled   ring[schema.Span]
	subs     map[*Subscriber]struct{}
	frames   map[uint64]*shared // by since, for the current head
	gate     gate
	waits    waiting
	urgent   bool // waits with an urgent change
	closed   bool
}

// waiting says for what a room with changes waits.
type waiting uint8

const (
	forNothing waiting = iota
	forTick
	forFlusher
)

type deviceState struct {
	ver       uint64
	described uint64 // version at which the descriptor changed; a delta leaves an unchanged one out
	device    schema.Device
}

// shared is one frame on its way to all who need it: encoded once, by whoever comes first.
type shared struct {
	once  sync.Once
	size  int // about, in bytes
	frame schema.Frame
	bytes []byte
}

// change runs fn with the next version under the lock and sees to it that subscribers hear of it.
func (r *room) change(now time.Time, urgent bool, fn func(ver uint64)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.ver++
	fn(r.ver)
	if len(r.subs) == 0 {
		return // who joins takes everything there is
	}
	r.urgent = r.urgent || urgent
	switch {
	case r.waits == forFlusher:
	case urgent || r.waits == forNothing && r.gate.allow(now, Tick):
		r.waits = forFlusher
		r.owner.flush.soon(r)
	case r.waits == forNothing:
		r.waits = forTick
		r.owner.flush.atTick(r)
	}
}

// publish adds a batch's readings.
func (r *room) publish(b *schema.Batch, now time.Time) {
	r.change(now, false, func(ver uint64) {
		r.t0MS = b.T0MS
		for i := range b.Series {
			s := &b.Series[i]
			if len(s.V) == 0 {
				continue
			}
			c := r.channels[s.Ch]
			if c == nil {
				c = &channel{id: s.Ch, window: r.owner.window}
				r.channels[s.Ch] = c
				r.order = append(r.order, c)
			}
			if span, some := c.add(piece{ver: ver, at: now, t0MS: b.T0MS, series: *s, quality: b.Time}); some {
				r.fill(ver, span)
			}
		}
	})
}

// fill notes that history changed in a span. Spans that nobody was told of yet are joined: a backlog comes in many small pieces.
func (r *room) fill(ver uint64, s schema.Span) {
	const near = 60_000 // ms
	if n := len(r.filled.items); n > 0 {
		last := &r.filled.items[n-1]
		if last.ver > r.head.Load() && s.FromMS <= last.what.ToMS+near && s.ToMS >= last.what.FromMS-near {
			last.ver = ver
			last.what = schema.Span{FromMS: min(last.what.FromMS, s.FromMS), ToMS: max(last.what.ToMS, s.ToMS)}
			return
		}
	}
	r.floor = max(r.floor, r.filled.add(ver, s))
}

// put sets what the room knows of a device.
func (r *room) put(d schema.Device, now time.Time) {
	r.change(now, true, func(ver uint64) {
		state := &deviceState{ver: ver, described: ver, device: d}
		if old := r.devices[d.ID]; old != nil {
			if old.device.Removed {
				r.tombs--
			}
			if sameDescriptor(old.device.Descriptor, d.Descriptor) {
				state.described = old.described
			}
		}
		r.devices[d.ID] = state
		if d.Removed {
			r.tombs++
			r.bury()
		}
	})
}

// bury lets the oldest tombstone go when there are too many.
func (r *room) bury() {
	if r.tombs <= maxTombs {
		return
	}
	oldest := ""
	for id, d := range r.devices {
		if d.device.Removed && (oldest == "" || d.ver < r.devices[oldest].ver) {
			oldest = id
		}
	}
	r.floor = max(r.floor, r.devices[oldest].ver)
	r.tombs--
	delete(r.devices, oldest)
}

// presence changes a known device's presence; unknown devices are left alone. Unless all is set, only what people act on is news.
func (r *room) presence(device string, p schema.Presence, now time.Time, all bool) {
	r.mu.Lock()
	d := r.devices[device]
	if d == nil || d.device.Removed || d.device.Presence == p {
		r.mu.Unlock()
		return
	}
	was := d.device.Presence
	if !all && gist(was) == gist(p) {
		d.device.Presence = p // a snapshot shows it, a delta is not worth it
		r.mu.Unlock()
		return
	}
	r.mu.Unlock()
	r.change(now, was.State != p.State, func(ver uint64) {
		if d := r.devices[device]; d != nil {
			d.ver, d.device.Presence = ver, p
		}
	})
}

// gist leaves out of a presence what changes every few seconds.
func gist(p schema.Presence) schema.Presence {
	p.LastSeenMS, p.RTTMS, p.ClockOffsetMS, p.CompleteToMS = 0, 0, 0, 0
	p.Backlog = min(p.Backlog, 1)
	return p
}

// frame returns the frame that takes a subscriber from since to the returned version. fromStart, or a since that is too old, gives a
// snapshot.
func (r *room) frame(since uint64) (*shared, uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if since != fromStart && since < r.floor {
		since = fromStart
	}
	if since == fromStart && r.head.Load() != r.ver {
		r.advance() // a snapshot shows the registers, which are at ver
	}
	head := r.head.Load()
	if f := r.frames[since]; f != nil {
		return f, head
	}
	f := &shared{}
	if since == fromStart {
		s := r.snapshot(head)
		f.frame, f.size = s, guess(s.Devices, s.Series)
	} else {
		d := r.delta(since, head)
		f.frame, f.size = d, guess(d.Devices, d.Series)
	}
	r.frames[since] = f
	return f, head
}

// advance lets subscribers have everything there is.
func (r *room) advance() {
	if r.head.Load() != r.ver {
		r.head.Store(r.ver)
		clear(r.frames)
	}
}

func (r *room) snapshot(head uint64) *schema.Snapshot {
	s := &schema.Snapshot{Room: r.name, Epoch: r.epoch, Ver: head, T0MS: r.t0MS, Devices: []schema.Device{}, Commands: r.commands.now()}
	for _, d := range r.devices {
		if !d.device.Removed {
			s.Devices = append(s.Devices, d.device)
		}
	}
	sortDevices(s.Devices)
	for _, c := range r.order {
		s.Series = c.since(s.Series, 0, head, r.t0MS)
	}
	return s
}

func (r *room) delta(since, head uint64) *schema.Delta {
	d := &schema.Delta{Room: r.name, Ver: head, T0MS: r.t0MS,
		Commands: r.commands.since(since, head), Gaps: r.gaps.since(since, head), Filled: r.filled.since(since, head)}
	for _, state := range r.devices {
		if state.ver > since && state.ver <= head {
			d.Devices = append(d.Devices, state.device)
			if state.described <= since {
				d.Devices[len(d.Devices)-1].Descriptor = nil
			}
		}
	}
	sortDevices(d.Devices)
	for _, c := range r.order {
		d.Series = c.since(d.Series, since, head, r.t0MS)
	}
	return d
}

// guess is about how many bytes a frame will have; it bounds messages, so it need not be right.
func guess(devices []schema.Device, series []schema.LiveSeries) int {
	size := 256
	for i := range devices {
		size += 256
		if d := devices[i].Descriptor; d != nil {
			size += 256 * len(d.Entities)
		}
	}
	for i := range series {
		size += 32 + 12*len(series[i].V)
	}
	return size
}

// encoded returns the frame's bytes. Not under any lock.
func (f *shared) encoded(count func(bytes int)) []byte {
	f.once.Do(func() {
		b, err := schema.Append(nil, f.frame)
		if err != nil { // only a value that JSON cannot hold, which schema.Value rules out
			b = nil
		}
		f.bytes, f.frame = b, nil
		if count != nil {
			count(len(b))
		}
	})
	return f.bytes
}

func sameDescriptor(a, b *schema.Descriptor) bool {
	return a == b || a != nil && b != nil && a.Hash() == b.Hash()
}

func sortDevices(ds []schema.Device) {
	slices.SortFunc(ds, func(a, b schema.Device) int { return cmp.Compare(a.ID, b.ID) })
}

func sortCommands(cs []schema.Command) {
	slices.SortFunc(cs, func(a, b schema.Command) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.ID, b.ID)) })
}
