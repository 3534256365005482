package command

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

func TestALifeFromAskToDone(t *testing.T) {
	inBubble(t, newLedger(), func(t *testing.T, b *bench) {
		pi := b.attach("pi")
		c := b.ask(lampOn("1"))
		sent := pi.command(t)
		if sent.ID != c.ID || sent.Seq != 1 || sent.Channel != "state" || sent.RemainingMS != schema.DefaultTTL.Milliseconds() || sent.Actor != "anna" {
			t.Errorf("sent %+v", sent)
		}
		for _, s := range []schema.CommandState{schema.StateReceived, schema.StateRunning} {
			b.report(c.ID, s)
		}
		if err := b.e.Report(t.Context(), "pi", schema.CommandReport{ID: c.ID, State: schema.StateDone, Reported: schema.Bool(true), Proof: schema.ProofReadback}); err != nil {
			t.Fatal(err)
		}
		done := b.state(c.ID, schema.StateDone)
		if done.Reported != schema.Bool(true) || done.Proof != schema.ProofReadback || len(done.Log) != 5 {
			t.Errorf("%+v", done)
		}
		b.report(c.ID, schema.StateDone) // again: it is over
		b.report(c.ID, schema.StateFailed)
		b.state(c.ID, schema.StateDone)
		var states []schema.CommandState
		for _, p := range b.published {
			states = append(states, p.State)
		}
		if fmt.Sprint(states) != "[sent received running done]" {
			t.Errorf("published %v", states)
		}
	})
}

func TestRefusalsAreInWordsWithTheKey(t *testing.T) {
	inBubble(t, newLedger(), func(t *testing.T, b *bench) {
		b.attach("pi")
		with := func(change func(a *schema.Ask)) schema.Ask {
			a := lampOn("x" + fmt.Sprint(time.Now().UnixNano()))
			change(&a)
			return a
		}
		b.refused(with(func(a *schema.Ask) { a.Key = "short" }), schema.CodeBadFrame)
		b.refused(with(func(a *schema.Ask) { a.TTLMS = -1 }), schema.CodeBadFrame)
		b.refused(with(func(a *schema.Ask) { a.Device = "nobody" }), schema.CodeUnknownDevice)
		b.refused(with(func(a *schema.Ask) { a.Device = "new" }), schema.CodeUnknownTarget)
		b.refused(with(func(a *schema.Ask) { a.Entity = "heater" }), schema.CodeUnknownTarget)
		b.refused(with(func(a *schema.Ask) { a.Entity, a.Value = "t", schema.Number(1) }), schema.CodeUnknownTarget)
		b.refused(with(func(a *schema.Ask) { a.Op, a.Value = schema.OpPulse, schema.Value{} }), schema.CodeUnknownTarget)
		b.refused(with(func(a *schema.Ask) { a.Value = schema.Number(1) }), schema.CodeOutOfRange)
		b.refused(with(func(a *schema.Ask) { a.Channel, a.Value = "brightness", schema.Number(100.5) }), schema.CodeOutOfRange)
		b.refused(with(func(a *schema.Ask) { a.Channel, a.Value = "brightness", schema.Value{} }), schema.CodeOutOfRange)
		b.refused(with(func(a *schema.Ask) { a.Entity, a.Value = "mode", schema.Text("c") }), schema.CodeOutOfRange)
		long := ring("pulse-long")
		long.Value = schema.Number(maxPulseMS + 1)
		b.refused(long, schema.CodeOutOfRange)
		if len(b.published) != 0 {
			t.Errorf("a refusal was published: %+v", b.published)
		}
	})
}

func TestTheSameKeyIsTheSameCommand(t *testing.T) {
	inBubble(t, newLedger(), func(t *testing.T, b *bench) {
		pi := b.attach("pi")
		c := b.ask(lampOn("1"))
		pi.command(t)
		if again := b.ask(lampOn("1")); again.ID != c.ID {
			t.Errorf("asked again: %s, not %s", again.ID, c.ID)
		}
		b.report(c.ID, schema.StateDone)
		if again := b.ask(lampOn("1")); again.ID != c.ID || again.State != schema.StateDone {
			t.Errorf("asked again after the end: %+v", again)
		}
		other := lampOn("1")
		other.Value = schema.Bool(false)
		b.refused(other, schema.CodeConflict)
		if f := pi.take(); len(f) != 0 {
			t.Errorf("sent again: %+v", f)
		}
	})
}

func TestHundredAsksWithOneKeyAreOneCommand(t *testing.T) {
	inBubble(t, newLedger(), func(t *testing.T, b *bench) {
		pi := b.attach("pi")
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { b.ask(lampOn("1")) })
		}
		all.Wait()
		pi.command(t)
	})
}

