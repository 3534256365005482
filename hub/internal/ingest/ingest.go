// Package ingest takes the numbered frames of devices between socket and store: it checks them, finds their place in time, shows
// them to the rooms at once, queues them for a durable commit and acks what was committed.
//
// It guarantees: rooms see a frame before its commit, an ack comes only after it; a value that is older than the one shown never
// replaces it; no reading is refused for its clock, and a time that was not believed is marked (see the schema's package comment);
// what a device says it no longer has and the hub never got becomes a gap. It refuses, in words and with the frame's seq, channels the
// device never described, values of another type and qualities nobody knows. A connection whose frames cannot be stored is asked to
// close, so that the device comes back and sends them again.
//
// Start reading at [Ingest.Open], then [Session.Readings].
package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// Appender queues frames for a durable commit. done is called once, after the commit or when it failed. An error with
// Temporary() true means: the queue is full, try again a little later; one with Refused() true to done: this frame can never be stored.
type Appender interface {
	Append(b schema.Batch, done func(error)) error
	AppendGap(device, epoch string, g schema.Gap, done func(error)) error
	AppendEvent(at schema.Batch, e schema.Event, done func(error)) error
}

// Book answers what is already stored of a device.
type Book interface {
	Received(ctx context.Context, device, epoch string) ([]schema.Range, error)
	Latest(ctx context.Context, device string) (t0MS int64, series []schema.LiveSeries, err error)
}

// Clocks keeps the offsets of boots' monotonic clocks.
type Clocks interface {
	Boot(ctx context.Context, device, boot string) (offsetMS int64, tq schema.TimeQuality, err error)
	SaveBoot(ctx context.Context, device, boot string, offsetMS int64, tq schema.TimeQuality) error
	LastBefore(ctx context.Context, device string, ms int64) (int64, error)
}

// Store is what ingest needs of the store.
type Store interface {
	Appender
	Book
	Clocks
}

// Publisher shows frames to whoever watches. Its methods must not block.
type Publisher interface {
	Publish(b schema.Batch)
	PublishFilled(device string, spans []schema.Span)
	PublishGap(device string, g schema.GapRecord)
}

// Options of the ingest.
type Options struct {
	// Store keeps the frames.
	Store Store
	// Rooms show them at once.
	Rooms Publisher
	// Log receives what a person should know; nil = nothing is logged.
	Log *slog.Logger
	// Now is the hub's clock; nil = time.Now.
	Now func() time.Time
}

// Link is the way back to a device's connection. Its functions must not block for long and must not call [Session.Close]; none of
// them runs after Close has returned.
type Link struct {
	// Ack sends the ranges that were just committed.
	Ack func(epoch string, ranges []schema.Range)
	// Fail is called at most once, when frames could not be stored: the connection should be closed with the problem, so that the
	// device comes back and sends again what was not acked.
	Fail func(p *schema.Problem)
}

// Stats counts since the start.
type Stats struct {
	Frames   uint64 // frames taken: readings, gaps, events
	Readings uint64 // readings in them
	Repeats  uint64 // frames that were stored already and only acked again
	Refused  uint64 // frames refused with a problem
	Failed   uint64 // frames that could not be committed
	Skewed   uint64 // frames whose device's clock was not believed
}

type counts struct{ frames, readings, repeats, refused, failed, skewed atomic.Uint64 }

// Ingest is the path from sockets to rooms and store, for all devices. Its methods are safe for concurrent use.
type Ingest struct {
	store Store
	rooms Publisher
	log   *slog.Logger
	now   func() time.Time
	count counts
	line  line // of the frames that wait for room in the store's queue

	mu    sync.Mutex
	heads map[string]*head // by device; one per device that connected since the start
}

// head is what is shown of a device, over all its connections.
type head struct {
	mu        sync.Mutex
	newest    map[string]mark // by channel
	described map[string]bool // channels of its descriptors since the start
}

// mark is the place of the newest reading of a channel.
type mark struct {
	tMS int64
	seq uint64
}

// New makes an ingest.
func New(o Options) *Ingest {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Ingest{store: o.Store, rooms: o.Rooms, log: o.Log, now: o.Now, heads: map[string]*head{}}
}

// Stats returns the counts.
func (in *Ingest) Stats() Stats {
	c := &in.count
	return Stats{Frames: c.frames.Load(), Readings: c.readings.Load(), Repeats: c.repeats.Load(), Refused: c.refused.Load(),
		Failed: c.failed.Load(), Skewed: c.skewed.Load()}
}

