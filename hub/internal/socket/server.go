package socket

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/telltale-iot/telltale/schema"
)

// Devices is what the agents' endpoint asks of the rest of the hub.
type Devices interface {
	// Challenge is the first frame of a connection, with a fresh nonce.
	Challenge() schema.Challenge
	// Pair checks a newcomer's proof and gives it an id.
	Pair(ctx context.Context, nonce string, p *schema.Pair) (device string, err error)
	// Identify checks a hello's signature and numbers the connection.
	Identify(ctx context.Context, nonce string, h *schema.Hello) (session uint64, err error)
	// Open begins the session. The device's older session has been closed before. What it sends by a is written after the welcome.
	Open(ctx context.Context, h *schema.Hello, session uint64, a *Agent) (*schema.Welcome, Session, error)
}

// Session takes the frames of one identified agent, one at a time.
type Session interface {
	// Handle returns a problem when it refuses the frame. It may wait; the agent is not read meanwhile.
	Handle(ctx context.Context, f schema.Frame) *schema.Problem
	// Close ends the session; Handle is not called again.
	Close()
}

// Live is what the dashboards' endpoint asks of the rest of the hub.
type Live interface {
	// Welcome answers a hello.
	Welcome() schema.LiveWelcome
	// Subscribe makes a subscriber; wake may be called from anywhere and does not block.
	Subscribe(wake func()) Subscriber
	// Ask stores a wish and returns when it is stored.
	Ask(ctx context.Context, actor string, a schema.Ask) error
	// Cancel withdraws a command.
	Cancel(ctx context.Context, actor, id string) error
}

// Subscriber is a dashboard's place in its rooms.
type Subscriber interface {
	Join(at schema.RoomPosition) error
	Leave(room string)
	SetHidden(hidden bool)
	Feed
}

// Feed is where a dashboard's messages come from.
type Feed interface {
	// Next returns the next message, nil when there is none; it may use buf and returns it grown.
	Next(buf []byte) (message, grown []byte)
	// Close leaves all rooms.
	Close()
}

// Limits bound what strangers and friends can take. Zero fields get the defaults.
type Limits struct {
	// Unknown connections that have not proved who they are; default 512.
	Unknown int
	// Agents connected; default 10,000.
	Agents int
	// Pages connected; default 20,000.
	Pages int
}

func (l *Limits) fill() {
	if l.Unknown == 0 {
		l.Unknown = 512
	}
	if l.Agents == 0 {
		l.Agents = 10_000
	}
	if l.Pages == 0 {
		l.Pages = 20_000
	}
}

// Options of [New].
type Options struct {
	// Devices serves agents.
	Devices Devices
	// Live serves dashboards.
	Live Live
	// Origins that dashboards may come from beside the hub's own, "https://hub.example".
	Origins []string
	// Limits of connections.
	Limits Limits
	// Log receives what a person should know; nil = nothing is logged.
	Log *slog.Logger
}

// Server serves both endpoints. Make it with [New], let [Server.Run] run, end it with [Server.Drain].
type Server struct {
	o     Options
	log   *slog.Logger
	up    websocket.Upgrader
	pump  *pump
	taps  taps
	stats counters
	began time.Time // what the monotonic clock on the wire counts from

	mu       sync.Mutex
	links    map[*link]struct{}
	agents   map[string]*link // by device: the newest session
	unknown  int
	draining bool
	readers  sync.WaitGroup
}

// New returns a server that accepts connections as soon as its handlers are mounted.
func New(o Options) *Server {
	o.Limits.fill()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{o: o, log: o.Log, began: time.Now(), pump: newPump(), links: map[*link]struct{}{}, agents: map[string]*link{}}
	s.up = websocket.Upgrader{
		ReadBufferSize:  1 << 10,
		WriteBufferSize: 16 << 10, // from a pool and only while writing, so that most messages are one system call
		WriteBufferPool: &sync.Pool{},
		CheckOrigin:     func(*http.Request) bool { return true }, // checked before, see admit
	}
	return s
}

