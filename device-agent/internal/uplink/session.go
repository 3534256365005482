package uplink

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/telltale-iot/telltale/device-agent/internal/outbox"
	"github.com/telltale-iot/telltale/schema"
)

const (
	// writeWithin bounds one write: a peer that takes nothing for so long is dead.
	writeWithin = 10 * time.Second
	// statusEvery is how often the hub hears of the backlog.
	statusEvery = 10 * time.Second
	// recent is how many of the newest unacked frames go ahead of the backfill after a reconnect: what a dashboard wants to see first.
	recent = 8
	// backfillFrames and backfillBytes bound one message of backfill, so that a live frame never waits behind a big one.
	backfillFrames = 16
	backfillBytes  = 48 << 10
)

// session is one accepted connection. One goroutine reads (receive), one writes (run).
type session struct {
	l      *Link
	conn   *websocket.Conn
	window int

	first   uint64 // numbers below are backfill
	live    uint64 // last live number sent
	back    uint64 // last backfill number sent
	epoch   string
	helloAt time.Duration // mono when the hello was sent
	hubMono int64         // the hub's monotonic clock when it took the hello, ms
	mu      sync.Mutex
	waiting []schema.Range // sent and not acked, live
	owed    []schema.Range // sent and not acked, backfill
	refused []schema.Frame // gaps that take the place of refused frames
	bye     *schema.Bye
	early   []schema.Frame // of the greeting's last message, not looked at yet

	ended chan struct{} // closed when the reader has
	err   error         // why, valid after ended
}

// errReturn ends a connection so that the next one sends a backlog that a disk gave free.
var errReturn = errors.New("the outbox's disk can be written again; connecting anew for the backlog on it")

// errStartOver ends a greeting whose epoch turned out to be unusable; the next one has a new epoch.
var errStartOver = errors.New("the hub knows numbers that this device has given out twice; starting a new epoch")

// welcome takes over what the hub has and what it wants.
func (s *session) welcome(w *schema.Welcome) error {
	o := &s.l.o
	s.heard()
	st := o.Box.Stat()
	s.epoch, s.hubMono = st.Epoch, w.MonoMS
	if o.Box.Return(w.Have, true) {
		return errReturn
	}
	if o.Box.Collides(w.Have) {
		if err := o.Box.StartOver(w.Have); err != nil {
			return err
		}
		return errStartOver
	}
	if s.l.generation != "" && s.l.generation != w.StoreGeneration {
		o.Log.Warn("the hub's store was restored from a backup; what it may have lost is sent again as far as it is kept")
		o.Box.Void()
	}
	s.l.generation = w.StoreGeneration
	o.Box.Ack(w.Have)
	if o.Acked != nil && len(w.Have) > 0 {
		o.Acked(s.epoch, w.Have)
	}
	s.window = max(w.Window, 2)
	s.l.batch.Store(int64(time.Duration(w.BatchMS) * time.Millisecond))
	s.first = o.Box.GapFrom(max(st.Last, recent) - recent + 1)
	s.live = s.first - 1
	if w.Describe {
		return s.write(&schema.Describe{Hash: o.Descriptor.Hash(), Descriptor: o.Descriptor})
	}
	return nil
}

// run sends until the link ends or ctx does.
func (s *session) run(ctx context.Context) error {
	s.conn.SetPongHandler(func(payload string) error {
		s.heard()
		if len(payload) == 8 {
			sent := time.Duration(binary.LittleEndian.Uint64([]byte(payload)))
			s.l.rtt.Store(int64(s.l.o.Clock.Mono() - sent))
		}
		return s.alive()
	})
	if err := s.alive(); err != nil {
		return err
	}
	go s.receive()
	err := s.send(ctx)
	s.conn.Close()
	<-s.ended
	return err
}

// send is the writer's loop.
func (s *session) send(ctx context.Context) error {
	ping, status := time.NewTicker(s.l.o.PingEvery), time.NewTicker(statusEvery)
	defer ping.Stop()
	defer status.Stop()
	var leave <-chan time.Time
	if err := s.write(s.status()); err != nil {
		return err
	}
	for {
		if err := s.pump(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return s.goodbye()
		case <-s.ended:
			return s.err
		case <-s.l.wake:
			if bye := s.leaving(); bye != nil && leave == nil {
				leave = time.After(time.Duration(bye.InMS) * time.Millisecond)
			}
		case <-leave:
			return s.left()
		case <-ping.C:
			var now [8]byte
			binary.LittleEndian.PutUint64(now[:], uint64(s.l.o.Clock.Mono()))
			if err := s.conn.WriteControl(websocket.PingMessage, now[:], time.Now().Add(writeWithin)); err != nil {
				return fmt.Errorf("ping the hub: %w", err)
			}
		case <-status.C:
			if s.l.o.Box.CanReturn() {
				return errReturn
			}
			if err := s.write(s.status()); err != nil {
				return err
			}
		}
	}
}