func TestOfflineIsRefusedAtOnceUnlessASetMayWait(t *testing.T) {
	inBubble(t, newLedger(), func(t *testing.T, b *bench) {
		for _, a := range []schema.Ask{lampOn("set"), ring("pulse")} {
			c := b.refused(a, schema.CodeOffline)
			b.state(c.ID, schema.StateRejected)
			if again := b.refused(a, schema.CodeOffline); again.ID != c.ID {
				t.Error("asked again: another command")
			}
		}
		wait := lampOn("wait")
		wait.Wait, wait.TTLMS = true, 60_000
		c := b.ask(wait)
		b.state(c.ID, schema.StateQueued)
		passInBubble(20 * time.Second)
		pi := b.attach("pi")
		if sent := pi.command(t); sent.ID != c.ID || sent.RemainingMS != 40_000 {
			t.Errorf("sent %+v", sent)
		}
		b.report(c.ID, schema.StateDone)
		pi.detach()
		wait.Key = "wish-key-late"
		late := b.ask(wait)
		passInBubble(61 * time.Second)
		b.state(late.ID, schema.StateExpired)
		if f := b.attach("pi").take(); len(f) != 0 {
			t.Errorf("sent after its deadline: %+v", f)
		}
	})
}

func TestNewestSetWinsAndOneIsInFlightPerEntity(t *testing.T) {
	inBubble(t, newLedger(), func(t *testing.T, b *bench) {
		pi := b.attach("pi")
		first := b.ask(lampOn("1"))
		pi.command(t)
		var dims []schema.Command
		for i := range 4 {
			dims = append(dims, b.ask(schema.Ask{Key: fmt.Sprintf("wish-key-dim-%d", i), Device: "pi", Entity: "lamp", Channel: "brightness",
				Op: schema.OpSet, Value: schema.Number(float64(i * 10))}))
		}
		bell := b.ask(ring("1")) // another entity does not wait
		if sent := pi.command(t); sent.ID != bell.ID {
			t.Errorf("sent %+v", sent)
		}
		for _, c := range dims[:3] {
			if got := b.state(c.ID, schema.StateCanceled); got.Code != "replaced" {
				t.Errorf("%+v", got)
			}
		}
		b.state(dims[3].ID, schema.StateQueued)
		b.report(first.ID, schema.StateFailed)
		if sent := pi.command(t); sent.ID != dims[3].ID {
			t.Errorf("sent %+v", sent)
		}
	})
}

func TestAnUnansweredCommandIsAskedAgainAndEnds(t *testing.T) {
	inBubble(t, newLedger(), func(t *testing.T, b *bench) {
		pi := b.attach("pi")
		c := b.ask(lampOn("1"))
		pi.command(t)
		pi.detach()
		passInBubble(4 * time.Second)
		pi = b.attach("pi")
		if again := pi.command(t); again.ID != c.ID || again.RemainingMS != 6_000 {
			t.Errorf("sent again %+v", again)
		}
		pi.detach()
		passInBubble(time.Hour) // long over
		b.state(c.ID, schema.StateSent)
		pi = b.attach("pi")
		if again := pi.command(t); again.RemainingMS != 0 {
			t.Errorf("sent to be run after its deadline: %+v", again)
		}
		passInBubble(AnswerGrace - time.Second)
		b.state(c.ID, schema.StateSent)
		passInBubble(2 * time.Second)
		b.state(c.ID, schema.StateUnknown)
	})
}

func TestASilentDeviceLeavesTheTruthUnknown(t *testing.T) {
	for _, last := range []schema.CommandState{schema.StateSent, schema.StateReceived, schema.StateRunning} {
		t.Run(string(last), func(t *testing.T) {
			inBubble(t, newLedger(), func(t *testing.T, b *bench) {
				b.attach("pi")
				c := b.ask(lampOn("1"))
				if last != schema.StateSent {
					b.report(c.ID, last)
				}
				passInBubble(schema.DefaultTTL + AnswerGrace - time.Second)
				b.state(c.ID, last)
				passInBubble(2 * time.Second)
				b.state(c.ID, schema.StateUnknown)
				b.report(c.ID, schema.StateDone) // too late: it has its end
				b.state(c.ID, schema.StateUnknown)
			})
		})
	}
}

func TestWhatWasNeverWrittenExpires(t *testing.T) {
	inBubble(t, newLedger(), func(t *testing.T, b *bench) {
		pi := b.attach("pi")
		pi.err = errors.New("broken pipe")
		c := b.ask(lampOn("1"))
		b.state(c.ID, schema.StateSent)
		pi.detach()
		passInBubble(schema.DefaultTTL + absentGrace + time.Second)
		b.state(c.ID, schema.StateExpired)
	})
}

