package room_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/room"
	"github.com/telltale-iot/telltale/schema"
)

func TestWhoIsTooFarBehindForCommandsGetsASnapshot(t *testing.T) {
	rs := fleet(t, room.Options{})
	p := newPage(t, rs)
	p.join(here)
	p.pull()
	step := func(n int) {
		for i := range n {
			rs.PublishCommand("pi", schema.Command{ID: fmt.Sprintf("%032d", i), Seq: uint64(i), Entity: "lamp", Channel: "state", State: schema.StateDone})
		}
	}
	back := func() {
		p.sub.Close()
		p.sub = rs.Subscribe(func() {})
		p.join(schema.RoomPosition{Room: here.Room, Epoch: p.epoch, Ver: p.ver})
		p.pull()
	}
	step(256)
	back()
	if p.snapshots != 1 || len(p.commands) != 256 {
		t.Errorf("%d snapshots, %d commands; want a delta with all 256", p.snapshots, len(p.commands))
	}
	step(257)
	back()
	if p.snapshots != 2 || len(p.commands) != 1 || p.commands[0].Seq != 256 {
		t.Errorf("%d snapshots, %d commands; want a snapshot with the channel's last", p.snapshots, len(p.commands))
	}
}

func TestOpenCommandsAreInTheSnapshot(t *testing.T) {
	rs := fleet(t, room.Options{})
	open := schema.Command{ID: strings.Repeat("a", 32), Seq: 1, Entity: "lamp", Channel: "state", State: schema.StateSent}
	done := schema.Command{ID: strings.Repeat("b", 32), Seq: 2, Entity: "lamp", Channel: "state", State: schema.StateDone}
	rs.PublishCommand("pi", open)
	rs.PublishCommand("pi", done)
	p := newPage(t, rs)
	p.join(here)
	p.pull()
	if len(p.commands) != 2 || p.commands[0].ID != open.ID {
		t.Errorf("%+v", p.commands)
	}
	open.State = schema.StateExpired
	rs.PublishCommand("pi", open)
	p.join(here)
	p.pull()
	if len(p.commands) != 1 || p.commands[0].ID != done.ID {
		t.Errorf("after it is over: %+v", p.commands)
	}
}

func TestOlderReadingsAreTheBusinessOfHistory(t *testing.T) {
	rs := fleet(t, room.Options{})
	p := newPage(t, rs)
	p.join(here)
	rs.Publish(reading("a.state", 100, 5))
	p.pull()
	rs.Publish(reading("a.state", 50, 5))  // all of it older
	rs.Publish(reading("a.state", 102, 5)) // half of it
	p.join(schema.RoomPosition{Room: here.Room, Epoch: p.epoch, Ver: p.ver})
	p.pull()
	if want := []float64{100, 101, 102, 103, 104, 104, 105, 106}; !slices.Equal(p.got, want) {
		t.Errorf("got %v, want %v", p.got, want)
	}
	if len(p.filled) != 1 || p.filled[0] != (schema.Span{FromMS: t0 + 50, ToMS: t0 + 104}) {
		t.Errorf("filled %v", p.filled)
	}
}

func TestOldReadingsAreCutAndSaidToBe(t *testing.T) {
	now := time.Unix(1e9, 0)
	rs := fleet(t, room.Options{Now: func() time.Time { return now }})
	p := newPage(t, rs)
	p.join(here)
	p.pull()
	at := schema.RoomPosition{Room: here.Room, Epoch: p.epoch, Ver: p.ver}
	for i := range 5 {
		rs.Publish(reading("a.state", i, 1))
		now = now.Add(time.Second)
	}
	p.join(at)
	p.pull()
	if !p.cut || p.got[len(p.got)-1] != 4 || len(p.got) > 3 {
		t.Errorf("cut %v, %v", p.cut, p.got)
	}
	if p.snapshots != 1 {
		t.Error("readings may be left out of a delta; no snapshot is needed")
	}
}

