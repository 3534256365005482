// Package uplink is the agent's end of the link to the hub: one WebSocket at a time, tried for ever.
//
// It guarantees: nothing leaves the device before the hub has named itself as the one the device was paired with; live frames go before
// backfill, and backfill takes at most a quarter of the window; what the hub acked is forgotten only in the outbox, and nowhere else is
// anything kept; a dead link is noticed within ping interval + schema.AgentPongWithin. Attempts are spread with full jitter; a hub
// that says trying cannot help is asked every five minutes. It refuses to queue: reports that find no link are dropped, because the hub asks
// again for every command without a final state.
//
// This is the only package of the agent that knows the WebSocket library. Start reading at [Link.Run].
package uplink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/internal/outbox"
	"github.com/telltale-iot/telltale/schema"
)

const (
	// maxReports bounds command reports waiting for the writer: every pending command may report three states at once.
	maxReports = 3 * schema.MaxPending
	// offlineBatch is how long readings are collected while there is no link: fewer, larger frames.
	offlineBatch = 5 * time.Second
)

// Options of a Link.
type Options struct {
	Hub        string            // http, https, ws or wss address of the hub
	Device     string            // id the device would like
	Code       string            // pairing code; "" = none: fetched from a hub on this machine
	Identity   *Identity         // key and pairing
	Descriptor schema.Descriptor // what the device is
	Software   string            // name and version of the program
	Box        *outbox.Box       // what is to be sent
	Clock      device.Clock      // time
	PingEvery  time.Duration     // 0 = schema.AgentPing
	Log        *slog.Logger

	// Dial opens connections; nil = the network.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Handle gets every command and cancel, on the reader's goroutine: it must not wait.
	Handle func(schema.Frame)
	// Paced hears that Batch has changed; it must not wait.
	Paced func()
	// Acked hears of every ack; may be nil.
	Acked func(epoch string, ranges []schema.Range)
}

// Link is the connection to the hub, now or soon.
type Link struct {
	o       Options
	url     *url.URL
	wake    chan struct{}
	reports chan schema.Frame
	emptied chan struct{}

	generation string // of the store that gave the last welcome; of Run's goroutine

	contact   atomic.Int64 // mono, when the hub was last heard
	batch     atomic.Int64 // ns
	connected atomic.Bool
	rtt       atomic.Int64 // ns
}

// New returns a Link. Errors: an address that is none.
func New(o Options) (*Link, error) {
	u, err := url.Parse(o.Hub)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("hub address %q: want http://host:port", o.Hub)
	}
	u.Scheme = map[string]string{"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}[u.Scheme]
	if u.Scheme == "" {
		return nil, fmt.Errorf("hub address %q: want http or https", o.Hub)
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + "/api/v1/agent"
	if o.PingEvery == 0 {
		o.PingEvery = schema.AgentPing
	}
	if o.Dial == nil {
		o.Dial = dial
	}
	if o.Paced == nil {
		o.Paced = func() {}
	}
	l := &Link{o: o, url: u, wake: make(chan struct{}, 1), emptied: make(chan struct{}, 1), reports: make(chan schema.Frame, maxReports)}
	l.batch.Store(int64(time.Second))
	l.contact.Store(int64(o.Clock.Mono()))
	return l, nil
}

// Wake says that the outbox has something new. It never blocks.
func (l *Link) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Report sends a frame that is not kept, if there is a link. It never blocks; false = dropped.
func (l *Link) Report(f schema.Frame) bool {
	if !l.connected.Load() {
		return false
	}
	select {
	case l.reports <- f:
		l.Wake()
		return true
	default:
		return false
	}
}

// Connected reports whether the hub has accepted the device and the link still looks alive.
func (l *Link) Connected() bool { return l.connected.Load() }

// LastContact is the monotonic time at which the hub was last heard; at first the time of New.
func (l *Link) LastContact() time.Duration { return time.Duration(l.contact.Load()) }

// Batch is how long readings are to be collected before they are sent.
func (l *Link) Batch() time.Duration {
	if !l.connected.Load() {
		return offlineBatch
	}
	return time.Duration(l.batch.Load())
}

// Drain waits until the hub has acked everything or ctx ends.
func (l *Link) Drain(ctx context.Context) {
	for l.connected.Load() && l.o.Box.Stat().Backlog > 0 {
		l.Wake()
		select {
		case <-l.emptied:
		case <-ctx.Done():
			return
		}
	}
}

// Run keeps the link up until ctx ends, then says bye and returns nil.
func (l *Link) Run(ctx context.Context) error {
	if l.url.Scheme == "ws" && !loopback(l.url.Hostname()) {
		l.o.Log.Warn("the way to the hub is not encrypted: anybody on it can read what is measured and send commands; use https:// behind a proxy that speaks TLS", "hub", l.o.Hub)
	}
	failures := 0
	told := ""
	for ctx.Err() == nil {
		started := l.o.Clock.Mono()
		err := l.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if l.o.Clock.Mono()-started >= stableAfter {
			failures = 0
		}
		wait := l.waitAfter(err, failures)
		failures++
		if text := err.Error(); text != told { // the same trouble is told once, not every minute
			l.o.Log.Warn("no link to the hub", "hub", l.o.Hub, "err", err, "retry", wait.Round(100*time.Millisecond))
			told = text
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
	return nil
}

// waitAfter returns how long to wait after an attempt that ended with err.
func (l *Link) waitAfter(err error, failures int) time.Duration {
	var left *byeError
	if errors.As(err, &left) {
		return time.Duration(jitter(int64(left.spread)))
	}
	var hopeless *hopelessError
	if errors.As(err, &hopeless) {
		return slowRetry - time.Duration(jitter(int64(slowRetry/10)))
	}
	return backoff(failures, jitter)
}

// hopelessError is an error that trying again at once cannot help.
type hopelessError struct{ err error }

func (e *hopelessError) Error() string { return e.err.Error() }
func (e *hopelessError) Unwrap() error { return e.err }

// byeError says that the hub went away on purpose.
type byeError struct {
	reason string
	spread time.Duration
}

func (e *byeError) Error() string { return "the hub said goodbye: " + e.reason }

// once is one connection from dialling to its end; it always returns an error that says how it ended.
func (l *Link) once(ctx context.Context) error {
	l.o.Box.Return(nil, false)
	s, err := l.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.greet(ctx); err != nil {
		return err
	}
	l.connected.Store(true)
	l.o.Paced()
	defer l.o.Paced()
	defer l.connected.Store(false)
	l.o.Log.Info("connected to the hub", "hub", l.o.Hub, "backlog", l.o.Box.Stat().Backlog)
	return s.run(ctx)
}