// pump sends what may be sent now: reports, then live frames, then some backfill, then looks again.
func (s *session) pump() error {
	for {
		if err := s.sendReports(); err != nil {
			return err
		}
		live, owed := s.outstanding()
		if room := s.window - live - owed; room > 0 {
			recs := s.l.o.Box.Next(s.live, ^uint64(0), min(room, backfillFrames))
			if len(recs) > 0 {
				s.live = recs[len(recs)-1].Last
				if err := s.sendRecords(recs, false); err != nil {
					return err
				}
				continue
			}
		}
		room := min(max(s.window/4, 1)-owed, s.window-live-owed)
		if room <= 0 || s.back+1 >= s.first {
			return nil
		}
		recs := s.l.o.Box.Next(s.back, s.first-1, min(room, backfillFrames))
		if len(recs) == 0 {
			s.back = s.first - 1
			return nil
		}
		recs = fitting(recs)
		s.back = recs[len(recs)-1].Last
		if err := s.sendRecords(recs, true); err != nil {
			return err
		}
	}
}

// fitting cuts records to what one message of backfill may hold, at least one.
func fitting(recs []outbox.Record) []outbox.Record {
	sum := 0
	for i := range recs {
		sum += len(recs[i].Payload) + 64
		if sum > backfillBytes && i > 0 {
			return recs[:i]
		}
	}
	return recs
}

func (s *session) sendReports() error {
	s.mu.Lock()
	refused := s.refused
	s.refused = nil
	s.mu.Unlock()
	for _, f := range refused {
		if err := s.write(f); err != nil {
			return err
		}
	}
	for {
		select {
		case f := <-s.l.reports:
			if err := s.write(f); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// sendRecords writes live frames one message each and backfill as one message.
func (s *session) sendRecords(recs []outbox.Record, backfill bool) error {
	s.mu.Lock()
	for _, r := range recs {
		if backfill {
			s.owed = append(s.owed, schema.Range{r.Seq, r.Last})
		} else {
			s.waiting = append(s.waiting, schema.Range{r.Seq, r.Last})
		}
	}
	s.mu.Unlock()
	var all [][]byte
	for i := range recs {
		msg, err := encode(&recs[i], backfill)
		if err != nil {
			return err
		}
		if !backfill {
			if err := s.writeRaw(msg); err != nil {
				return err
			}
			continue
		}
		all = append(all, msg)
	}
	if len(all) == 0 {
		return nil
	}
	return s.writeRaw(slices.Concat([]byte{'['}, bytes.Join(all, []byte{','}), []byte{']'}))
}

// encode returns a record as a frame. Kept frames are written already; what only now is known (backfill, a former boot) is put in
// behind the envelope's kind.
func encode(r *outbox.Record, backfill bool) ([]byte, error) {
	if r.IsGap() {
		return schema.Encode(&schema.Gap{First: r.Seq, Last: r.Last, FromMS: r.TimeMS, ToMS: r.ToMS, Reason: r.Reason})
	}
	const readings = `{"t":"readings",`
	extra := ""
	if backfill && bytes.HasPrefix(r.Payload, []byte(readings)) {
		extra += `"backfill":true,`
	}
	if r.Boot != "" {
		extra += `"boot":"` + r.Boot + `",`
	}
	at := bytes.IndexByte(r.Payload, ',') + 1
	if extra == "" || at == 0 {
		return r.Payload, nil
	}
	return slices.Concat(r.Payload[:at], []byte(extra), r.Payload[at:]), nil
}

func (s *session) outstanding() (live, owed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting), len(s.owed)
}

// status is what the hub hears about the link's health.
func (s *session) status() *schema.Status {
	o := &s.l.o
	st := o.Box.Stat()
	return &schema.Status{Backlog: st.Backlog, BacklogFromMS: st.BacklogMS, Dropped: st.Dropped, Degraded: Clip(st.Degraded),
		RTTMS: float64(s.l.rtt.Load()) / 1e6, MonoMS: o.Clock.Mono().Milliseconds(), WallMS: o.Clock.Now().UnixMilli(), Synced: o.Clock.Synced()}
}

// Clip cuts words to what a frame may carry: a driver's error can be of any length, and a frame that is refused says nothing at all.
func Clip(text string) string {
	const most = 1024 // bytes; see schema's Validate
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len("…")], "") + "…"
}

func (s *session) leaving() *schema.Bye {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bye
}

func (s *session) left() error {
	bye := s.leaving()
	return &byeError{reason: bye.Reason, spread: time.Duration(bye.SpreadMS) * time.Millisecond}
}

// goodbye is the polite end.
func (s *session) goodbye() error {
	if err := s.pump(); err != nil {
		return err
	}
	if err := s.write(&schema.Bye{Reason: "the agent stops"}); err != nil {
		return err
	}
	msg := websocket.FormatCloseMessage(websocket.CloseGoingAway, "the agent stops")
	return s.conn.WriteControl(websocket.CloseMessage, msg, time.Now().Add(time.Second))
}

func (s *session) write(f schema.Frame) error {
	msg, err := schema.Encode(f)
	if err != nil {
		return err
	}
	return s.writeRaw(msg)
}

func (s *session) writeRaw(msg []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	if err := s.conn.WriteMessage(websocket.TextMessage, msg); err != nil {
		return fmt.Errorf("send to the hub: %w", err)
	}
	return nil
}

// heard notes that the hub is there.
func (s *session) heard() { s.l.contact.Store(int64(s.l.o.Clock.Mono())) }

// alive moves the time at which the link counts as dead.
func (s *session) alive() error {
	return s.conn.SetReadDeadline(time.Now().Add(s.l.o.PingEvery + schema.AgentPongWithin))
}

func (s *session) close() { s.conn.Close() }
