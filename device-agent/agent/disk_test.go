package agent_test

import (
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/device-agent/internal/disk"
	"github.com/telltale-iot/telltale/device-agent/internal/disk/disktest"
	"github.com/telltale-iot/telltale/device-agent/internal/uplink/uplinktest"
	"github.com/telltale-iot/telltale/schema"
)

// onDisks gives the agent disks in memory, to be broken; they outlive it.
func (r *rig) onDisks() (outbox, journal *disktest.Disk) {
	outbox, journal = disktest.New(), disktest.New()
	r.disk = func(path string) (disk.Disk, error) {
		return map[string]disk.Disk{"outbox": outbox, "journal": journal}[filepath.Base(path)], nil
	}
	return outbox, journal
}

func TestBacklogIsSentWhenAReadOnlyDiskBecomesWritable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		box, _ := r.onDisks()
		r.start()
		r.passInBubble(10 * time.Second)
		r.hub.Set(func(k *uplinktest.Knobs) { k.Refuse = schema.Problemf(schema.CodeUnavailable, "down") })
		r.hub.Drop()
		r.passInBubble(time.Minute)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		before := len(r.hub.Stored())
		epoch := r.hub.Heard()[1].(*schema.Hello).Epoch
		box.Fail(func(op, _ string) error {
			if op == "read" {
				return nil
			}
			return syscall.EROFS
		})
		r.hub.Set(func(k *uplinktest.Knobs) { k.Refuse = nil })
		r.start()
		r.passInBubble(time.Minute)
		if n := len(r.hub.Stored()); n < 5 {
			t.Fatalf("with a read-only disk %d frames were sent", n)
		}
		box.Fail(nil)
		r.passInBubble(3 * time.Minute)
		if h := lastHello(r); h.Epoch != epoch {
			t.Fatalf("the agent numbers in %s, its backlog in %s", h.Epoch, epoch)
		}
		if n := len(r.hub.Stored()); n < before+12 || len(r.hub.Missing()) > 0 || r.a.Backlog() > 1 {
			t.Errorf("%d stored after %d before, missing %v, backlog %d", n, before, r.hub.Missing(), r.a.Backlog())
		}
	})
}

// hang makes everything that is asked of the disks wait until release is called.
func hang(disks ...*disktest.Disk) (release func()) {
	over := make(chan struct{})
	for _, d := range disks {
		d.Fail(func(string, string) error { <-over; return nil })
	}
	return sync.OnceFunc(func() { close(over) })
}

func TestStopEndsThoughADiskHangsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		r.fails = true
		box, journal := r.onDisks()
		r.start()
		r.passInBubble(10 * time.Second)
		r.set(1, true)
		r.passInBubble(time.Second)
		if !r.level("GPIO17") {
			t.Fatal("the lamp is not on")
		}
		release := hang(box, journal)
		defer release()
		r.passInBubble(2 * time.Minute) // the outbox wants to note its position
		r.set(2, false)
		began := time.Now()
		err := r.stop()
		if took := time.Since(began); took > 25*time.Second {
			t.Errorf("the stop took %s", took)
		}
		if err == nil || !strings.Contains(err.Error(), "the disk does not come back: outputs are in their safe state") {
			t.Errorf("got %v", err)
		}
		if r.level("GPIO17") {
			t.Error("the lamp is on after the stop")
		}
	})
}

func TestGuardsAndLoopsWorkWhileTheDiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, heated+"heartbeat: 1s\n")
		box, journal := r.onDisks()
		r.clock.Lie(26*365*24*time.Hour, true) // a bubble begins in 2000, which no clock is believed to say
		r.thermometer("15000")
		r.start()
		r.passInBubble(10 * time.Second)
		release := hang(box, journal)
		defer release()
		// Long enough for every queue to fill; each step would be missed by a loop that waits for the disk with an event of its own.
		for range 3 {
			r.thermometer("")
			r.passInBubble(2 * time.Minute)
			if r.level("GPIO18") {
				t.Fatal("heats blindly")
			}
			r.thermometer("15000")
			r.passInBubble(2 * time.Minute)
			if !r.level("GPIO18") {
				t.Fatal("does not heat again")
			}
		}
		release()
		r.passInBubble(5 * time.Minute)
		if m := r.hub.Missing(); len(m) > 0 {
			t.Errorf("neither stored nor told as gaps: %v", m)
		}
		gaps := 0
		for _, f := range r.hub.Stored() {
			if g, ok := f.(*schema.Gap); ok && g.Reason == schema.GapQuota && g.FromMS > 0 && g.ToMS > g.FromMS {
				gaps++
			}
		}
		if gaps != 1 {
			t.Errorf("%d gaps tell of what the disk held up, want 1", gaps)
		}
	})
}

func lastHello(r *rig) *schema.Hello {
	var last *schema.Hello
	for _, f := range r.hub.Heard() {
		if h, ok := f.(*schema.Hello); ok {
			last = h
		}
	}
	return last
}

func TestFramesBesideTheWelcomeAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		r.hub.Set(func(k *uplinktest.Knobs) {
			k.Beside = []schema.Frame{&schema.DeviceCommand{ID: commandID(1), Seq: 1, Entity: "lamp", Channel: "state", Op: schema.OpSet,
				Value: schema.Bool(true), RemainingMS: 10_000, MonoMS: r.hub.MonoMS()}}
		})
		r.start()
		r.passInBubble(3 * time.Second)
		r.final(commandID(1), schema.StateDone)
	})
}
