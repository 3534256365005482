package room

import (
	"sync"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// maxMessage is how many bytes of frames go into one message before the rest waits for the next pull.
const maxMessage = 256 << 10

// Subscriber is one dashboard connection: the rooms it is in and how far it has got in each. It queues nothing.
//
// Next is for one goroutine at a time; everything else is safe for concurrent use.
type Subscriber struct {
	owner *Rooms
	wake  func()

	mu      sync.Mutex
	members []*member // in the order of joining
	closed  bool

	pace     sync.Mutex // innermost lock
	gate     gate
	every    time.Duration
	pending  bool // woken, has not pulled yet
	deferred bool // waits for the tick
}

type member struct {
	room   *room
	ver    uint64 // sent up to here; fromStart = needs a snapshot
	answer bool   // the join was not answered yet
}

// Subscribe makes a subscriber without rooms. wake is called whenever [Subscriber.Next] has something, from any goroutine; it must not block
// and must not call back.
func (rs *Rooms) Subscribe(wake func()) *Subscriber {
	return &Subscriber{owner: rs, wake: wake, every: Tick}
}

// Join enters a room at a position. The next pull has the answer: a delta when the position can be continued, else a snapshot.
// Joining a room again replaces the position.
//
// Errors: a *schema.Problem when there is no such room or the subscriber is in [schema.MaxRooms] rooms.
func (s *Subscriber) Join(at schema.RoomPosition) error {
	r := s.owner.find(at.Room)
	if r == nil {
		p := schema.Problemf(schema.CodeUnknownRoom, "there is no room %q", at.Room)
		p.Room = at.Room
		return p
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	m := s.member(r)
	if m == nil {
		if len(s.members) >= schema.MaxRooms {
			s.mu.Unlock()
			p := schema.Problemf(schema.CodeTooLarge, "already in %d rooms; leave one first", schema.MaxRooms)
			p.Room = at.Room
			return p
		}
		m = &member{room: r}
		s.members = append(s.members, m)
	}
	first := r.enter(s, m, at)
	s.mu.Unlock()
	if first {
		s.owner.watch(r)
	}
	s.poke(s.owner.flush.now(), true)
	return nil
}

// enter registers s and takes its position, in one critical section: what is published from here on reaches it.
func (r *room) enter(s *Subscriber, m *member, at schema.RoomPosition) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.answer, m.ver = true, fromStart
	if at.Epoch == r.epoch && at.Ver <= r.ver && at.Ver >= r.floor {
		m.ver = at.Ver
		r.advance()
	}
	_, again := r.subs[s]
	r.subs[s] = struct{}{}
	return !again && len(r.subs) == 1
}

// Leave leaves a room; leaving one it is not in is no error.
func (s *Subscriber) Leave(name string) {
	s.mu.Lock()
	var left *room
	for i, m := range s.members {
		if m.room.name == name {
			left = m.room
			s.members = append(s.members[:i], s.members[i+1:]...)
			break
		}
	}
	s.mu.Unlock()
	if left != nil {
		left.exit(s)
	}
}

func (r *room) exit(s *Subscriber) {
	r.mu.Lock()
	_, was := r.subs[s]
	delete(r.subs, s)
	last := was && len(r.subs) == 0
	r.mu.Unlock()
	if last {
		r.owner.watch(r)
	}
}

// Close leaves all rooms.
func (s *Subscriber) Close() {
	s.mu.Lock()
	members := s.members
	s.members, s.closed = nil, true
	s.mu.Unlock()
	for _, m := range members {
		m.room.exit(s)
	}
}

// SetHidden slows the subscriber down to one update a second, or back.
func (s *Subscriber) SetHidden(hidden bool) {
	s.pace.Lock()
	s.every = Tick
	if hidden {
		s.every = HiddenTick
	}
	s.gate = gate{}
	s.pace.Unlock()
	if !hidden {
		s.poke(s.owner.flush.now(), true)
	}
}

// Next returns the next message: the frames of all rooms that have something new, as a frame or an array of frames. Nil when there is
// nothing. The result may be shared with other subscribers and must not be changed; it is valid until the next call. buf is used
// when frames must be put together; the grown buffer is returned for the next call.
func (s *Subscriber) Next(buf []byte) (message, grown []byte) {
	s.pace.Lock()
	s.pending = false
	s.pace.Unlock()
	frames, more := s.collect()
	if more {
		s.poke(s.owner.flush.now(), true)
	}
	switch len(frames) {
	case 0:
		return nil, buf
	case 1:
		return frames[0], buf
	}
	buf = append(buf[:0], '[')
	for i, f := range frames {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, f...)
	}
	buf = append(buf, ']')
	return buf, buf
}

// collect takes the frames this subscriber needs and moves its positions. More than maxMessage is left for the next time.
func (s *Subscriber) collect() (frames [][]byte, more bool) {
	s.mu.Lock()
	members := s.members
	size := 0
	var take []*shared
	for _, m := range members {
		if !m.answer && m.ver != fromStart && m.ver >= m.room.head.Load() {
			continue
		}
		if len(take) == schema.MaxFrames || size > maxMessage {
			more = true
			break
		}
		var f *shared
		f, m.ver = m.room.frame(m.ver)
		m.answer = false
		take = append(take, f)
		size += f.size
	}
	s.mu.Unlock()
	for _, f := range take {
		if b := f.encoded(s.owner.encoded); len(b) > 0 {
			frames = append(frames, b)
		}
	}
	return frames, more
}

func (s *Subscriber) member(r *room) *member {
	for _, m := range s.members {
		if m.room == r {
			return m
		}
	}
	return nil
}

// poke wakes the subscriber now if its gate allows or the change is urgent, else with the tick.
func (s *Subscriber) poke(now time.Time, urgent bool) {
	s.pace.Lock()
	defer s.pace.Unlock()
	switch {
	case s.pending:
	case urgent || s.gate.allow(now, s.every):
		s.pending = true
		s.wake()
	case !s.deferred:
		s.deferred = true
		s.owner.flush.subAtTick(s)
	}
}

// tick wakes a deferred subscriber, or defers it again while a hidden page's second is not over.
func (s *Subscriber) tick(now time.Time) {
	s.pace.Lock()
	defer s.pace.Unlock()
	s.deferred = false
	if s.pending {
		return
	}
	if s.every > Tick && s.gate.next.Sub(now) > tolerance {
		s.deferred = true
		s.owner.flush.subAtTick(s)
		return
	}
	s.gate.spend(now, s.every)
	s.pending = true
	s.wake()
}
