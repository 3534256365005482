package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/telltale-iot/telltale/schema"
)

func newCommand(n int, channel string) schema.Command {
	return schema.Command{ID: fmt.Sprintf("%032x", n), Key: fmt.Sprintf("key-%06d", n), Device: "lamp", Entity: "lamp", Channel: channel,
		Op: schema.OpSet, Value: schema.Bool(true), Actor: "anna", Reason: "dark", AskedMS: testT0, DeadlineMS: testT0 + 10_000,
		State: schema.StateQueued, Log: []schema.CommandStep{{State: schema.StateQueued, AtMS: testT0}}}
}

func create(t *testing.T, s *Store, c schema.Command) schema.Command {
	t.Helper()
	got, existed, err := s.CreateCommand(t.Context(), c, "body")
	if err != nil || existed {
		t.Fatal(existed, err)
	}
	return got
}

func TestTheSameKeyIsTheSameCommand(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	c := create(t, s, newCommand(1, "state"))
	again := newCommand(2, "state")
	again.Key = c.Key
	got, existed, err := s.CreateCommand(t.Context(), again, "body")
	if err != nil || !existed {
		t.Fatal(existed, err)
	}
	equal(t, "the stored one", got, c)
	var p *schema.Problem
	if _, _, err := s.CreateCommand(t.Context(), again, "another body"); !errors.As(err, &p) || p.Code != schema.CodeConflict {
		t.Errorf("another body: %v", err)
	}
	if next := create(t, s, newCommand(3, "state")); next.Seq != c.Seq+1 {
		t.Errorf("seq %d after %d", next.Seq, c.Seq)
	}
	stray := newCommand(4, "state")
	stray.Device = "nobody"
	if _, _, err := s.CreateCommand(t.Context(), stray, "body"); !errors.Is(err, ErrUnknownDevice) {
		t.Errorf("unknown device: %v", err)
	}
}

func TestCommandsComeBackWhole(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	a, b := create(t, s, newCommand(1, "state")), create(t, s, newCommand(2, "brightness"))
	c := create(t, s, newCommand(3, "state"))
	done := schema.CommandReport{ID: a.ID, State: schema.StateSent}
	for _, state := range []schema.CommandState{schema.StateSent, schema.StateRunning, schema.StateFailed} {
		done = schema.CommandReport{ID: a.ID, State: state}
		if state == schema.StateFailed {
			done.Code, done.Message, done.Reported, done.Proof = "readback", "the contact says off", schema.Bool(false), schema.ProofReadback
		}
		var err error
		if a, err = s.StepCommand(t.Context(), testT0+5, done); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.Log) != 4 || a.Log[3].Message != done.Message || a.Reported != done.Reported || a.Proof != done.Proof || a.Code != done.Code {
		t.Errorf("after three steps: %+v", a)
	}
	ctx := t.Context()
	got, ok, err := s.Command(ctx, a.ID)
	equal(t, "by id", got, a)
	if !ok || err != nil {
		t.Error(ok, err)
	}
	byKey, body, ok, err := s.CommandByKey(ctx, a.Key)
	equal(t, "by key", byKey, a)
	if !ok || err != nil || body != "body" {
		t.Error(ok, err, body)
	}
	list := func(what string, want []schema.Command) func([]schema.Command, error) {
		return func(got []schema.Command, err error) {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
			equal(t, what, got, want)
		}
	}
	list("newest first", []schema.Command{c, b, a})(s.Commands(ctx, "lamp", 10, 0))
	list("before", []schema.Command{b})(s.Commands(ctx, "lamp", 1, c.Seq))
	list("open", []schema.Command{b, c})(s.OpenCommands(ctx, "lamp"))
	list("open of all", []schema.Command{b, c})(s.OpenCommands(ctx, ""))
	list("latest", []schema.Command{b, c})(s.LatestCommands(ctx, "lamp"))
}

// TestFinalStatesNeverChange walks commands at random: the store follows the table of transitions and nothing else.
func TestFinalStatesNeverChange(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	rng := rand.New(rand.NewPCG(7, 8))
	states := schema.CommandStates()
	for n := range 12 {
		c := create(t, s, newCommand(n, "state"))
		for range 12 {
			next := states[rng.IntN(len(states))]
			got, err := s.StepCommand(t.Context(), testT0, schema.CommandReport{ID: c.ID, State: next})
			switch allowed := c.State.CanBecome(next); {
			case allowed && err != nil:
				t.Fatalf("%s → %s: %v", c.State, next, err)
			case !allowed && !errors.Is(err, ErrTransition):
				t.Fatalf("%s → %s was not refused: %v", c.State, next, err)
			case allowed:
				c = got
			}
		}
		got, _, err := s.Command(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "command", got, c)
	}
	if _, err := s.StepCommand(t.Context(), testT0, schema.CommandReport{ID: "none", State: schema.StateSent}); !errors.Is(err, ErrUnknownCommand) {
		t.Errorf("unknown command: %v", err)
	}
}

func TestTheLedgerKeepsTheNewestCommands(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	const keep = 3
	if err := s.writer.do(t.Context(), func(w *writer) error { w.keepCommands = keep; return nil }); err != nil {
		t.Fatal(err)
	}
	open := create(t, s, newCommand(1, "state")) // never over, never deleted
	over := func(n int, channel string) {
		c := newCommand(n, channel)
		c.State = schema.StateRejected
		c.Log = append(c.Log, schema.CommandStep{State: c.State, AtMS: testT0})
		create(t, s, c)
	}
	over(2, "brightness")
	for n := 3; n <= 9; n++ {
		over(n, "state")
	}
	ids := func(all []schema.Command, err error) (seqs []uint64) {
		t.Helper()
		for _, c := range all {
			seqs = append(seqs, c.Seq)
			if len(c.Log) == 0 {
				t.Errorf("seq %d has lost its log", c.Seq)
			}
		}
		if err != nil {
			t.Error(err)
		}
		return seqs
	}
	equal(t, "commands", ids(s.Commands(t.Context(), "lamp", 100, 0)), []uint64{9, 8, 7, open.Seq})
	equal(t, "latest", ids(s.LatestCommands(t.Context(), "lamp")), []uint64{9})
	if got := create(t, s, newCommand(2, "state")); got.Seq != 10 {
		t.Errorf("the key of a deleted command: %+v", got)
	}
	var steps int
	if err := s.read.QueryRowContext(t.Context(), `SELECT count(*) FROM command_step`).Scan(&steps); err != nil || steps != 6 {
		t.Errorf("%d steps, want 6 (%v)", steps, err)
	}
}

func TestACommandMayBeginFurtherOn(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	c := newCommand(1, "state")
	c.State, c.Code = schema.StateRejected, "offline"
	c.Log = append(c.Log, schema.CommandStep{State: schema.StateRejected, AtMS: testT0, Message: "lamp is offline"})
	if got := create(t, s, c); len(got.Log) != 2 || got.State != schema.StateRejected {
		t.Errorf("%+v", got)
	}
	bad := newCommand(2, "state")
	bad.State = schema.StateDone
	bad.Log = append(bad.Log, schema.CommandStep{State: schema.StateDone, AtMS: testT0})
	if _, _, err := s.CreateCommand(t.Context(), bad, "body"); !errors.Is(err, ErrTransition) {
		t.Errorf("queued → done: %v", err)
	}
}
