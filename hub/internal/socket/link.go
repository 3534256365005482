package socket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"github.com/telltale-iot/telltale/schema"
)

// ErrGone is what a send to a connection that has ended, or that takes nothing any more, returns.
var ErrGone = errors.New("the connection is gone")

const (
	// maxOut bounds the frames that wait for one connection. Telemetry never waits here; what does (acks, commands, answers) is little.
	maxOut = 256
	// lingerFor is how long a connection that was closed may take to hear of it.
	lingerFor = time.Second
	// manyMessages is how many messages a worker writes to one connection before others have their turn.
	manyMessages = 16
	// complaints is how many problems a peer may cause at once, and problemsEvery how fast it earns new ones, before it is closed.
	complaints    = 200
	problemsEvery = 100 * time.Millisecond
)

// link is one connection: what agents and pages have in common. Only the goroutine that serves it reads; only a worker, one at a time,
// writes.
type link struct {
	s     *Server
	ws    *websocket.Conn
	addr  string
	agent bool
	known bool // proved who it is; written under s.mu
	ctx   context.Context
	stop  context.CancelFunc
	flow  *rate.Limiter // messages
	bytes *rate.Limiter
	anger *rate.Limiter // problems caused

	told chan struct{} // closed when the close frame was written, or never will be
	once sync.Once

	heard  atomic.Int64 // last message or pong, Unix ns
	wrote  atomic.Int64 // last message written
	pinged atomic.Int64 // last protocol ping asked for
	busy   atomic.Bool  // the last message is still being handled: nothing is read, so nothing can be heard

	mu        sync.Mutex
	who       string // device id or client name, for people
	out       []schema.Frame
	held      bool   // the welcome comes first
	pong      []byte // payload owed
	owesPong  bool
	wantsPing bool
	queued    bool   // in the pump's hands
	again     bool   // something came meanwhile
	feed      Feed   // pages only, after the welcome
	credit    uint64 // messages a page may be behind; 0 = no limit
	sent      uint64 // messages written
	seen      uint64 // of them, handled by the page
	starved   bool   // skipped for lack of credit
	closeCode int    // 0 = open
	closeText string
	closedAt  time.Time

	handling sync.Mutex // a frame is being handled; session belongs to it
	session  Session
	retired  bool
	number   uint64 // of the session; written under s.mu before anybody sees it
}

func newLink(s *Server, ws *websocket.Conn, addr string) *link {
	l := &link{s: s, ws: ws, addr: addr, who: addr, told: make(chan struct{})}
	l.ctx, l.stop = context.WithCancel(context.Background())
	now := time.Now().UnixNano()
	l.heard.Store(now)
	l.wrote.Store(now)
	l.anger = rate.NewLimiter(rate.Every(problemsEvery), complaints)
	ws.SetPingHandler(func(payload string) error {
		l.heard.Store(time.Now().UnixNano())
		l.mu.Lock()
		l.pong, l.owesPong = []byte(payload), true
		l.wake()
		return nil
	})
	ws.SetPongHandler(func(string) error {
		l.heard.Store(time.Now().UnixNano())
		return nil
	})
	ws.SetCloseHandler(func(int, string) error { return nil })
	return l
}

// send queues a frame. Errors: [ErrGone]; a connection that lets maxOut frames pile up is cut.
func (l *link) send(f schema.Frame) error {
	l.mu.Lock()
	if l.closeCode != 0 {
		l.mu.Unlock()
		return ErrGone
	}
	if len(l.out) >= maxOut {
		l.mu.Unlock()
		l.s.log.Warn("connection cut: it takes nothing", "who", l.name(), "queued", maxOut)
		l.cut()
		return ErrGone
	}
	l.out = append(l.out, f)
	l.wake()
	return nil
}

// hold keeps what is sent back until welcome puts its frame before it.
func (l *link) hold() {
	l.mu.Lock()
	l.held = true
	l.mu.Unlock()
}

