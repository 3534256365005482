// Package presence knows which devices are there, since when, how their link and clock are, and what they still have to deliver.
//
// It guarantees that a device's presence goes to whoever watches when it changes, that "last seen" reaches the store at the latest
// every minute and when a device goes, and that a time in which a device was off becomes a gap of reason "offline", once everything it may
// have measured meanwhile has arrived: a device without contact that kept measuring has no gap (TestOnlyTimeWithoutReadingsIsAGap).
//
// It opens no connections and decides nothing about them. Start with [Register].
package presence

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// touchEvery is how often "last seen" of a connected device is stored: the price of a crash is a minute.
const touchEvery = time.Minute

// Store keeps what must survive a restart.
type Store interface {
	TouchDevice(ctx context.Context, id string, lastSeenMS int64) error
	AddGap(ctx context.Context, device string, g schema.GapRecord) error
}

// Rooms show it.
type Rooms interface {
	PublishPresence(device string, p schema.Presence)
	PublishGap(device string, g schema.GapRecord)
}

// Options of [New].
type Options struct {
	// Store keeps last-seen times and gaps.
	Store Store
	// Rooms show presence and gaps.
	Rooms Rooms
	// Now is the clock; nil = time.Now.
	Now func() time.Time
	// Log receives what a person should know; nil = nothing is logged.
	Log *slog.Logger
}

// Register is the presence of all devices. Safe for concurrent use.
type Register struct {
	o    Options
	wake chan struct{} // one slot: jobs are waiting

	mu      sync.Mutex
	devices map[string]*device
	jobs    []job
}

type device struct {
	presence schema.Presence
	session  uint64
	touched  time.Time
	track    track
	rhythmMS int64 // the shortest expected interval; 0 = none
}

// job is something to be stored, away from the caller.
type job struct {
	device string
	seenMS int64             // 0 = nothing
	gap    *schema.GapRecord // nil = nothing
}

// New returns an empty register. Gaps and times are stored while [Register.Run] runs.
func New(o Options) *Register {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Register{o: o, wake: make(chan struct{}, 1), devices: map[string]*device{}}
}

// Know adds a device as the store has it, at the start of the hub or after pairing. lastReadingMS is its newest reading, Unix ms; 0 = none.
func (r *Register) Know(d schema.Device, lastReadingMS int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.get(d.ID)
	known.presence = d.Presence
	if known.presence.State == "" || known.presence.State == schema.PresenceOnline {
		known.presence.State = schema.PresenceOffline
	}
	known.track.newest = lastReadingMS
	known.describe(d.Descriptor)
}

// Describe takes a device's new descriptor, for the rhythm of its readings.
func (r *Register) Describe(id string, d *schema.Descriptor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.get(id).describe(d)
}

func (d *device) describe(desc *schema.Descriptor) {
	d.rhythmMS = 0
	if desc == nil {
		return
	}
	for i := range desc.Entities {
		for _, c := range desc.Entities[i].Channels {
			if c.IntervalMS > 0 && (d.rhythmMS == 0 || c.IntervalMS < d.rhythmMS) {
				d.rhythmMS = c.IntervalMS
			}
		}
	}
}

func (r *Register) get(id string) *device {
	d := r.devices[id]
	if d == nil {
		d = &device{presence: schema.Presence{State: schema.PresenceNever}}
		r.devices[id] = d
	}
	return d
}

// Arrival is what a device's hello told.
type Arrival struct {
	Session  uint64
	Agent    string
	Addr     string
	Clock    schema.TimeQuality
	OffsetMS int64  // its wall clock is ahead of the hub's by this, in ms
	Backlog  uint64 // frames it may still have to deliver
}

// Online notes that a device has connected.
func (r *Register) Online(id string, a Arrival) {
	now := r.o.Now()
	r.change(id, func(d *device) {
		if d.presence.State != schema.PresenceOnline {
			d.presence.SinceMS = now.UnixMilli()
		}
		d.session = a.Session
		d.presence.State, d.presence.Agent, d.presence.Addr = schema.PresenceOnline, a.Agent, a.Addr
		d.presence.Clock, d.presence.ClockOffsetMS = a.Clock, a.OffsetMS
		d.presence.Backlog, d.presence.RTTMS, d.presence.Degraded = a.Backlog, 0, ""
		d.track.back(now.UnixMilli())
		r.seen(id, d, now)
	})
}

// Offline notes that a session has ended. A session that was replaced by a newer one changes nothing.
func (r *Register) Offline(id string, session uint64) {
	now := r.o.Now()
	r.change(id, func(d *device) {
		if d.session != session || d.presence.State != schema.PresenceOnline {
			return
		}
		d.presence.State, d.presence.SinceMS = schema.PresenceOffline, now.UnixMilli()
		d.presence.RTTMS = 0
		d.touched = time.Time{}
		r.seen(id, d, now)
	})
}

