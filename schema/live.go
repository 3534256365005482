package schema

import (
	"errors"
	"fmt"
	"strings"
)

// Frames of the live stream, subprotocol telltale.live.v1+json. See the package comment for the order of events.

// Room names. A room is all who watch one thing.
const (
	// RoomFleet has all devices with their presence, without values.
	RoomFleet = "fleet"
	// RoomAdmin has connections and problems, for those who may.
	RoomAdmin = "admin"
	// RoomDevicePrefix + device id has one device's values, presence, commands and gaps.
	RoomDevicePrefix = "device/"
)

// Presence says whether a device is there.
type Presence struct {
	// State is "online", "offline" or "never" (paired, never heard of).
	State string `json:"state"`
	// SinceMS is when that state began, Unix ms.
	SinceMS int64 `json:"since_ms"`
	// LastSeenMS is when the hub last heard of it, Unix ms; 0 = never.
	LastSeenMS int64 `json:"last_seen_ms,omitempty"`
	// Agent is the program's name and version.
	Agent string `json:"agent,omitempty"`
	// Addr is the network address it connects from.
	Addr string `json:"addr,omitempty"`
	// RTTMS is the link's round trip, in ms; 0 = not known.
	RTTMS float64 `json:"rtt_ms,omitempty"`
	// Clock quality of the device.
	Clock TimeQuality `json:"clock,omitempty"`
	// ClockOffsetMS is how far the device's wall clock is ahead of the hub's, in ms.
	ClockOffsetMS int64 `json:"clock_offset_ms,omitempty"`
	// Backlog is the number of frames the device still has to deliver.
	Backlog uint64 `json:"backlog,omitempty"`
	// CompleteToMS: up to here history has no unknown hole, Unix ms; gaps with a reason count as known. 0 = not known.
	CompleteToMS int64 `json:"complete_to_ms,omitempty"`
	// Dropped frames since the device's outbox was made.
	Dropped uint64 `json:"dropped,omitempty"`
	// Degraded says in words what does not work on the device.
	Degraded string `json:"degraded,omitempty"`
}

// The states of presence.
const (
	PresenceOnline  = "online"
	PresenceOffline = "offline"
	PresenceNever   = "never"
)

// Device is a device as people see it.
type Device struct {
	// ID given at pairing.
	ID string `json:"id"`
	// Name that people gave it, or its own.
	Name string `json:"name"`
	// Area that people put it in, or its own; "" = none.
	Area string `json:"area,omitempty"`
	// PairedMS is when it joined, Unix ms.
	PairedMS int64 `json:"paired_ms"`
	// Presence now.
	Presence Presence `json:"presence"`
	// Descriptor it sent last; absent until the first.
	Descriptor *Descriptor `json:"descriptor,omitempty"`
	// Removed marks a device that was forgotten (in deltas of the fleet).
	Removed bool `json:"removed,omitempty"`
}

// LiveHello opens a dashboard's connection (dashboard → hub).
type LiveHello struct {
	// Client is the program's name and version.
	Client string `json:"client"`
	// Resume lists the rooms of an earlier connection and where it was in them.
	Resume []RoomPosition `json:"resume,omitempty"`
}

// RoomPosition is how far a dashboard has got in a room.
type RoomPosition struct {
	// Room name.
	Room string `json:"room"`
	// Epoch of the room; another epoch means: start over with a snapshot.
	Epoch string `json:"epoch,omitempty"`
	// Ver is the last version seen in that epoch.
	Ver uint64 `json:"ver,omitempty"`
}

// LiveWelcome answers [LiveHello] (hub → dashboard).
type LiveWelcome struct {
	// HubID names the hub.
	HubID string `json:"hub_id"`
	// Version of the hub's program; when it changes the page offers to reload.
	Version string `json:"version"`
	// NowMS is the hub's clock, Unix ms.
	NowMS int64 `json:"now_ms"`
	// StartedMS is when this hub process began, Unix ms.
	StartedMS int64 `json:"started_ms"`
	// PingMS: the hub sends something at least this often, in ms.
	PingMS int64 `json:"ping_ms"`
	// Credit is how many messages the hub sends beyond the last [Seen] before it waits and merges.
	Credit int `json:"credit"`
}

// Join enters a room (dashboard → hub). The answer is a [Snapshot], or a [Delta] when the position could be resumed.
type Join struct {
	// Room to enter.
	Room string `json:"room"`
	// Epoch of an earlier stay, if any.
	Epoch string `json:"epoch,omitempty"`
	// Ver seen in that epoch.
	Ver uint64 `json:"ver,omitempty"`
}

// Leave leaves a room (dashboard → hub).
type Leave struct {
	// Room to leave.
	Room string `json:"room"`
}

// Seen gives credit: the page has handled this many messages of this connection (dashboard → hub).
type Seen struct {
	// N messages handled since the connection began.
	N uint64 `json:"n"`
}

// Hidden says that nobody can see the page (dashboard → hub): one merged update a second is enough.
type Hidden struct {
	// Hidden is true while the page is not visible.
	Hidden bool `json:"hidden"`
}