func (l *link) welcome(f schema.Frame) {
	l.mu.Lock()
	l.out = append([]schema.Frame{f}, l.out...)
	l.held = false
	l.wake()
}

// wake hands the link to the pump and releases l.mu, which must be held.
func (l *link) wake() {
	if l.queued {
		l.again = true
		l.mu.Unlock()
		return
	}
	l.queued = true
	l.mu.Unlock()
	l.s.pump.add(l)
}

// fail tells the peer a problem and closes with its code.
func (l *link) fail(p *schema.Problem) {
	l.s.stats.problems.Add(1)
	_ = l.send(p)
	l.end(p.Code.CloseCode(), p.Message)
}

// end closes the connection after what is queued was written.
func (l *link) end(code int, reason string) {
	const most = 123 // what a close frame holds beside its code, RFC 6455 section 5.5
	for len(reason) > most {
		reason = reason[:lastRune(reason)]
	}
	l.mu.Lock()
	if l.closeCode != 0 {
		l.mu.Unlock()
		return
	}
	l.closeCode, l.closeText, l.closedAt, l.feed = code, reason, time.Now(), nil
	l.wake()
}

func lastRune(s string) int {
	i := len(s) - 1
	for i > 0 && s[i]&0xC0 == 0x80 {
		i--
	}
	return i
}

// complain tells the peer a problem; who causes too many is closed.
func (l *link) complain(p *schema.Problem) {
	if !l.anger.Allow() {
		l.fail(schema.Problemf(schema.CodeBadFrame, "too many bad frames, the last one: %s", p.Message))
		return
	}
	l.s.stats.problems.Add(1)
	l.s.taps.frames(l, out, p)
	_ = l.send(p)
}

// cut ends the connection at once. Safe to call often.
func (l *link) cut() {
	l.stop()
	l.mu.Lock()
	if l.closeCode == 0 {
		l.closeCode, l.closedAt = websocket.CloseAbnormalClosure, time.Now()
	}
	l.out, l.feed = nil, nil
	l.mu.Unlock()
	l.once.Do(func() { close(l.told) })
	_ = l.ws.Close()
}

// closing reports whether nothing more is to be handled.
func (l *link) closing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closeCode != 0
}

func (l *link) name() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.who
}

// receive reads one message of at most most bytes into buf. When it returns an error the connection is closed or closing.
func (l *link) receive(buf *bytes.Buffer, most int) error {
	for {
		kind, r, err := l.ws.NextReader()
		if err != nil {
			return err
		}
		buf.Reset()
		n, err := buf.ReadFrom(io.LimitReader(r, int64(most)+1))
		if err != nil {
			return err
		}
		l.heard.Store(time.Now().UnixNano())
		l.s.stats.messagesIn.Add(1)
		l.s.stats.bytesIn.Add(uint64(n))
		switch {
		case l.closing():
			continue // only until the peer has heard of it
		case n > int64(most):
			l.fail(schema.Problemf(schema.CodeTooLarge, "a message may have %d bytes here", most))
			l.linger()
			return ErrGone
		case kind != websocket.TextMessage:
			l.fail(schema.Problemf(schema.CodeBadFrame, "messages must be text, not binary"))
			l.linger()
			return ErrGone
		}
		return nil
	}
}

// linger lets a closed connection's peer read why: closing at once with unread bytes would reset the connection.
func (l *link) linger() {
	timer := time.NewTimer(closeWithin)
	defer timer.Stop()
	select {
	case <-l.told:
	case <-timer.C:
		return
	}
	if err := l.ws.SetReadDeadline(time.Now().Add(lingerFor)); err != nil {
		return
	}
	for {
		_, r, err := l.ws.NextReader()
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			return
		}
	}
}

// throttle waits until the peer may send n more bytes: TCP makes it wait too.
func (l *link) throttle(n int) error {
	if err := l.flow.Wait(l.ctx); err != nil {
		return err
	}
	return l.bytes.WaitN(l.ctx, n)
}
