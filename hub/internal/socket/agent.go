package socket

import (
	"bytes"
	"errors"
	"time"

	"golang.org/x/time/rate"

	"github.com/telltale-iot/telltale/schema"
)

const (
	// agentMessages and agentBurst bound an agent's messages per second; beyond, it is read more slowly.
	agentMessages = 500
	agentBurst    = 1000
	// agentBytes bounds an agent's bytes per second: a backlog of hours comes at this rate.
	agentBytes = 4 << 20
)

// Agent is one connected agent, as the rest of the hub sees it.
type Agent struct{ l *link }

// Send queues a frame for the agent. It never waits. Errors: [ErrGone].
func (a *Agent) Send(f schema.Frame) error {
	if c, ok := f.(*schema.DeviceCommand); ok { // its remaining time was computed now
		copied := *c
		copied.MonoMS = a.l.s.monoMS()
		f = &copied
	}
	return a.l.send(f)
}

// Fail tells the agent a problem and closes the connection with its code.
func (a *Agent) Fail(p *schema.Problem) { a.l.fail(p) }

// Addr is the network address it connects from.
func (a *Agent) Addr() string { return a.l.addr }

// serveAgent is the life of an agent's connection. It returns when the connection has ended.
func (s *Server) serveAgent(l *link) {
	l.flow, l.bytes = rate.NewLimiter(agentMessages, agentBurst), rate.NewLimiter(agentBytes, agentBytes)
	var buf bytes.Buffer
	hello, nonce, ok := s.greetAgent(l, &buf)
	if !ok {
		l.linger()
		return
	}
	took := s.monoMS()
	session, err := s.o.Devices.Identify(l.ctx, nonce, hello)
	if err == nil {
		if p := s.admit(l); p != nil {
			err = p
		}
	}
	if err != nil {
		l.fail(s.words(err, "identify", hello.Device))
		l.linger()
		return
	}
	l.mu.Lock()
	l.who = hello.Device
	l.mu.Unlock()
	if !s.takeOver(l, hello, session, took) {
		l.linger()
		return
	}
	defer s.leave(l, hello.Device)
	l.spread(schema.AgentPing)
	_ = l.ws.SetReadDeadline(time.Time{}) // from here on the sweeper watches
	for {
		l.busy.Store(false)
		if err := l.receive(&buf, schema.MaxMessage); err != nil {
			return
		}
		l.busy.Store(true)
		if err := l.throttle(buf.Len()); err != nil {
			return
		}
		frames, err := schema.Decode(schema.AgentUp, buf.Bytes())
		s.taps.frames(l, in, frames...)
		for _, p := range schema.Problems(err) {
			l.complain(p)
		}
		for _, f := range frames {
			if !l.handle(f) {
				l.linger()
				return
			}
		}
	}
}

// greetAgent sends the challenge and waits for the hello, with a pairing before it if the agent is new.
func (s *Server) greetAgent(l *link, buf *bytes.Buffer) (hello *schema.Hello, nonce string, ok bool) {
	challenge := s.o.Devices.Challenge()
	_ = l.send(&challenge)
	paired := false
	for {
		f, ok := l.first(schema.AgentUp, buf)
		if !ok {
			return nil, "", false
		}
		switch f := f.(type) {
		case *schema.Hello:
			return f, challenge.Nonce, true
		case *schema.Pair:
			if paired {
				l.fail(schema.Problemf(schema.CodeBadFrame, "one pair per connection"))
				return nil, "", false
			}
			paired = true
			device, err := s.o.Devices.Pair(l.ctx, challenge.Nonce, f)
			if err != nil {
				l.fail(s.words(err, "pair", f.Device))
				return nil, "", false
			}
			s.log.Info("device paired", "device", device, "addr", l.addr)
			_ = l.send(&schema.Paired{Device: device, HubID: challenge.HubID})
		default:
			l.fail(schema.Problemf(schema.CodeBadFrame, "the first frame must be pair or hello, not %s", f.Kind()))
			return nil, "", false
		}
	}
}

