package ingest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

const epochA = "00000000000000aa"

var errDisk = errors.New("disk is full")

// full is the error of a store whose queue is full.
type full struct{}

func (full) Error() string   { return "full" }
func (full) Temporary() bool { return true }

// refusal is the error of a store that will never take a frame.
type refusal struct{}

func (refusal) Error() string { return "refused" }
func (refusal) Refused() bool { return true }

// memory is a Store in memory: commits happen when the test says so. The real store is proven in its own package; parts of the hub do
// not import each other.
type memory struct {
	mu      sync.Mutex
	have    schema.Ranges
	batches []schema.Batch
	gaps    []schema.Gap
	events  []schema.Batch
	boots   map[string]offset
	latest  []schema.LiveSeries
	last    int64 // for LastBefore
	pending []func(error)
	full    bool
	most    int  // how many frames may wait; 0 = any number
	manual  bool // commits wait for commit()
}

func (m *memory) queue(first, last uint64, keep func(), done func(error)) error {
	m.mu.Lock()
	if m.full || m.most > 0 && len(m.pending) >= m.most {
		m.mu.Unlock()
		return full{}
	}
	m.pending = append(m.pending, func(err error) {
		if err == nil {
			m.mu.Lock()
			if len(m.have.Without(first, last)) > 0 {
				m.have.Add(first, last)
				keep()
			}
			m.mu.Unlock()
		}
		done(err)
	})
	manual := m.manual
	m.mu.Unlock()
	if !manual {
		m.commit(nil)
	}
	return nil
}

// commit ends all that waits.
func (m *memory) commit(err error) {
	m.mu.Lock()
	pending := m.pending
	m.pending = nil
	m.mu.Unlock()
	for _, done := range pending {
		done(err)
	}
}

func (m *memory) Append(b schema.Batch, done func(error)) error {
	return m.queue(b.Seq, b.Seq, func() { m.batches = append(m.batches, b) }, done)
}

func (m *memory) AppendGap(_, _ string, g schema.Gap, done func(error)) error {
	return m.queue(g.First, g.Last, func() { m.gaps = append(m.gaps, g) }, done)
}

func (m *memory) AppendEvent(at schema.Batch, _ schema.Event, done func(error)) error {
	return m.queue(at.Seq, at.Seq, func() { m.events = append(m.events, at) }, done)
}

func (m *memory) Received(context.Context, string, string) ([]schema.Range, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.have), nil
}

func (m *memory) Latest(context.Context, string) (int64, []schema.LiveSeries, error) {
	return 0, m.latest, nil
}

func (m *memory) Boot(_ context.Context, _, boot string) (int64, schema.TimeQuality, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.boots[boot].ms, m.boots[boot].tq, nil
}

func (m *memory) SaveBoot(_ context.Context, _, boot string, ms int64, tq schema.TimeQuality) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.boots[boot] = offset{ms, tq}
	return nil
}

func (m *memory) LastBefore(_ context.Context, _ string, ms int64) (int64, error) {
	if m.last < ms {
		return m.last, nil
	}
	return 0, nil
}

// screen is a Publisher that notes what is shown.
type screen struct {
	mu     sync.Mutex
	shown  []schema.Batch
	filled []schema.Span
	gaps   []schema.GapRecord
}

func (s *screen) Publish(b schema.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = append(s.shown, b)
}

func (s *screen) PublishFilled(_ string, spans []schema.Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filled = append(s.filled, spans...)
}

func (s *screen) PublishGap(_ string, g schema.GapRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gaps = append(s.gaps, g)
}

// bench is an ingest between memory and screen, in fake time.
type bench struct {
	t      *testing.T
	in     *Ingest
	store  *memory
	screen *screen

	mu    sync.Mutex
	acks  [][]schema.Range
	fails []*schema.Problem
}

// inBubble runs f in fake time, which begins in the year 2000.
func inBubble(t *testing.T, f func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, store: &memory{boots: map[string]offset{}}, screen: &screen{}}
		b.in = New(Options{Store: b.store, Rooms: b.screen, Now: hubNow})
		f(t, b)
	})
}

// hubNow is the hub's clock: 27 years ahead of the bubble's, so that it is after [schema.EarliestMS].
func hubNow() time.Time { return time.Now().AddDate(27, 0, 0) }

func nowMS() int64 { return hubNow().UnixMilli() }

func hello(change func(h *schema.Hello)) *schema.Hello {
	h := &schema.Hello{Device: "pi", Epoch: epochA, BootID: "boot-1", MonoMS: 100_000, WallMS: nowMS(), Synced: true}
	if change != nil {
		change(h)
	}
	return h
}

// connect opens a session of a device with a number t.state, a bool b.state and a waveform w.state.
func (b *bench) connect(change func(h *schema.Hello)) (*Session, []schema.Range) {
	b.t.Helper()
	s, have, err := b.in.Open(b.t.Context(), hello(change), Link{
		Ack: func(epoch string, r []schema.Range) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if epoch != epochA {
				b.t.Errorf("ack of epoch %s", epoch)
			}
			b.acks = append(b.acks, r)
		},
		Fail: func(p *schema.Problem) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.fails = append(b.fails, p)
		},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	var d schema.Descriptor
	for id, typ := range map[string]schema.ValueType{"t": schema.TypeNumber, "b": schema.TypeBool, "w": schema.TypeNumber} {
		d.Entities = append(d.Entities, schema.Entity{ID: id, Kind: schema.KindSensor, Channels: []schema.Channel{{Name: "state", Type: typ}}})
	}
	s.Descriptor(&d)
	return s, have
}

// takeAcks waits for the acks to come and returns them.
func (b *bench) takeAcks() [][]schema.Range {
	passInBubble(2 * ackDelay)
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.acks
	b.acks = nil
	return a
}

func passInBubble(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// reading is a frame with one reading of t.state, measured now by a synced clock.
func reading(seq uint64, v float64) *schema.Readings {
	return &schema.Readings{Seq: seq, T0MS: nowMS(), MonoMS: 100_000, Series: []schema.Series{{Ch: "t.state", V: schema.Values{schema.Number(v)}}}}
}

func (b *bench) take(s *Session, r *schema.Readings) {
	b.t.Helper()
	if p := s.Readings(r); p != nil {
		b.t.Fatal(p)
	}
}
