package store

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestCloseCommitsWhatIsQueued(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{Dir: dir, CommitEvery: time.Hour, slots: testSlots})
	if err != nil {
		t.Fatal(err)
	}
	pair(t, s, "lamp")
	const n = 100
	done := make(chan error, n)
	for seq := range uint64(n) {
		if err := s.Append(numbers("lamp", seq+1, testT0, "t.state", nil, 1), func(err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Append(numbers("lamp", 200, testT0, "t.state", nil, 1), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	if got := audit(t, openAt(t, dir), "lamp"); len(got) != n {
		t.Errorf("%d readings, want %d", len(got), n)
	}
}

func TestAFullQueueSaysSo(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Options{Dir: t.TempDir(), CommitEvery: time.Hour, slots: testSlots})
	if err != nil {
		t.Fatal(err)
	}
	pair(t, s, "lamp")
	release, blocked := make(chan struct{}), make(chan struct{})
	if err := s.writer.push(job{write: func(*writer) error { close(blocked); <-release; return nil }}, true); err != nil {
		t.Fatal(err)
	}
	<-blocked
	full := 0
	for seq := range uint64(maxQueuedJobs + 5) {
		switch err := s.Append(numbers("lamp", 1+seq%8, testT0, "t.state", nil, 1), nil); {
		case errors.Is(err, ErrFull):
			full++
		case err != nil:
			t.Fatal(err)
		}
	}
	if full != 5 {
		t.Errorf("%d refused, want 5", full)
	}
	if err := s.writer.push(job{write: func(*writer) error { return nil }}, true); err != nil {
		t.Errorf("a command in a flood of frames: %v", err)
	}
	var temporary interface{ Temporary() bool }
	if !errors.As(ErrFull, &temporary) || !temporary.Temporary() {
		t.Error("ErrFull is not temporary")
	}
	close(release)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAppendAndCloseFromManyGoroutines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{Dir: dir, CommitEvery: time.Millisecond, slots: testSlots})
	if err != nil {
		t.Fatal(err)
	}
	pair(t, s, "lamp")
	const writers = 8
	acked := make(chan uint64, 1<<16)
	ended := make(chan struct{}, writers)
	for g := range uint64(writers) {
		go func() {
			defer func() { ended <- struct{}{} }()
			for i := range uint64(300) {
				seq := 1 + i*writers + g
				if err := s.Append(numbers("lamp", seq, testT0+int64(i), "t.state", nil, 1), func(err error) {
					if err == nil {
						acked <- seq
					}
				}); errors.Is(err, ErrClosed) {
					return
				}
				if i%128 == 0 {
					if _, _, err := s.Latest(context.Background(), "lamp"); err != nil {
						return // closed
					}
				}
			}
		}()
	}
	for range 500 {
		<-acked
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range writers {
		<-ended
	}
	n := 500 + len(acked)
	if got := audit(t, openAt(t, dir), "lamp"); len(got) != n {
		t.Errorf("%d acked, %d stored", n, len(got))
	}
}

func TestAFullQueueIsCommittedInPieces(t *testing.T) {
	t.Parallel()
	var frames []int // of each commit
	s, err := Open(t.Context(), Options{Dir: t.TempDir(), CommitEvery: time.Hour, slots: testSlots, OnCommit: func(i CommitInfo) { frames = append(frames, i.Frames) }})
	if err != nil {
		t.Fatal(err)
	}
	pair(t, s, "lamp")
	release, blocked := make(chan struct{}), make(chan struct{})
	if err := s.writer.push(job{write: func(*writer) error { close(blocked); <-release; return nil }}, true); err != nil {
		t.Fatal(err)
	}
	<-blocked
	const each = 1000
	const n = maxQueuedReadings / each
	done := make(chan int, n)
	for i := range n {
		b := numbers("lamp", 1, testT0, "t.state", make([]int64, each), make([]float64, each)...) // the same one: it is only written once
		if err := s.Append(b, func(error) { done <- i }); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	for i := range n { // nobody pushes any more: the writer goes on by itself
		if got := <-done; got != i {
			t.Fatalf("frame %d was committed when it was the turn of %d", got, i)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	commits := 0
	for _, f := range frames {
		if f > n/8 {
			t.Errorf("a commit of %d frames: others wait too long for room and for their acks", f)
		}
		if f > 0 {
			commits++
		}
	}
	if commits < 8 {
		t.Errorf("%d commits, want pieces: %v", commits, frames)
	}
}