// first reads a frame of somebody unknown: small, soon, alone.
func (l *link) first(stream schema.Stream, buf *bytes.Buffer) (schema.Frame, bool) {
	if err := l.receiveFirst(buf); err != nil {
		return nil, false
	}
	return l.decodeFirst(stream, buf.Bytes())
}

func (l *link) receiveFirst(buf *bytes.Buffer) error {
	_ = l.ws.SetReadDeadline(time.Now().Add(schema.FirstMessageWithin))
	err := l.receive(buf, schema.MaxFirstMessage)
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		l.fail(schema.Problemf(schema.CodeTimeout, "no first message within %s", schema.FirstMessageWithin))
	}
	return err
}

func (l *link) decodeFirst(stream schema.Stream, message []byte) (schema.Frame, bool) {
	frames, err := schema.Decode(stream, message)
	l.s.taps.frames(l, in, frames...)
	if ps := schema.Problems(err); len(ps) > 0 {
		l.fail(ps[0])
		return nil, false
	}
	if len(frames) != 1 {
		l.fail(schema.Problemf(schema.CodeBadFrame, "the first message must be one frame"))
		return nil, false
	}
	return frames[0], true
}

// takeOver makes l the device's connection: the older one is closed first, then the session opens, then the welcome goes out before
// anything that the session sent. took is the hub's monotonic clock when the hello arrived.
func (s *Server) takeOver(l *link, hello *schema.Hello, session uint64, took int64) bool {
	replaced := schema.Problemf(schema.CodeReplaced, "a newer connection of %s took over", hello.Device)
	s.mu.Lock()
	l.number = session
	old := s.agents[hello.Device]
	late := old != nil && old.number > session // two at once, and the newer one was faster
	if !late {
		s.agents[hello.Device] = l
	}
	s.mu.Unlock()
	if late {
		l.fail(replaced)
		return false
	}
	if old != nil {
		old.retire()
		old.fail(replaced)
	}
	l.handling.Lock()
	defer l.handling.Unlock()
	if l.retired { // an even newer one was faster
		return false
	}
	l.hold()
	welcome, open, err := s.o.Devices.Open(l.ctx, hello, session, &Agent{l})
	if err != nil {
		p := s.words(err, "open", hello.Device)
		l.welcome(p)
		l.s.stats.problems.Add(1)
		l.end(p.Code.CloseCode(), p.Message)
		s.drop(l, hello.Device)
		return false
	}
	l.session = open
	welcome.MonoMS = took
	l.welcome(welcome)
	s.log.Info("device connected", "device", hello.Device, "addr", l.addr, "agent", hello.Agent, "session", session)
	return true
}

// handle hands one frame to the session. False = nothing more is to be read.
func (l *link) handle(f schema.Frame) bool {
	l.handling.Lock()
	defer l.handling.Unlock()
	if l.retired || l.closing() {
		return false
	}
	if p := l.session.Handle(l.ctx, f); p != nil && l.ctx.Err() == nil {
		l.complain(p)
	}
	return true
}

// retire closes the session, so that no frame of this connection is handled any more. It waits for the one being handled.
func (l *link) retire() {
	l.stop()
	l.handling.Lock()
	defer l.handling.Unlock()
	if l.session != nil && !l.retired {
		l.session.Close()
	}
	l.retired = true
}

func (s *Server) leave(l *link, device string) {
	l.retire()
	s.drop(l, device)
	s.log.Info("device disconnected", "device", device, "addr", l.addr)
}

// drop forgets that l is the device's connection, unless a newer one is.
func (s *Server) drop(l *link, device string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.agents[device] == l {
		delete(s.agents, device)
	}
}

// words turns an error into a problem for the peer. What is not meant for it goes to the log only.
func (s *Server) words(err error, doing, who string) *schema.Problem {
	var p *schema.Problem
	if errors.As(err, &p) {
		if doing == "identify" || doing == "pair" {
			s.stats.refused.Add(1)
			s.log.Warn("device refused", "device", who, "code", p.Code, "reason", p.Message)
		}
		return p
	}
	s.log.Error("request failed", "doing", doing, "who", who, "err", err)
	return schema.Problemf(schema.CodeInternal, "the hub could not do this; its log says why")
}
