package socket

import (
	"bytes"
	"net"
	"net/netip"
	"time"

	"golang.org/x/time/rate"

	"github.com/telltale-iot/telltale/schema"
)

const (
	// pageMessages and pageBurst bound a page's messages per second; beyond, it is read more slowly.
	pageMessages = 100
	pageBurst    = 400
	// pageBytes bounds a page's bytes per second.
	pageBytes = 256 << 10
)

// serveLive is the life of a dashboard's connection. It returns when the connection has ended.
func (s *Server) serveLive(l *link) {
	var buf bytes.Buffer
	var sub Subscriber
	if err := l.receiveFirst(&buf); err != nil {
		l.linger()
		return
	}
	l.aside(func() { sub = s.greetPage(l, buf.Bytes()) })
	if sub == nil {
		l.linger()
		return
	}
	defer sub.Close()
	_ = l.ws.SetReadDeadline(time.Time{}) // from here on the sweeper watches
	s.readPage(l, &buf, sub)
}

// greetPage takes the hello, sends the welcome and takes up the rooms of an earlier connection. Nil = the page was refused.
func (s *Server) greetPage(l *link, message []byte) Subscriber {
	f, ok := l.decodeFirst(schema.LiveUp, message)
	if !ok {
		return nil
	}
	hello, ok := f.(*schema.LiveHello)
	if !ok {
		l.fail(schema.Problemf(schema.CodeBadFrame, "the first frame must be hello, not %s", f.Kind()))
		return nil
	}
	if p := s.admit(l); p != nil {
		l.fail(p)
		return nil
	}
	l.flow, l.bytes = rate.NewLimiter(pageMessages, pageBurst), rate.NewLimiter(pageBytes, pageBytes)
	l.spread(schema.LivePing)
	sub := s.o.Live.Subscribe(func() {
		l.mu.Lock()
		l.wake()
	})
	welcome := s.o.Live.Welcome()
	l.mu.Lock()
	l.credit = uint64(welcome.Credit)
	if hello.Client != "" {
		l.who = hello.Client + " " + l.addr
	}
	l.feed = sub
	l.mu.Unlock()
	_ = l.send(&welcome)
	for _, at := range hello.Resume {
		s.join(l, sub, at)
	}
	return sub
}

// aside runs fn on a goroutine of its own and waits: what fn needs of stack, the reading goroutine, of which there are ten thousand,
// does not keep.
func (l *link) aside(fn func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer l.contain()
		fn()
	}()
	<-done
}

// readPage reads until the connection ends.
func (s *Server) readPage(l *link, buf *bytes.Buffer, sub Subscriber) {
	for {
		if err := l.receive(buf, schema.MaxMessage); err != nil {
			return
		}
		if err := l.throttle(buf.Len()); err != nil {
			return
		}
		if n, ok := onlySeen(buf.Bytes()); ok && !s.taps.watched() {
			l.handled(n)
			continue
		}
		l.aside(func() { s.handlePage(l, buf.Bytes(), sub) })
		if l.closing() {
			l.linger()
			return
		}
		*buf = bytes.Buffer{} // beside seen, a page says little, and rarely
	}
}

// onlySeen recognises the one frame that pages send all the time, as our own page writes it: decoding it in full, on a fresh stack, was a
// third of what a delivered update cost. Every other spelling goes the ordinary way.
func onlySeen(message []byte) (n uint64, ok bool) {
	digits, ok := bytes.CutPrefix(message, []byte(`{"t":"seen","n":`))
	if !ok || len(digits) < 2 || len(digits) > 19 || digits[len(digits)-1] != '}' || digits[0] == '0' && len(digits) > 2 {
		return 0, false
	}
	for _, c := range digits[:len(digits)-1] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

func (s *Server) handlePage(l *link, message []byte, sub Subscriber) {
	frames, err := schema.Decode(schema.LiveUp, message)
	s.taps.frames(l, in, frames...)
	for _, p := range schema.Problems(err) {
		l.complain(p)
	}
	for _, f := range frames {
		switch f := f.(type) {
		case *schema.Seen:
			l.handled(f.N)
		case *schema.Join:
			s.join(l, sub, schema.RoomPosition(*f))
		case *schema.Leave:
			sub.Leave(f.Room)
		case *schema.Hidden:
			sub.SetHidden(f.Hidden)
		case *schema.Ping:
			_ = l.send(&schema.Pong{NowMS: f.NowMS, AtMS: time.Now().UnixMilli()})
		case *schema.Ask:
			if err := s.o.Live.Ask(l.ctx, l.actor(), *f); err != nil {
				s.answer(l, err, f.Key)
			}
		case *schema.Cancel:
			if err := s.o.Live.Cancel(l.ctx, l.actor(), f.ID); err != nil {
				s.answer(l, err, "")
			}
		case *schema.Pong:
		case *schema.LiveHello:
			l.complain(schema.Problemf(schema.CodeBadFrame, "one hello per connection"))
		}
	}
}

func (s *Server) join(l *link, sub Subscriber, at schema.RoomPosition) {
	if err := sub.Join(at); err != nil {
		s.answer(l, err, "")
	}
}

// answer says why a wish was refused, with its key. A refusal is an answer, not a misdeed.
func (s *Server) answer(l *link, err error, key string) {
	p := *s.words(err, "ask", l.name())
	p.Key = key
	l.s.stats.problems.Add(1)
	_ = l.send(&p)
}

// actor names who asks, for the ledger. There are no accounts yet: this machine, or an address.
func (l *link) actor() string {
	host, _, err := net.SplitHostPort(l.addr)
	if err != nil {
		return "local"
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().IsLoopback() {
		return "local"
	}
	return host
}