// Ping asks for a [Pong] (either side). Browsers cannot see the WebSocket's own pings.
type Ping struct {
	// NowMS is the sender's clock, Unix ms.
	NowMS int64 `json:"now_ms"`
}

// Pong answers [Ping] (either side) with its time.
type Pong struct {
	// NowMS of the ping.
	NowMS int64 `json:"now_ms"`
	// AtMS is the answering side's clock, Unix ms.
	AtMS int64 `json:"at_ms"`
}

// Snapshot is everything in a room at one version (hub → dashboard).
type Snapshot struct {
	// Room it is about.
	Room string `json:"room"`
	// Epoch of the room's versions.
	Epoch string `json:"epoch"`
	// Ver of the snapshot; deltas follow from here.
	Ver uint64 `json:"ver"`
	// T0MS that the series' offsets count from, Unix ms.
	T0MS int64 `json:"t0_ms"`
	// Devices: the one of a device room, all of the fleet.
	Devices []Device `json:"devices"`
	// Series: each channel's newest reading and those of the seconds before it that the room keeps; history may have them too.
	Series []LiveSeries `json:"series,omitempty"`
	// Commands not yet final, and the last of each channel.
	Commands []Command `json:"commands,omitempty"`
}

// Delta is everything that happened in a room after the version the dashboard has (hub → dashboard).
type Delta struct {
	// Room it is about.
	Room string `json:"room"`
	// Ver after this delta.
	Ver uint64 `json:"ver"`
	// T0MS that the series' offsets count from, Unix ms.
	T0MS int64 `json:"t0_ms,omitempty"`
	// Devices that changed: name, presence; with the descriptor only when that changed too, absent = as before.
	Devices []Device `json:"devices,omitempty"`
	// Series: every reading since the dashboard's version, as far as the room keeps them. A waveform that was interrupted comes as several
	// series of one channel.
	Series []LiveSeries `json:"series,omitempty"`
	// Commands that changed, whole.
	Commands []Command `json:"commands,omitempty"`
	// Gaps that became known.
	Gaps []GapRecord `json:"gaps,omitempty"`
	// Filled: history in these spans changed (backfill); a chart that shows them asks again.
	Filled []Span `json:"filled,omitempty"`
}

// LiveSeries is a [Series] on its way to a dashboard.
type LiveSeries struct {
	// Ch is the channel's wire id, "<entity>.<channel>".
	Ch string `json:"ch"`
	// DtMS as in [Series], after the frame's T0.
	DtMS []int64 `json:"dt_ms,omitempty"`
	// StepUS as in [Series].
	StepUS int64 `json:"step_us,omitempty"`
	// V holds the values, oldest first; the last one is the channel's value now.
	V Values `json:"v"`
	// Q holds the quality of each reading; absent = all ok.
	Q []Quality `json:"q,omitempty"`
	// Time quality of the newest; absent = synced.
	Time TimeQuality `json:"time,omitempty"`
	// Cut is true when older readings since the dashboard's version were left out: history has them.
	Cut bool `json:"cut,omitempty"`
}

// Validate checks shapes and bounds.
func (f *LiveHello) Validate() error {
	if len(f.Client) > MaxName {
		return fmt.Errorf("client is over %d bytes", MaxName)
	}
	if len(f.Resume) > MaxRooms {
		return fmt.Errorf("%d rooms, at most %d", len(f.Resume), MaxRooms)
	}
	for _, r := range f.Resume {
		if err := ValidRoom(r.Room); err != nil {
			return err
		}
	}
	return nil
}

// Validate checks shapes and bounds.
func (f *LiveWelcome) Validate() error {
	if f.PingMS <= 0 || f.Credit <= 0 {
		return errors.New("ping_ms and credit must be positive")
	}
	return nil
}

// Validate checks shapes and bounds.
func (f *Join) Validate() error { return ValidRoom(f.Room) }

// Validate checks shapes and bounds.
func (f *Leave) Validate() error { return ValidRoom(f.Room) }

// Validate checks shapes and bounds.
func (f *Seen) Validate() error { return nil }

// Validate checks shapes and bounds.
func (f *Hidden) Validate() error { return nil }

// Validate checks shapes and bounds.
func (f *Ping) Validate() error { return nil }

// Validate checks shapes and bounds.
func (f *Pong) Validate() error { return nil }

// Validate checks shapes and bounds.
func (f *Snapshot) Validate() error {
	if f.Epoch == "" {
		return errors.New("a snapshot needs an epoch")
	}
	return ValidRoom(f.Room)
}

// Validate checks shapes and bounds.
func (f *Delta) Validate() error { return ValidRoom(f.Room) }

// ValidRoom checks a room's name: "fleet", "admin" or "device/<id>".
func ValidRoom(room string) error {
	if room == RoomFleet || room == RoomAdmin {
		return nil
	}
	if id, ok := strings.CutPrefix(room, RoomDevicePrefix); ok && ValidDevice(id) {
		return nil
	}
	return fmt.Errorf("there is no room %q; rooms are fleet, admin and device/<id>", clip([]byte(room)))
}
