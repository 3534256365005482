package socket

import (
	"bytes"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// tapQueue is how many frames may wait for one watcher; what comes on top is counted and left out.
const tapQueue = 1024

// Direction of a tapped frame.
type Direction string

// The directions, seen from the hub.
const (
	in  Direction = "in"
	out Direction = "out"
)

// Tapped is one frame as `hub tail` shows it.
type Tapped struct {
	// AtMS is when it passed, Unix ms.
	AtMS int64 `json:"at_ms"`
	// Dir is "in" (to the hub) or "out".
	Dir Direction `json:"dir"`
	// Agent is true for a device's agent, false for a dashboard.
	Agent bool `json:"agent"`
	// Who is the device, or the page's program and address.
	Who string `json:"who"`
	// Kind of the frame; "[" for an array.
	Kind string `json:"kind"`
	// Bytes of the frame.
	Bytes int `json:"bytes"`
	// Frame as it was.
	Frame json.RawMessage `json:"frame,omitempty"`
	// Dropped is how many frames were left out before this one because the watcher was slow.
	Dropped uint64 `json:"dropped,omitempty"`
}

// Tap is one watcher's view of everything that passes. Close it.
type Tap struct {
	// C delivers frames; it is never closed.
	C       <-chan Tapped
	c       chan Tapped
	pages   bool
	device  string
	dropped atomic.Uint64
	taps    *taps
}

// Close ends the watching.
func (t *Tap) Close() {
	t.taps.mu.Lock()
	defer t.taps.mu.Unlock()
	if _, open := t.taps.all[t]; open {
		delete(t.taps.all, t)
		t.taps.watching.Add(-1)
	}
}

// taps is everybody who watches. While nobody does, a frame costs one atomic load.
type taps struct {
	watching atomic.Int32
	dropped  atomic.Uint64
	mu       sync.Mutex
	all      map[*Tap]struct{}
}

// Watch lets somebody see the frames of agents, of one device only if device is not empty, and those of dashboards if pages is set.
func (s *Server) Watch(device string, pages bool) *Tap {
	c := make(chan Tapped, tapQueue)
	t := &Tap{C: c, c: c, pages: pages, device: device, taps: &s.taps}
	s.taps.mu.Lock()
	defer s.taps.mu.Unlock()
	if s.taps.all == nil {
		s.taps.all = map[*Tap]struct{}{}
	}
	s.taps.all[t] = struct{}{}
	s.taps.watching.Add(1)
	return t
}

// watched reports whether anybody watches.
func (t *taps) watched() bool { return t.watching.Load() > 0 }

func (t *taps) frames(l *link, dir Direction, frames ...schema.Frame) {
	if !t.watched() {
		return
	}
	for _, f := range frames {
		if b, err := schema.Append(nil, f); err == nil {
			t.give(Tapped{AtMS: time.Now().UnixMilli(), Dir: dir, Agent: l.agent, Who: l.name(), Kind: f.Kind(), Bytes: len(b), Frame: b})
		}
	}
}

// message taps an encoded message for a page; the bytes are shared and copied.
func (t *taps) message(l *link, b []byte) {
	if !t.watched() {
		return
	}
	kind := "["
	if rest, ok := bytes.CutPrefix(b, []byte(`{"t":"`)); ok {
		if end := bytes.IndexByte(rest, '"'); end > 0 {
			kind = string(rest[:end])
		}
	}
	t.give(Tapped{AtMS: time.Now().UnixMilli(), Dir: out, Agent: l.agent, Who: l.name(), Kind: kind, Bytes: len(b), Frame: bytes.Clone(b)})
}

func (t *taps) give(f Tapped) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for tap := range t.all {
		if !f.Agent && !tap.pages || tap.device != "" && tap.device != f.Who {
			continue
		}
		f.Dropped = tap.dropped.Load()
		select {
		case tap.c <- f:
			tap.dropped.Add(-f.Dropped)
		default:
			tap.dropped.Add(1)
			t.dropped.Add(1)
		}
	}
}