func TestAPulseNeverOutlivesItsConnection(t *testing.T) {
	inBubble(t, newLedger(), func(t *testing.T, b *bench) {
		pi := b.attach("pi")
		first, second := b.ask(ring("1")), b.ask(ring("2"))
		pi.command(t)
		b.state(second.ID, schema.StateQueued)
		pi.detach()
		b.state(second.ID, schema.StateRejected)
		b.state(first.ID, schema.StateSent)
		if sent := b.attach("pi").command(t); sent.ID != first.ID {
			t.Errorf("sent %+v", sent)
		}
	})
}

func TestTooManyPendingCommandsAreRefused(t *testing.T) {
	inBubble(t, newLedger(), func(t *testing.T, b *bench) {
		b.attach("pi")
		for i := range schema.MaxPending {
			b.ask(ring(fmt.Sprintf("many-%d", i)))
		}
		b.refused(ring("one-more"), schema.CodeBusy)
		if again := b.ask(ring("many-3")); again.Key != "pulse-key-many-3" {
			t.Errorf("an old key is refused too: %+v", again)
		}
	})
}

func TestCancel(t *testing.T) {
	inBubble(t, newLedger(), func(t *testing.T, b *bench) {
		pi := b.attach("pi")
		cancel := func(id string, want schema.Code) schema.Command {
			t.Helper()
			c, err := b.e.Cancel(t.Context(), "ben", id)
			var p *schema.Problem
			if want == "" && err != nil || want != "" && (!errors.As(err, &p) || p.Code != want) {
				t.Fatalf("cancel: %v, want %q", err, want)
			}
			return c
		}
		cancel("00", schema.CodeNotFound)
		first, second := b.ask(ring("1")), b.ask(ring("2"))
		pi.command(t)
		if c := cancel(second.ID, ""); c.State != schema.StateCanceled || c.Message != "canceled by ben" {
			t.Errorf("%+v", c)
		}
		cancel(second.ID, "") // again
		if c := cancel(first.ID, ""); c.State != schema.StateSent {
			t.Errorf("the device decides, not the hub: %+v", c)
		}
		if f := pi.take(); len(f) != 1 || f[0].(*schema.Cancel).ID != first.ID {
			t.Errorf("sent %+v", f)
		}
		pi.detach()
		pi = b.attach("pi")
		if f := pi.take(); len(f) != 2 || f[1].(*schema.Cancel).ID != first.ID {
			t.Errorf("after the reconnect: %+v", f)
		}
		b.report(first.ID, schema.StateRunning)
		cancel(first.ID, schema.CodeConflict)
		b.report(first.ID, schema.StateDone)
		cancel(first.ID, schema.CodeConflict)
	})
}

func TestADeviceReportsOnlyItsOwnCommands(t *testing.T) {
	inBubble(t, newLedger(), func(t *testing.T, b *bench) {
		b.attach("pi")
		c := b.ask(lampOn("1"))
		for id, want := range map[string]schema.Code{c.ID: schema.CodeForbidden, "00": schema.CodeNotFound} {
			err := b.e.Report(t.Context(), "pi-2", schema.CommandReport{ID: id, State: schema.StateDone})
			var p *schema.Problem
			if !errors.As(err, &p) || p.Code != want {
				t.Errorf("%s: %v", id, err)
			}
		}
		b.state(c.ID, schema.StateSent)
	})
}

func TestTheNewestConnectionHoldsTheDevice(t *testing.T) {
	inBubble(t, newLedger(), func(t *testing.T, b *bench) {
		old := b.attach("pi")
		young := b.attach("pi")
		old.detach() // late, as a replaced connection does
		c := b.ask(lampOn("1"))
		if sent := young.command(t); sent.ID != c.ID || len(old.take()) != 0 {
			t.Error("the old connection is still used")
		}
	})
}

func TestARestartedHubTakesUpWhatWasOpen(t *testing.T) {
	l := newLedger()
	var queued, sent, pulse schema.Command
	inBubble(t, l, func(t *testing.T, b *bench) {
		pi := b.attach("pi")
		sent = b.ask(lampOn("sent"))
		wait := lampOn("wait")
		wait.Wait, wait.TTLMS = true, 60_000
		queued = b.ask(wait)
		b.ask(ring("1"))
		pulse = b.ask(ring("2"))
		pi.take()
		b.stop()
		if _, err := b.e.Ask(t.Context(), "anna", lampOn("late")); err == nil {
			t.Error("a stopped engine took a command")
		}
	})
	inBubble(t, l, func(t *testing.T, b *bench) { // fake time starts again at the same moment
		b.state(pulse.ID, schema.StateRejected)
		b.state(queued.ID, schema.StateQueued)
		pi := b.attach("pi")
		if f := pi.take(); len(f) != 2 || f[0].(*schema.DeviceCommand).ID != sent.ID {
			t.Errorf("sent again %+v", f)
		}
		b.report(sent.ID, schema.StateDone)
		if c := pi.command(t); c.ID != queued.ID {
			t.Errorf("sent %+v", c)
		}
	})
}
