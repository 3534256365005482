package uplink

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gorilla/websocket"
	"github.com/telltale-iot/telltale/schema"
)

// receive is the reader's loop.
func (s *session) receive() {
	defer close(s.ended)
	for _, f := range s.early {
		s.take(f)
	}
	for {
		_, msg, err := s.conn.ReadMessage()
		if err != nil {
			s.err = s.ending(err)
			return
		}
		s.heard()
		if err := s.alive(); err != nil {
			s.err = err
			return
		}
		frames, err := schema.Decode(schema.AgentDown, msg)
		if err != nil {
			s.l.o.Log.Warn("the hub sent something this agent does not understand", "err", err)
		}
		for _, f := range frames {
			s.take(f)
		}
	}
}

func (s *session) take(f schema.Frame) {
	o := &s.l.o
	switch f := f.(type) {
	case *schema.Ack:
		s.acked(f)
	case *schema.Pace:
		s.l.batch.Store(int64(time.Duration(f.BatchMS) * time.Millisecond))
		o.Paced()
	case *schema.DeviceCommand:
		o.Handle(s.onArrival(f))
	case *schema.Cancel:
		o.Handle(f)
	case *schema.Bye:
		s.mu.Lock()
		s.bye = f
		s.mu.Unlock()
		s.l.Wake()
	case *schema.Problem:
		o.Log.Warn("the hub has a problem with this device", "code", f.Code, "err", f.Message, "seq", f.Seq)
		if f.Seq > 0 {
			s.refuse(f.Seq)
		}
	}
}

// onArrival takes from a command's remaining time what it spent on the way: a stalled link delivers late. The hello's own way is part of
// that, so the result is never too long. Held by TestCommandThatAStalledLinkDeliversLateIsNotRun.
func (s *session) onArrival(c *schema.DeviceCommand) *schema.DeviceCommand {
	late := (s.l.o.Clock.Mono() - s.helloAt).Milliseconds() - (c.MonoMS - s.hubMono)
	arrived := *c
	arrived.RemainingMS -= max(late, 0)
	return &arrived
}

func (s *session) acked(f *schema.Ack) {
	o := &s.l.o
	if f.Epoch != s.epoch {
		return
	}
	o.Box.Ack(f.Ranges)
	if o.Acked != nil {
		o.Acked(f.Epoch, f.Ranges)
	}
	covered := func(r schema.Range) bool {
		return slices.ContainsFunc(f.Ranges, func(a schema.Range) bool { return a[0] <= r[1] && r[1] <= a[1] })
	}
	s.mu.Lock()
	s.waiting = slices.DeleteFunc(s.waiting, covered)
	s.owed = slices.DeleteFunc(s.owed, covered)
	s.mu.Unlock()
	s.l.Wake()
	select {
	case s.l.emptied <- struct{}{}:
	default:
	}
}

// refuse makes a gap of a frame that the hub will never take.
func (s *session) refuse(seq uint64) {
	r, ok := s.l.o.Box.Refuse(seq)
	if !ok {
		return
	}
	s.mu.Lock()
	s.refused = append(s.refused, &schema.Gap{First: seq, Last: seq, FromMS: r.TimeMS, ToMS: r.ToMS, Reason: r.Reason})
	s.mu.Unlock()
	s.l.Wake()
}

// ending makes words of the reader's last error.
func (s *session) ending(err error) error {
	if bye := s.leaving(); bye != nil {
		return s.left()
	}
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		text := closed.Text
		if text == "" {
			text = "no reason given"
		}
		out := fmt.Errorf("the hub closed the connection: %s (code %d)", text, closed.Code)
		if !schema.RetryClose(closed.Code) {
			return &hopelessError{out}
		}
		return out
	}
	return fmt.Errorf("the connection broke: %w", err)
}
