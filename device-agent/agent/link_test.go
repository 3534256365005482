package agent_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/device-agent/internal/uplink/uplinktest"
	"github.com/telltale-iot/telltale/schema"
)

func TestRestartGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		r.start()
		r.passInBubble(10 * time.Second)
		r.hub.Set(func(k *uplinktest.Knobs) { k.Refuse = schema.Problemf(schema.CodeUnavailable, "down") })
		r.hub.Drop()
		r.passInBubble(30 * time.Second)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		r.hub.Set(func(k *uplinktest.Knobs) { k.Refuse = nil })
		r.start()
		r.passInBubble(2 * time.Minute)
		if m := r.hub.Missing(); len(m) > 0 {
			t.Errorf("missing %v", m)
		}
		for seq, f := range r.hub.Stored() {
			if f.Kind() == "gap" {
				t.Errorf("a clean restart made a gap at %d: %+v", seq, f)
			}
		}
		if got := r.events(); strings.Count(got, "started") != 2 || strings.Count(got, "stopping") != 1 {
			t.Errorf("events: %s", got)
		}
	})
}

func TestWithheldAcksFillTheWindowAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		r.hub.Set(func(k *uplinktest.Knobs) { k.Silent, k.Window = true, 8 })
		r.start()
		r.passInBubble(time.Minute)
		if n := len(r.hub.Order()); n != 8 {
			t.Errorf("%d frames are under way, the window is 8", n)
		}
		r.hub.Set(func(k *uplinktest.Knobs) { k.Silent = false })
		r.hub.Drop()
		r.passInBubble(2 * time.Minute)
		if m := r.hub.Missing(); len(m) > 0 || r.a.Backlog() > 1 {
			t.Errorf("missing %v, backlog %d", m, r.a.Backlog())
		}
	})
}

func TestRefusedFrameBecomesAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		r.hub.Set(func(k *uplinktest.Knobs) { k.RefuseSeq = 4 })
		r.start()
		r.passInBubble(20 * time.Second)
		g, ok := r.hub.Stored()[4].(*schema.Gap)
		if !ok || g.Reason != schema.GapRefused || g.Last != 4 {
			t.Errorf("4 is %+v", r.hub.Stored()[4])
		}
		if m := r.hub.Missing(); len(m) > 0 || r.a.Backlog() > 1 {
			t.Errorf("missing %v, backlog %d", m, r.a.Backlog())
		}
	})
}

func TestRestoredHubGetsWhatItLostOrAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		r.hub.Set(func(k *uplinktest.Knobs) { k.HoldSeq = 1 }) // so that everything behind it is acked out of order
		r.start()
		r.passInBubble(20 * time.Second)
		r.hub.Set(func(k *uplinktest.Knobs) { k.HoldSeq = 0 })
		r.hub.Restore()
		r.hub.Drop()
		r.passInBubble(20 * time.Second)
		if m := r.hub.Missing(); len(m) > 0 {
			t.Errorf("neither stored nor told as gaps: %v", m)
		}
		if _, isEvent := r.hub.Stored()[1].(*schema.Event); !isEvent {
			t.Errorf("1 is %+v, want the frame that was never acked", r.hub.Stored()[1])
		}
	})
}

func TestFlappingLinkIsTriedWithRestraint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		r.start()
		r.passInBubble(3 * time.Second)
		before := r.hub.Attempts()
		for range 5 * 60 * 5 {
			r.passInBubble(200 * time.Millisecond)
			r.hub.Drop()
		}
		if n := r.hub.Attempts() - before; n > 35 {
			t.Errorf("%d attempts in 5 minutes", n)
		}
		r.passInBubble(3 * time.Minute)
		if m := r.hub.Missing(); len(m) > 0 {
			t.Errorf("missing %v", m)
		}
	})
}

func TestHubThatSaysNoIsAskedEveryFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, strings.Replace(lampAndThermometer, "interval: 1s", "interval: 15s", 1))
		r.start()
		r.passInBubble(3 * time.Second)
		r.hub.Set(func(k *uplinktest.Knobs) {
			k.Refuse = schema.Problemf(schema.CodeQuarantined, "two machines use one key")
		})
		r.hub.Drop()
		r.passInBubble(time.Minute)
		before := r.hub.Attempts()
		r.passInBubble(30 * time.Minute)
		if n := r.hub.Attempts() - before; n < 5 || n > 8 {
			t.Errorf("%d attempts in 30 minutes", n)
		}
		r.hub.Set(func(k *uplinktest.Knobs) { k.Refuse = nil })
		r.passInBubble(7 * time.Minute)
		if m := r.hub.Missing(); len(m) > 0 || r.a.Backlog() > 1 {
			t.Errorf("sampling went on: missing %v, backlog %d", m, r.a.Backlog())
		}
	})
}

func TestAnotherHubGetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		r.start()
		r.passInBubble(5 * time.Second)
		r.hub.Set(func(k *uplinktest.Knobs) { k.ID = "hub-2" })
		r.hub.Drop()
		heard := len(r.hub.Heard())
		r.passInBubble(10 * time.Minute)
		if n := len(r.hub.Heard()) - heard; n != 0 {
			t.Errorf("%d frames went to a hub the device was not paired with", n)
		}
	})
}

func TestHalfOpenLinkIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		var mute atomic.Bool
		r.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := r.hub.Dial(ctx, network, addr)
			return &swallow{Conn: c, mute: &mute}, err
		}
		r.start()
		r.passInBubble(5 * time.Second)
		if !r.a.Connected() {
			t.Fatal("not connected")
		}
		mute.Store(true)
		r.passInBubble(26 * time.Second)
		if r.a.Connected() {
			t.Error("still believes in the link after 26 s")
		}
		mute.Store(false)
		r.passInBubble(2 * time.Minute)
		if m := r.hub.Missing(); len(m) > 0 || r.hub.Links() < 2 {
			t.Errorf("missing %v, links %d", m, r.hub.Links())
		}
	})
}

// swallow is a connection that takes everything and gives nothing while it is mute.
type swallow struct {
	net.Conn
	mute *atomic.Bool
}

func (s *swallow) Write(p []byte) (int, error) {
	if s.mute.Load() {
		return len(p), nil
	}
	return s.Conn.Write(p)
}

func (s *swallow) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	for err == nil && s.mute.Load() {
		n, err = s.Conn.Read(p)
	}
	return n, err
}

func TestLinkCutAfterAnyByteLosesNothing(t *testing.T) {
	for cut := 200; cut < 3000; cut += 487 {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, lampAndThermometer)
			var left atomic.Int64
			left.Store(int64(cut))
			r.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := r.hub.Dial(ctx, network, addr)
				return &cutting{Conn: c, left: &left}, err
			}
			r.hub.Tolerate()
			r.start()
			r.passInBubble(10 * time.Second)
			r.set2(1)
			r.passInBubble(2 * time.Minute)
			if m := r.hub.Missing(); len(m) > 0 || r.a.Backlog() > 1 {
				t.Errorf("cut after %d bytes: missing %v, backlog %d", cut, m, r.a.Backlog())
			}
			if n := len(r.host.Line("GPIO17").Moves()); n > 2 {
				t.Errorf("cut after %d bytes: the lamp moved %d times", cut, n)
			}
		})
	}
}

// set2 sends a command if there is somebody to hear it.
func (r *rig) set2(id int) {
	if r.a.Connected() {
		r.set(id, true)
	}
}

// cutting is a connection that breaks once, after so many bytes written.
type cutting struct {
	net.Conn
	left *atomic.Int64
}

func (c *cutting) Write(p []byte) (int, error) {
	before := c.left.Add(-int64(len(p))) + int64(len(p))
	if before > 0 && before < int64(len(p)) {
		n, err := c.Conn.Write(p[:before])
		if err == nil {
			err = io.ErrClosedPipe
		}
		c.Conn.Close()
		return n, err
	}
	return c.Conn.Write(p)
}

func TestUnpairedDeviceFarAwayAsksForACode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		var out strings.Builder
		r.logTo(&out)
		r.hubURL = "http://hub.example"
		r.start()
		r.passInBubble(time.Minute)
		if strings.Count(out.String(), "not encrypted") != 1 {
			t.Errorf("plain http to another machine is to be warned of once: %s", out.String())
		}
		if r.hub.Links() != 0 || !strings.Contains(out.String(), "--code") {
			t.Errorf("links %d, log %s", r.hub.Links(), out.String())
		}
	})
}

func TestKeyIsPrivateAndDamagedKeyIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		r.start()
		r.passInBubble(3 * time.Second)
		info, err := os.Stat(filepath.Join(r.dir, "key"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("key: %v %v", info.Mode(), err)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(r.dir, "key"), []byte("junk"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := r.open(); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("got %v", err)
		}
	})
}
