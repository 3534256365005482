package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const before, each = 60, 2500 // frames of a noisy store, and readings in each

// openNoisy opens a store with readings that do not pack well: a copy takes several steps.
func openNoisy(t *testing.T) *Store {
	t.Helper()
	s := openPaired(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for seq := uint64(1); seq <= before; seq++ {
		noise := make([]float64, each)
		for i := range noise {
			noise[i] = rng.NormFloat64()
		}
		mustAppend(t, s, numbers("lamp", seq, testT0+int64(seq), "t.state", make([]int64, each), noise...))
	}
	return s
}

func TestADiskThatFillsDuringACopyIsToldAndCleanedUp(t *testing.T) {
	t.Parallel()
	disk := tinyDisk(t, 4)
	s := openNoisy(t)
	ballast := filepath.Join(disk, "ballast")
	_, err := s.CopyTo(t.Context(), filepath.Join(disk, "copy.db"), func(float64) {
		_ = os.WriteFile(ballast, make([]byte, 8<<20), 0o600) // as much as there is room for
	})
	if err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(disk); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
	mustAppend(t, s, numbers("lamp", before+1, testT0, "t.state", nil, 1)) // the store is as it was
	if n := len(audit(t, s, "lamp")); n != before*each+1 {
		t.Errorf("%d readings", n)
	}
}

func TestACopyUnderLoadHoldsWhatWasAckedBefore(t *testing.T) {
	t.Parallel()
	s := openNoisy(t)
	file := filepath.Join(t.TempDir(), "copy.db")
	last, steps := 0.0, uint64(0)
	c, err := s.CopyTo(t.Context(), file, func(p float64) {
		if p < last || p > 1 {
			t.Errorf("progress went from %v to %v", last, p)
		}
		if last = p; steps < 100 { // a copy that begins anew at each commit would never end
			steps++
			mustAppend(t, s, numbers("lamp", before+steps, testT0, "t.state", nil, 1))
		}
	})
	if err != nil || last != 1 || c.Readings != before*each || c.Bytes == 0 || steps < 2 || steps > 20 {
		t.Fatalf("%+v, progress %v in %d steps, %v", c, last, steps, err)
	}
	dir := t.TempDir()
	if err := os.Rename(file, filepath.Join(dir, fileName)); err != nil {
		t.Fatal(err)
	}
	stored := map[int64]int{}
	for _, r := range audit(t, openAt(t, dir), "lamp") {
		stored[r.TMS-testT0]++
	}
	for seq := int64(1); seq <= before; seq++ {
		if stored[seq] != each {
			t.Fatalf("seq %d: %d readings of %d", seq, stored[seq], each)
		}
	}
	if len(stored) != before {
		t.Errorf("the copy holds what came after its begin: %d frames", len(stored))
	}
}

func TestACopyThatIsGivenUpLeavesNothing(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	for seq := range uint64(4) { // more than one step
		mustAppend(t, s, numbers("lamp", seq+1, testT0+int64(seq), "t.state", make([]int64, 20_000), make([]float64, 20_000)...))
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.CopyTo(ctx, filepath.Join(dir, "copy.db"), func(float64) { cancel() })
	left, _ := os.ReadDir(dir)
	if !errors.Is(err, context.Canceled) || len(left) != 0 {
		t.Errorf("%v, left behind: %v", err, left)
	}
	if _, err := s.CopyTo(t.Context(), t.TempDir(), nil); err == nil {
		t.Error("a copy took the place of something")
	}
}