// Forget drops what is remembered of a device that was removed.
func (in *Ingest) Forget(device string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.heads, device)
}

// Open begins a connection of a device: it measures the boot's clock and returns what is stored of the epoch, for the welcome.
//
// Numbers below h.First that are neither stored nor gaps can never come any more: they become a gap of reason damaged. Errors are
// internal: the store could not be asked. ctx is the connection's: when it ends, a frame that waits for the store is given up, so that
// closing never waits (TestAnEndedConnectionDoesNotWaitForAFullQueue). Close the session then; two sessions of one device may overlap.
func (in *Ingest) Open(ctx context.Context, h *schema.Hello, l Link) (*Session, []schema.Range, error) {
	head, err := in.head(ctx, h.Device)
	if err != nil {
		return nil, nil, fmt.Errorf("open device=%s: %w", h.Device, err)
	}
	have, err := in.store.Received(ctx, h.Device, h.Epoch)
	if err != nil {
		return nil, nil, fmt.Errorf("open device=%s: %w", h.Device, err)
	}
	s := &Session{in: in, link: l, head: head, device: h.Device, epoch: h.Epoch, top: h.Last}
	if err := s.startClock(ctx, h); err != nil {
		return nil, nil, fmt.Errorf("open device=%s: %w", h.Device, err)
	}
	s.have = append(s.have, have...)
	s.conn, s.end = context.WithCancel(ctx)
	s.lost(h)
	return s, have, nil
}

// head returns what is shown of a device, from the store at its first connection.
func (in *Ingest) head(ctx context.Context, device string) (*head, error) {
	in.mu.Lock()
	h := in.heads[device]
	in.mu.Unlock()
	if h != nil {
		return h, nil
	}
	t0, series, err := in.store.Latest(ctx, device)
	if err != nil {
		return nil, err
	}
	h = &head{newest: make(map[string]mark, len(series)), described: map[string]bool{}}
	for i := range series {
		h.newest[series[i].Ch] = mark{tMS: t0 + series[i].DtMS[0]}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if first := in.heads[device]; first != nil { // two connections at once
		return first, nil
	}
	in.heads[device] = h
	return h, nil
}

// lost turns what the device no longer has and the hub never got into gaps.
func (s *Session) lost(h *schema.Hello) {
	end := h.Last
	if h.First > 0 {
		end = h.First - 1
	}
	if end == 0 || end > maxSeq {
		return
	}
	now := s.in.now().UnixMilli()
	from := s.head.last()
	if from == 0 || from > now {
		from = now
	}
	for _, r := range s.have.Without(1, end) {
		s.in.log.Warn("frames are lost, the device no longer has them", "device", s.device, "first", r[0], "last", r[1])
		g := schema.Gap{First: r[0], Last: r[1], FromMS: from, ToMS: now, Reason: schema.GapDamaged}
		err := s.in.store.AppendGap(s.device, s.epoch, g, func(err error) {
			if err == nil {
				s.in.rooms.PublishGap(s.device, s.record(&g))
			}
		})
		if err != nil { // the next hello says it again
			s.in.log.Warn("gap is not stored", "device", s.device, "err", err)
			return
		}
	}
}

// record is how a gap of this epoch is shown.
func (s *Session) record(g *schema.Gap) schema.GapRecord {
	return schema.GapRecord{Epoch: s.epoch, First: g.First, Last: g.Last, FromMS: g.FromMS, ToMS: g.ToMS, Reason: g.Reason}
}

// last returns the time of the newest reading over all channels, Unix ms; 0 = none.
func (h *head) last() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	var t int64
	for _, m := range h.newest {
		t = max(t, m.tMS)
	}
	return t
}

// split sorts the series of a batch: those whose newest reading is newer than what is shown become the shown ones, the others only
// belong into history.
func (h *head) split(b *schema.Batch) (fresh []schema.Series, old []schema.Span) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range b.Series {
		s := &b.Series[i]
		last := b.T0MS + s.OffsetMS(len(s.V)-1)
		m, known := h.newest[s.Ch]
		if known && (last < m.tMS || last == m.tMS && b.Seq <= m.seq) {
			old = append(old, schema.Span{FromMS: b.T0MS + s.OffsetMS(0), ToMS: last})
			continue
		}
		h.newest[s.Ch] = mark{last, b.Seq}
		fresh = append(fresh, *s)
	}
	return fresh, old
}