// Run looks after time limits and writes until ctx ends; then [Server.Drain] must have been called or all connections are cut.
// It returns when every goroutine of the server has ended.
func (s *Server) Run(ctx context.Context) error {
	s.pump.start()
	every := time.NewTicker(sweepEvery)
	defer every.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-every.C:
			s.sweep(time.Now())
		}
	}
	s.cutAll()
	s.readers.Wait()
	s.pump.stop()
	return ctx.Err()
}

// Drain says goodbye to everybody, asks them to come back spread over a time, and returns when all have gone or ctx ends; who has not
// gone by then is cut. New connections are refused from the start.
func (s *Server) Drain(ctx context.Context, spread time.Duration, reason string) {
	const inMS = 200
	s.mu.Lock()
	s.draining = true
	all := make([]*link, 0, len(s.links))
	for l := range s.links {
		all = append(all, l)
	}
	s.mu.Unlock()
	for _, l := range all {
		_ = l.send(&schema.Bye{InMS: inMS, SpreadMS: spread.Milliseconds(), Reason: reason})
	}
	if len(all) > 0 {
		wait(ctx, inMS*time.Millisecond)
	}
	for _, l := range all {
		l.retire()
		l.end(schema.CodeUnavailable.CloseCode(), reason)
	}
	for ctx.Err() == nil && s.Connected() > 0 {
		wait(ctx, 10*time.Millisecond)
	}
	s.cutAll()
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (s *Server) cutAll() {
	s.mu.Lock()
	s.draining = true
	all := make([]*link, 0, len(s.links))
	for l := range s.links {
		all = append(all, l)
	}
	s.mu.Unlock()
	for _, l := range all {
		l.cut()
	}
}

// monoMS is the hub's monotonic clock in ms, for frames.
func (s *Server) monoMS() int64 { return time.Since(s.began).Milliseconds() }

// Connected returns how many connections there are, known or not.
func (s *Server) Connected() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.links)
}

// Send queues a frame for a device's agent. Errors: [ErrGone] when it is not connected.
func (s *Server) Send(device string, f schema.Frame) error {
	s.mu.Lock()
	l := s.agents[device]
	s.mu.Unlock()
	if l == nil {
		return ErrGone
	}
	return l.send(f)
}

// Kick ends a device's connection with a problem; nothing happens when there is none.
func (s *Server) Kick(device string, p *schema.Problem) {
	s.mu.Lock()
	l := s.agents[device]
	s.mu.Unlock()
	if l != nil {
		l.retire()
		l.fail(p)
	}
}

// counters of everything that went through, read by [Server.Stats].
type counters struct {
	messagesIn, messagesOut, bytesIn, bytesOut atomic.Uint64
	problems, refused, stalls, merged          atomic.Uint64
}

// Stats are the server's numbers, for metrics.
type Stats struct {
	Agents, Pages, Unknown int    // connections now
	MessagesIn, BytesIn    uint64 // since the start
	MessagesOut, BytesOut  uint64
	Problems               uint64 // problems told to peers
	Refused                uint64 // connections refused before or at their first message
	Stalls                 uint64 // writes that had to wait for the receiver
	OutOfCredit            uint64 // times a page was skipped because it had not handled what it has
	TapDropped             uint64 // frames that a slow `hub tail` missed
}

// Stats returns the numbers now.
func (s *Server) Stats() Stats {
	c := &s.stats
	st := Stats{MessagesIn: c.messagesIn.Load(), BytesIn: c.bytesIn.Load(), MessagesOut: c.messagesOut.Load(), BytesOut: c.bytesOut.Load(),
		Problems: c.problems.Load(), Refused: c.refused.Load(), Stalls: c.stalls.Load(), OutOfCredit: c.merged.Load(),
		TapDropped: s.taps.dropped.Load()}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Unknown = s.unknown
	for l := range s.links {
		switch {
		case !l.known:
		case l.agent:
			st.Agents++
		default:
			st.Pages++
		}
	}
	return st
}
