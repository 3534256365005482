package agent_test

import (
	"path/filepath"
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