// Status takes a device's own report.
func (r *Register) Status(id string, st *schema.Status, clock schema.TimeQuality, offsetMS int64) {
	now := r.o.Now()
	r.change(id, func(d *device) {
		p := &d.presence
		p.Backlog, p.Dropped, p.Degraded, p.RTTMS = st.Backlog, st.Dropped, st.Degraded, st.RTTMS
		p.Clock, p.ClockOffsetMS = clock, offsetMS
		switch {
		case st.Backlog == 0 || st.BacklogFromMS == 0:
			p.CompleteToMS = max(p.CompleteToMS, d.track.newest)
		default:
			p.CompleteToMS = st.BacklogFromMS
		}
		r.seen(id, d, now)
		r.settle(id, d, st.Backlog)
	})
}

// Warn shows what is wrong with a device in words, until it connects again.
func (r *Register) Warn(id, words string) {
	r.change(id, func(d *device) { d.presence.Degraded = words })
}

// Measured notes for when readings have arrived: those of a batch lie between fromMS and toMS, Unix ms.
func (r *Register) Measured(id string, fromMS, toMS int64) {
	now := r.o.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.get(id)
	d.presence.LastSeenMS = now.UnixMilli()
	d.track.read(fromMS, toMS, d.slack())
}

// Explained notes that the device itself has told why there are no readings between fromMS and toMS, Unix ms: that time needs no gap
// of ours.
func (r *Register) Explained(id string, fromMS, toMS int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.get(id)
	d.track.cover(fromMS, toMS, d.slack())
}

// Presence returns a device's presence now.
func (r *Register) Presence(id string) (schema.Presence, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d, ok := r.devices[id]
	if !ok {
		return schema.Presence{}, false
	}
	return d.presence, true
}

// Count returns how many devices are known and how many of them are online.
func (r *Register) Count() (known, online int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.devices {
		if d.presence.State == schema.PresenceOnline {
			online++
		}
	}
	return len(r.devices), online
}

// Forget drops a device.
func (r *Register) Forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.devices, id)
}

// change runs fn under the lock and shows the presence if it differs.
func (r *Register) change(id string, fn func(d *device)) {
	r.mu.Lock()
	d := r.get(id)
	before := d.presence
	fn(d)
	after := d.presence
	r.mu.Unlock()
	if before != after {
		r.o.Rooms.PublishPresence(id, after)
	}
}

// seen notes a sign of life and has it stored now and then. Call with mu held.
func (r *Register) seen(id string, d *device, now time.Time) {
	d.presence.LastSeenMS = now.UnixMilli()
	if now.Sub(d.touched) >= touchEvery {
		d.touched = now
		r.later(job{device: id, seenMS: d.presence.LastSeenMS})
	}
}

// settle turns what is left of an outage into gaps once the device has delivered everything. Call with mu held.
func (r *Register) settle(id string, d *device, backlog uint64) {
	if backlog > 0 || d.rhythmMS == 0 {
		return
	}
	for _, s := range d.track.holes(d.slack()) {
		r.later(job{device: id, gap: &schema.GapRecord{FromMS: s.FromMS, ToMS: s.ToMS, Reason: schema.GapOffline}})
	}
}

// slack is how far apart readings may be without being a gap, in ms.
func (d *device) slack() int64 { return max(minHoleMS, 3*d.rhythmMS) }

// maxJobs bounds what waits for the store; while its disk is full, "last seen" times give way.
const maxJobs = 4096

// later queues a job. Call with mu held.
func (r *Register) later(j job) {
	if len(r.jobs) >= maxJobs {
		return
	}
	r.jobs = append(r.jobs, j)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run stores what has come up until ctx ends, and then what is left. It returns ctx's error.
func (r *Register) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			r.store(context.WithoutCancel(ctx))
			return ctx.Err()
		case <-r.wake:
			r.store(ctx)
		}
	}
}

func (r *Register) store(ctx context.Context) {
	r.mu.Lock()
	jobs := r.jobs
	r.jobs = nil
	r.mu.Unlock()
	for _, j := range jobs {
		var err error
		if j.gap != nil {
			if err = r.o.Store.AddGap(ctx, j.device, *j.gap); err == nil {
				r.o.Rooms.PublishGap(j.device, *j.gap)
			}
		} else {
			err = r.o.Store.TouchDevice(ctx, j.device, j.seenMS)
		}
		if err != nil && ctx.Err() == nil {
			r.o.Log.Warn("presence not stored", "device", j.device, "err", err)
		}
	}
}
