package ingest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

func TestAFailedCommitSendsTheDeviceAwayOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.store.manual = true
		s, _ := b.connect(nil)
		defer s.Close()
		b.take(s, reading(1, 1))
		b.take(s, reading(2, 1))
		b.store.commit(errDisk)
		if a := b.takeAcks(); a != nil {
			t.Errorf("acked: %v", a)
		}
		if len(b.fails) != 1 || b.fails[0].Code != schema.CodeUnavailable || strings.Contains(b.fails[0].Message, "disk") {
			t.Errorf("fails %v", b.fails)
		}
		young, _ := b.connect(func(h *schema.Hello) { h.First, h.Last = 1, 2 })
		defer young.Close()
		b.take(young, reading(1, 1))
		b.store.commit(nil)
		equal(t, "acks", b.takeAcks(), [][]schema.Range{{{1, 1}}})
	})
}

func TestAFrameTheStoreRefusesBecomesAGap(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.store.manual = true
		s, _ := b.connect(nil)
		defer s.Close()
		measured := nowMS()
		b.take(s, reading(1, 1))
		b.store.commit(fmt.Errorf("commit: %w", refusal{}))
		b.takeAcks()
		if len(b.fails) != 0 || len(b.store.pending) != 1 {
			t.Fatalf("fails %v, %d writes wait; want the gap", b.fails, len(b.store.pending))
		}
		b.store.commit(nil)
		equal(t, "acks", b.takeAcks(), [][]schema.Range{{{1, 1}}})
		if g := b.store.gaps; len(g) != 1 || g[0].Reason != schema.GapRefused || g[0].FromMS != measured || len(b.screen.gaps) != 1 {
			t.Errorf("gaps %+v, shown %+v", g, b.screen.gaps)
		}
		b.take(s, reading(2, 1))
		b.store.commit(refusal{})
		b.store.commit(refusal{}) // the gap too
		if b.takeAcks(); len(b.fails) != 1 || len(b.store.pending) != 0 {
			t.Errorf("fails %v, %d writes wait", b.fails, len(b.store.pending))
		}
	})
}

func TestAFullQueueHoldsOnlyThisDevice(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s, _ := b.connect(nil)
		defer s.Close()
		b.store.full = true
		time.AfterFunc(time.Second, func() {
			b.store.mu.Lock()
			defer b.store.mu.Unlock()
			b.store.full = false
		})
		began := time.Now()
		b.take(s, reading(1, 1))
		if took := time.Since(began); took < time.Second || took > time.Second+2*fullRetry {
			t.Errorf("waited %s", took)
		}
		b.store.full = true
		p := s.Readings(reading(2, 1))
		if p == nil || p.Code != schema.CodeUnavailable || p.Seq != 0 {
			t.Errorf("after %s: %v, want unavailable without a seq: the frame must come again", fullPatience, p)
		}
		if b.takeAcks(); len(b.fails) != 1 { // the device sends again only on a new connection
			t.Errorf("the connection is closed %d times, want once", len(b.fails))
		}
	})
}

func TestAnEndedConnectionDoesNotWaitForAFullQueue(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		ctx, cut := context.WithCancel(t.Context())
		s, _, err := b.in.Open(ctx, hello(nil), Link{Fail: func(*schema.Problem) {}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		b.store.full = true
		time.AfterFunc(time.Second, cut)
		began := time.Now()
		if p := s.Event(&schema.Event{Seq: 1, Type: "started"}); p == nil || p.Code != schema.CodeUnavailable {
			t.Errorf("got %v", p)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("waited %s, want until the connection ended", took)
		}
	})
}