func wave(first, n int) schema.Batch {
	b := reading("ecg.state", 0, n)
	b.T0MS, b.Series[0].DtMS, b.Series[0].StepUS = t0+int64(first*8), []int64{0}, 8000
	for i := range b.Series[0].V {
		b.Series[0].V[i] = schema.Number(float64(first + i))
	}
	return b
}

func TestAWaveformIsOneSeriesUntilItIsInterrupted(t *testing.T) {
	rs := fleet(t, room.Options{})
	for _, first := range []int{0, 25, 50, 100, 125} { // 75 to 99 are missing
		rs.Publish(wave(first, 25))
	}
	p := newPage(t, rs)
	p.join(here)
	p.pull()
	if len(p.series) != 2 || len(p.series[0].V) != 75 || len(p.series[1].V) != 50 {
		t.Fatalf("%d series", len(p.series))
	}
	if a, b := p.series[0].DtMS[0], p.series[1].DtMS[0]; b-a != 800 {
		t.Errorf("the second part starts %d ms after the first, want 800", b-a)
	}
}

func TestQualitiesAreKeptBesideReadingsWithoutAny(t *testing.T) {
	rs := fleet(t, room.Options{})
	p := newPage(t, rs)
	p.join(here)
	p.pull()
	bad := reading("a.state", 2, 1)
	bad.Series[0].V[0], bad.Series[0].Q, bad.Time = schema.Value{}, []schema.Quality{schema.QualityFault}, schema.TimeRelative
	rs.Publish(reading("a.state", 0, 2))
	rs.Publish(bad)
	p.join(schema.RoomPosition{Room: here.Room, Epoch: p.epoch, Ver: p.ver})
	p.pull()
	s := p.series[0]
	if !slices.Equal(s.Q, []schema.Quality{"ok", "ok", "fault"}) || s.Time != schema.TimeRelative || !s.V[2].IsNull() {
		t.Errorf("%+v", s)
	}
}

func TestAnotherEpochMeansASnapshot(t *testing.T) {
	rs := fleet(t, room.Options{})
	p := newPage(t, rs)
	p.join(here)
	p.pull()
	for _, at := range []schema.RoomPosition{{Room: here.Room, Epoch: "other", Ver: p.ver}, {Room: here.Room, Epoch: p.epoch, Ver: p.ver + 100}} {
		p.snapshots = 0
		p.join(at)
		p.pull()
		if p.snapshots != 1 {
			t.Errorf("%+v: no snapshot", at)
		}
	}
	first := p.epoch
	rs.Remove("pi")
	rs.PublishDevice(schema.Device{ID: "pi"})
	p.join(schema.RoomPosition{Room: here.Room, Epoch: p.epoch, Ver: p.ver})
	p.pull()
	if p.epoch == first {
		t.Error("a device that was forgotten and came back has the same epoch")
	}
}

