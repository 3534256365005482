package command

import (
	"errors"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

func TestAFullDiskHealsWithoutLies(t *testing.T) {
	inBubble(t, newLedger(), func(t *testing.T, b *bench) {
		pi := b.attach("pi")
		c := b.ask(lampOn("1"))
		pi.command(t)
		b.ledger.breakDisk(true)
		if _, err := b.e.Ask(t.Context(), "anna", ring("1")); err == nil {
			t.Error("taken although it could not be stored")
		}
		if f := pi.take(); len(f) != 0 {
			t.Errorf("sent although it was not stored: %+v", f)
		}
		err := b.e.Report(t.Context(), "pi", schema.CommandReport{ID: c.ID, State: schema.StateDone})
		var p *schema.Problem
		if !errors.As(err, &p) || p.Code != schema.CodeUnavailable {
			t.Errorf("report: %v", err)
		}
		if err := b.e.Report(t.Context(), "pi", schema.CommandReport{ID: c.ID, State: schema.StateReceived}); err == nil {
			t.Error("a late report is said to be stored")
		}
		passInBubble(schema.DefaultTTL + AnswerGrace + time.Second) // the hub knows what became of it, and keeps it until it is stored
		b.state(c.ID, schema.StateSent)
		b.ledger.breakDisk(false)
		passInBubble(2 * retryAfter)
		b.state(c.ID, schema.StateDone)
	})
}

func TestAFullStoreIsSaidInWords(t *testing.T) {
	inBubble(t, newLedger(), func(t *testing.T, b *bench) {
		pi := b.attach("pi")
		b.ledger.full = true
		b.refused(lampOn("1"), schema.CodeUnavailable)
		b.ledger.full = false
		b.ask(lampOn("1"))
		pi.command(t)
	})
}

func TestAStoreThatAnswersTooLateIsAskedWhatIsTrue(t *testing.T) {
	inBubble(t, newLedger(), func(t *testing.T, b *bench) {
		b.attach("pi")
		c := b.ask(lampOn("1"))
		b.ledger.late = true // it stores, but the answer does not come in time
		err := b.e.Report(t.Context(), "pi", schema.CommandReport{ID: c.ID, State: schema.StateDone})
		b.ledger.late = false
		var p *schema.Problem
		if !errors.As(err, &p) || p.Code != schema.CodeUnavailable {
			t.Errorf("report: %v", err)
		}
		if last := b.published[len(b.published)-1]; last.State != schema.StateDone {
			t.Errorf("the room still sees it %s", last.State)
		}
	})
}

func TestAClockSetBackDoesNotProlongACommand(t *testing.T) {
	l := newLedger()
	wait := lampOn("1")
	wait.Wait, wait.TTLMS = true, 60_000
	var c schema.Command
	inBubble(t, l, func(_ *testing.T, b *bench) {
		passInBubble(time.Hour)
		c = b.ask(wait)
	})
	inBubble(t, l, func(t *testing.T, b *bench) { // fake time starts again: an hour before it was asked
		if f := b.attach("pi").take(); len(f) != 0 {
			t.Errorf("sent %+v", f)
		}
		b.state(c.ID, schema.StateExpired)
	})
}

func TestADeviceMayKnowWhatARestoredLedgerForgot(t *testing.T) {
	inBubble(t, newLedger(), func(t *testing.T, b *bench) {
		wait := lampOn("1")
		wait.Wait = true
		c := b.ask(wait)
		b.report(c.ID, schema.StateDone)
		if got := b.state(c.ID, schema.StateDone); len(got.Log) != 3 {
			t.Errorf("log %+v", got.Log)
		}
	})
}
