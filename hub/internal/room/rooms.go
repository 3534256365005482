package room

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// Options of [New]. The zero value works.
type Options struct {
	// CommitEvery is how long readings may be shown before the store has them: rooms remember so much longer. Held by
	// TestASnapshotHasWhatTheStoreHasNotYet.
	CommitEvery time.Duration
	// Now is the clock; nil = time.Now.
	Now func() time.Time
	// OnWatch hears when the first subscriber enters a device's room and when the last one leaves. Calls come one at a time; it must not block
	// and must not call back.
	OnWatch func(device string, watched bool)
	// OnEncoded hears of every frame that was encoded, with its size in bytes.
	OnEncoded func(bytes int)
}

// Rooms holds the fleet and one room per device. Everything is safe for concurrent use. Nothing goes out until [Rooms.Run] runs.
type Rooms struct {
	epoch   string // of this process; a room's epoch begins with it
	window  time.Duration
	encoded func(int)
	onWatch func(string, bool)
	flush   flusher

	mu     sync.RWMutex
	rooms  map[string]*room
	made   int // numbers the rooms, for their epochs
	fleet  *room
	notify sync.Mutex // one OnWatch at a time
	seen   map[string]bool
}

// New returns an empty fleet with an epoch of its own.
func New(o Options) *Rooms {
	if o.Now == nil {
		o.Now = time.Now
	}
	var raw [6]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand ends the program instead
	rs := &Rooms{
		epoch: hex.EncodeToString(raw[:]), window: o.CommitEvery, encoded: o.OnEncoded, onWatch: o.OnWatch,
		flush: flusher{now: o.Now, wake: make(chan struct{}, 1)},
		rooms: map[string]*room{}, seen: map[string]bool{},
	}
	rs.fleet = rs.make(schema.RoomFleet, "")
	return rs
}

// make adds a room. Call with mu held, or alone.
func (rs *Rooms) make(name, device string) *room {
	rs.made++
	r := &room{name: name, device: device, owner: rs, epoch: rs.epoch + "." + strconv.Itoa(rs.made), devices: map[string]*deviceState{},
		channels: map[string]*channel{}, subs: map[*Subscriber]struct{}{}, frames: map[uint64]*shared{}}
	rs.rooms[name] = r
	return r
}

func (rs *Rooms) find(name string) *room {
	rs.mu.RLock()
	defer rs.mu.RUnlock()
	return rs.rooms[name]
}

func (rs *Rooms) device(id string) *room { return rs.find(schema.RoomDevicePrefix + id) }

// Count returns how many rooms there are.
func (rs *Rooms) Count() int {
	rs.mu.RLock()
	defer rs.mu.RUnlock()
	return len(rs.rooms)
}

// PublishDevice makes a device known, or changes its name, area or descriptor, in its room and in the fleet.
func (rs *Rooms) PublishDevice(d schema.Device) {
	now := rs.flush.now()
	rs.mu.Lock()
	r := rs.rooms[schema.RoomDevicePrefix+d.ID]
	if r == nil {
		r = rs.make(schema.RoomDevicePrefix+d.ID, d.ID)
	}
	rs.mu.Unlock()
	r.put(d, now)
	rs.fleet.put(d, now)
}

// Remove forgets a device: its room hears of it and closes.
func (rs *Rooms) Remove(device string) {
	rs.mu.Lock()
	r := rs.rooms[schema.RoomDevicePrefix+device]
	delete(rs.rooms, schema.RoomDevicePrefix+device)
	rs.mu.Unlock()
	if r == nil {
		return
	}
	gone := schema.Device{ID: device, Removed: true, Presence: schema.Presence{State: schema.PresenceNever}}
	now := rs.flush.now()
	r.put(gone, now)
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	rs.fleet.put(gone, now)
}

// Publish brings fresh readings into their device's room. The series and their values belong to the room from here on and must not be
// changed. Readings older than what the room has are told as filled spans. Never waits for a subscriber: TestPublishNeverWaits.
func (rs *Rooms) Publish(b schema.Batch) {
	if r := rs.device(b.Device); r != nil {
		r.publish(&b, rs.flush.now())
	}
}

// PublishPresence changes a device's presence in its room, and in the fleet if it is more than a counter that moved.
func (rs *Rooms) PublishPresence(device string, p schema.Presence) {
	if r := rs.device(device); r != nil {
		now := rs.flush.now()
		r.presence(device, p, now, true)
		rs.fleet.presence(device, p, now, false)
	}
}

// PublishCommand tells a device's room where a command is.
func (rs *Rooms) PublishCommand(device string, c schema.Command) {
	if r := rs.device(device); r != nil {
		r.change(rs.flush.now(), true, func(ver uint64) { r.floor = max(r.floor, r.commands.add(ver, c)) })
	}
}

// PublishGap tells a device's room of a gap in history.
func (rs *Rooms) PublishGap(device string, g schema.GapRecord) {
	if r := rs.device(device); r != nil {
		r.change(rs.flush.now(), false, func(ver uint64) { r.floor = max(r.floor, r.gaps.add(ver, g)) })
	}
}

// PublishFilled tells a device's room that history changed in these spans.
func (rs *Rooms) PublishFilled(device string, spans []schema.Span) {
	if r := rs.device(device); r != nil && len(spans) > 0 {
		r.change(rs.flush.now(), false, func(ver uint64) {
			for _, s := range spans {
				r.fill(ver, s)
			}
		})
	}
}

// Seed gives a device's room what the store knows, at the start of the hub.
//
// series: the newest reading of each channel, offsets from t0MS (Unix ms). open: commands that are not final and the last of each channel.
func (rs *Rooms) Seed(device string, t0MS int64, series []schema.LiveSeries, open []schema.Command) {
	b := schema.Batch{Device: device, T0MS: t0MS}
	for _, s := range series {
		b.Series = append(b.Series, schema.Series{Ch: s.Ch, DtMS: s.DtMS, StepUS: s.StepUS, V: s.V, Q: s.Q})
	}
	if len(b.Series) > 0 {
		rs.Publish(b)
	}
	for _, c := range open {
		rs.PublishCommand(device, c)
	}
}

// Watched reports whether anybody is in the device's room.
func (rs *Rooms) Watched(device string) bool {
	r := rs.device(device)
	return r != nil && r.watched()
}

func (r *room) watched() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.subs) > 0
}

// watch tells OnWatch how it is now, if that is news.
func (rs *Rooms) watch(r *room) {
	if rs.onWatch == nil || r.device == "" {
		return
	}
	rs.notify.Lock()
	defer rs.notify.Unlock()
	if now := r.watched(); now != rs.seen[r.device] {
		if now {
			rs.seen[r.device] = true
		} else {
			delete(rs.seen, r.device)
		}
		rs.onWatch(r.device, now)
	}
}