func TestTheFleetTellsOfDevicesThatComeChangeAndGo(t *testing.T) {
	rs := fleet(t, room.Options{})
	p := newPage(t, rs)
	p.join(schema.RoomPosition{Room: schema.RoomFleet})
	p.pull()
	if len(p.devices) != 1 {
		t.Fatalf("%+v", p.devices)
	}
	next := func() []schema.Device {
		p.join(schema.RoomPosition{Room: schema.RoomFleet, Epoch: p.epoch, Ver: p.ver})
		p.pull()
		return p.devices
	}
	rs.PublishPresence("pi", schema.Presence{State: schema.PresenceOnline, RTTMS: 3})
	if d := next(); len(d) != 1 || d[0].Presence.State != "online" || d[0].Descriptor != nil {
		t.Errorf("presence: %+v; an unchanged descriptor is left out", d)
	}
	rs.PublishPresence("pi", schema.Presence{State: schema.PresenceOnline, RTTMS: 4})
	if d := next(); len(d) != 0 {
		t.Errorf("a counter that moved is no news for the fleet: %+v", d)
	}
	rs.PublishDevice(schema.Device{ID: "pi", Name: "New", Descriptor: &schema.Descriptor{Name: "Other"}})
	if d := next(); len(d) != 1 || d[0].Descriptor == nil || d[0].Name != "New" {
		t.Errorf("changed: %+v", d)
	}
	rs.Remove("pi")
	if d := next(); len(d) != 1 || !d[0].Removed {
		t.Errorf("removed: %+v", d)
	}
	if err := p.sub.Join(here); err == nil {
		t.Error("joined the room of a device that is gone")
	}
	for i := range 600 {
		id := fmt.Sprintf("d%d", i)
		rs.PublishDevice(schema.Device{ID: id})
		rs.Remove(id)
	}
	if next(); p.snapshots != 2 || len(p.devices) != 0 {
		t.Errorf("%d snapshots, %d devices after more goodbyes than are remembered", p.snapshots, len(p.devices))
	}
}

func TestWatchersAreToldOncePerChange(t *testing.T) {
	var calls []string
	rs := fleet(t, room.Options{OnWatch: func(d string, w bool) { calls = append(calls, fmt.Sprint(d, w)) }})
	a, b := newPage(t, rs), newPage(t, rs)
	a.join(here)
	b.join(here)
	a.join(here)
	a.sub.Leave(here.Room)
	b.sub.Close()
	b.sub.Close()
	a.join(schema.RoomPosition{Room: schema.RoomFleet})
	if want := []string{"pitrue", "pifalse"}; !slices.Equal(calls, want) {
		t.Errorf("%v, want %v", calls, want)
	}
	if rs.Watched("pi") {
		t.Error("still watched")
	}
}

func TestRoomsAreBounded(t *testing.T) {
	rs := fleet(t, room.Options{})
	p := newPage(t, rs)
	for i := range schema.MaxRooms {
		rs.PublishDevice(schema.Device{ID: fmt.Sprintf("d%d", i)})
		p.join(schema.RoomPosition{Room: fmt.Sprintf("device/d%d", i)})
	}
	if err := p.sub.Join(here); err == nil {
		t.Error("one room too many was joined")
	}
	if messages := p.pull(); messages != schema.MaxRooms/schema.MaxFrames || p.snapshots != schema.MaxRooms {
		t.Errorf("%d rooms in %d messages", p.snapshots, messages)
	}
	if err := p.sub.Join(schema.RoomPosition{Room: "device/nobody"}); err == nil {
		t.Error("joined a room that is not there")
	}
}

// TestOrderUnderConcurrency runs every pair of operations at once, for the race detector.
func TestOrderUnderConcurrency(t *testing.T) {
	rs := fleet(t, room.Options{OnWatch: func(string, bool) {}})
	ctx, stop := context.WithCancel(t.Context())
	var all, run sync.WaitGroup
	run.Go(func() { _ = rs.Run(ctx) })
	for g := range 8 {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(g)))
			p := newPage(t, rs)
			for i := range 300 {
				switch rng.IntN(10) {
				case 0:
					_ = p.sub.Join(here)
				case 1:
					p.sub.Leave(here.Room)
				case 2:
					rs.PublishPresence("pi", schema.Presence{State: "online", Backlog: uint64(i)})
				case 3:
					rs.PublishDevice(schema.Device{ID: "pi", Name: fmt.Sprint(i)})
				case 4:
					p.sub.SetHidden(i%2 == 0)
				case 5:
					rs.PublishGap("pi", schema.GapRecord{FromMS: 1, ToMS: 2})
				case 6:
					_, _ = p.sub.Next(nil)
				default:
					rs.Publish(reading(fmt.Sprintf("c%d.state", g), i, 1))
				}
			}
			p.sub.Close()
		})
	}
	all.Wait()
	stop()
	run.Wait()
}
