package command

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// TestAnyHistoryKeepsTheTable drives asks, reports, cancels, reconnects and time at random. The ledger refuses what the table forbids;
// here it is held that every command ends, ends once, and is never sent with time left after its deadline.
func TestAnyHistoryKeepsTheTable(t *testing.T) {
	for seed := range uint64(40) {
		l := newLedger()
		inBubble(t, l, func(_ *testing.T, b *bench) { randomHistory(b, rand.New(rand.NewPCG(seed, 9))) })
		ended := map[string]bool{}
		for _, c := range l.steps {
			if ended[c.ID] {
				t.Fatalf("seed %d: %s changed after its end: %+v", seed, c.ID, c.Log)
			}
			ended[c.ID] = c.State.Final()
		}
		for id, over := range ended {
			if !over {
				t.Fatalf("seed %d: %s never ended", seed, id)
			}
		}
	}
}

func randomHistory(b *bench, rng *rand.Rand) {
	states := schema.CommandStates()
	pi := b.attach("pi")
	attached := true
	flying := map[string]string{} // entity → id, by what was sent on this connection
	for step := range 120 {
		switch rng.IntN(7) {
		case 0, 1:
			a := lampOn(fmt.Sprintf("%d", step))
			if rng.IntN(3) == 0 {
				a = ring(fmt.Sprintf("%d", step))
			}
			a.TTLMS, a.Wait = 1+rng.Int64N(20_000), a.Op == schema.OpSet && rng.IntN(2) == 0
			_, _ = b.e.Ask(b.t.Context(), "anna", a) // offline and busy are part of it
		case 2, 3:
			if c := b.ledger.any(rng); c.ID != "" && c.State != schema.StateQueued { // the device does not know a queued one
				_ = b.e.Report(b.t.Context(), "pi", schema.CommandReport{ID: c.ID, State: states[2+rng.IntN(len(states)-2)]})
			}
		case 4:
			_, _ = b.e.Cancel(b.t.Context(), "ben", b.ledger.any(rng).ID)
		case 5:
			passInBubble(time.Duration(rng.Int64N(15_000)) * time.Millisecond)
		case 6:
			if attached {
				pi.detach()
			} else {
				pi = b.attach("pi")
			}
			attached = !attached
			clear(flying)
		}
		for _, f := range pi.take() {
			if c, ok := f.(*schema.DeviceCommand); ok {
				checkSent(b, c, flying)
			}
		}
	}
	if !attached {
		pi = b.attach("pi")
	}
	passInBubble(20*time.Second + AnswerGrace + 5*time.Second)
	synctest.Wait()
	pi.detach()
}

// checkSent holds that a command that is sent is in flight alone on its entity.
func checkSent(b *bench, c *schema.DeviceCommand, flying map[string]string) {
	b.t.Helper()
	now, ok, err := b.ledger.Command(b.t.Context(), c.ID)
	if err != nil || !ok {
		b.t.Fatal(ok, err)
	}
	if other, ok := flying[c.Entity]; ok && other != c.ID {
		if o, _, err := b.ledger.Command(b.t.Context(), other); err != nil || !o.State.Final() && !now.State.Final() {
			b.t.Fatalf("%s and %s are in flight on %s", other, c.ID, c.Entity)
		}
	}
	flying[c.Entity] = c.ID
}
