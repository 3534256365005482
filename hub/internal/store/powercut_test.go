package store

import (
	"cmp"
	"crypto/ed25519"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/internal/crashfs"
)

const (
	// cutsEnv asks for more power cuts than cutsUsual.
	cutsEnv   = "TELLTALE_POWER_CUTS"
	cutsUsual = 64
	// cutsPerDisk is how many cuts one disk goes through; what it holds is read back after each.
	cutsPerDisk = 8
	// diskBytes is small, so that ballast is.
	diskBytes = 64 << 20
)

// cutMoment says where the power is cut.
type cutMoment string

const (
	atOpen       cutMoment = "at open"       // in opening what the last cut left
	anywhere     cutMoment = "anywhere"      // mostly in a commit
	inClose      cutMoment = "in close"      // in the checkpoint of a clean end
	inCheckpoint cutMoment = "in checkpoint" // in one under load
	afterClose   cutMoment = "after close"   // when nothing is under way
)

// life is one store after another on a disk whose power is cut again and again.
type life struct {
	t      *testing.T
	rng    *rand.Rand
	disk   *crashfs.Disk
	unsafe bool // synchronous=NORMAL
	wide   bool // see plan

	sent  uint64
	acked map[uint64]bool
	lost  map[uint64]bool
	name  string         // hub id and generation
	hit   map[string]int // cuts by file and kind of operation
}

// newDisk returns a disk with a store that has the device "lamp". Cut gives copies of it.
func newDisk(t *testing.T) *crashfs.Disk {
	t.Helper()
	d := crashfs.New()
	d.Room(diskBytes)
	dir, unmount := crashfs.Mounted(t, d)
	if says, err := runWorker(t, plan{Dir: dir, Make: true}, nil); err != nil {
		t.Fatal(says, err)
	}
	unmount()
	return d
}

func newLife(t *testing.T, d *crashfs.Disk, seed uint64) *life {
	rng := rand.New(rand.NewPCG(seed, 7))
	return &life{t: t, rng: rng, disk: d.Cut(rng), acked: map[uint64]bool{}, lost: map[uint64]bool{}, hit: map[string]int{}}
}

// live mounts the disk, lets a worker write until the power goes, and looks at what is left.
func (l *life) live(m cutMoment) {
	l.t.Helper()
	rounds := map[cutMoment]int{atOpen: 1, anywhere: 60, inClose: 4, inCheckpoint: 60, afterClose: 4}[m]
	again := min(l.sent, 20) // frames of the last life that are sent a second time
	dir, unmount := crashfs.Mounted(l.t, l.disk)
	cut := l.arm(m)
	says, err := runWorker(l.t, plan{Dir: dir, From: l.sent + 1 - again, Rounds: rounds, Seed: l.rng.Uint64(), Wide: l.wide, Unsafe: l.unsafe},
		func(seq uint64, refused string) {
			l.sent = max(l.sent, seq+framesPerRound) // it may have sent a round more than it told of
			if refused == "" {
				l.acked[seq] = true
			}
		})
	unmount()
	l.disk.Fail(nil)
	if *cut != "" {
		l.hit[*cut]++
	} else if err != nil {
		l.t.Fatalf("%s: the worker ended without a cut: %s %v", m, says, err)
	}
	l.disk = l.disk.Cut(l.rng)
	l.check()
}

// arm cuts the power at a moment and returns where it did; "" = not yet.
func (l *life) arm(m cutMoment) *string {
	left := 1 + l.rng.IntN(map[cutMoment]int{atOpen: 25, anywhere: 150, inClose: 6, inCheckpoint: 30, afterClose: 1}[m])
	where := new(string)
	l.disk.Fail(func(op crashfs.Op) error {
		if m == afterClose || (m == inClose || m == inCheckpoint) && op.Name != fileName {
			return nil
		}
		if left--; left > 0 {
			return nil
		}
		*where = op.Name + " " + string(op.Kind)
		return crashfs.ErrPowerCut
	})
	return where
}

// check opens a copy of what is on the medium and compares it with what was acked.
func (l *life) check() {
	l.t.Helper()
	dir := l.t.TempDir()
	if err := l.disk.Export(dir); err != nil {
		l.t.Fatal(err)
	}
	s, err := Open(l.t.Context(), workOptions(dir))
	if err != nil {
		l.t.Fatalf("what a power cut left does not open: %v", err)
	}
	defer s.Close()
	stored := workStored(l.t, s, l.wide)
	for seq := range l.acked {
		if !stored[seq] {
			l.lost[seq] = true
		}
	}
	checkReceived(l.t, s, stored)
	if g := s.HubID() + s.Generation(); g != cmp.Or(l.name, g) {
		l.t.Errorf("a power cut made another generation: %s, was %s", g, l.name)
	} else {
		l.name = g
	}
}

// checkReceived wants the stored frames to count as received and no others, and SQLite to find its file whole.
func checkReceived(t *testing.T, s *Store, stored map[uint64]bool) {
	t.Helper()
	ranges, err := s.Received(t.Context(), "lamp", testEpoch)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range ranges {
		for seq := r[0]; seq <= r[1]; seq++ {
			n++
			if !stored[seq] {
				t.Errorf("frame %d counts as received and is not stored", seq)
			}
		}
	}
	if n != len(stored) {
		t.Errorf("%d frames count as received, %d are stored", n, len(stored))
	}
	var ok string
	if err := s.read.QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&ok); err != nil || ok != "ok" {
		t.Errorf("integrity: %s, %v", ok, err)
	}
}

// lives cuts the power until something is lost.
func (l *life) lives(cuts int) {
	l.t.Helper()
	for i := 0; i < cuts && len(l.lost) == 0 && !l.t.Failed(); i++ {
		m := []cutMoment{anywhere, inClose, atOpen, anywhere, inCheckpoint, anywhere, afterClose, anywhere}[i%8]
		if m == inCheckpoint && !l.wide {
			m = inClose // a thousand pages of WAL away
		}
		l.live(m)
	}
}

func powerCuts(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv(cutsEnv), strconv.Itoa(cutsUsual)))
	if err != nil {
		t.Fatalf("%s: %v", cutsEnv, err)
	}
	return n
}

func TestAckedReadingsSurvivePowerCuts(t *testing.T) {
	t.Parallel()
	first := uint64(time.Now().UnixNano())
	d := newDisk(t)
	var mu sync.Mutex
	hit, acked := map[string]int{}, 0
	t.Run("disk", func(t *testing.T) {
		for n := range uint64((powerCuts(t) + cutsPerDisk - 1) / cutsPerDisk) {
			t.Run(strconv.FormatUint(first+n, 10), func(t *testing.T) { // the name is the seed
				t.Parallel()
				l := newLife(t, d, first+n)
				l.wide = n%2 == 0
				l.lives(cutsPerDisk)
				if len(l.lost) > 0 {
					t.Errorf("acked and lost: %v", slices.Sorted(maps.Keys(l.lost)))
				}
				mu.Lock()
				defer mu.Unlock()
				acked += len(l.acked)
				for where, n := range l.hit {
					hit[where] += n
				}
			})
		}
	})
	t.Logf("%d frames acked, cuts before %v", acked, hit)
	if hit[fileName+" write"] == 0 || hit[fileName+"-wal write"] == 0 {
		t.Errorf("no cut was in a checkpoint, or none in a commit: %v", hit)
	}
}

// With less than FULL a commit is not on the disk when it returns: the same cuts must find that.
func TestPowerCutsFindCommitsThatAreNotSynced(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	d := newDisk(t)
	for n := range uint64(cutsUsual / cutsPerDisk) {
		l := newLife(t, d, seed+n)
		l.unsafe = true
		l.lives(cutsPerDisk)
		if len(l.lost) > 0 {
			t.Logf("seed %d: %d of %d acked frames are lost", seed+n, len(l.lost), len(l.acked))
			return
		}
	}
	t.Errorf("seed %d: nothing was lost with synchronous=NORMAL: the cuts prove nothing", seed)
}

func TestAPowerCutWhileTheStoreIsMadeLeavesAFolderThatOpens(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	for n := range uint64(12) {
		d := crashfs.New()
		d.Room(diskBytes)
		dir, unmount := crashfs.Mounted(t, d)
		rng := rand.New(rand.NewPCG(seed+n, 7))
		at := rng.IntN(120)
		d.Fail(func(op crashfs.Op) error {
			if op.N == at {
				return crashfs.ErrPowerCut
			}
			return nil
		})
		_, _ = runWorker(t, plan{Dir: dir, Make: true}, nil) // it ends in an error unless the cut would have come later
		unmount()
		dir = t.TempDir()
		if err := d.Cut(rng).Export(dir); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), workOptions(dir))
		if err != nil {
			t.Fatalf("seed %d, cut at operation %d: %v", seed+n, at, err)
		}
		if _, err := s.PairDevice(t.Context(), "other", "Another lamp", append(make([]byte, ed25519.PublicKeySize-1), 1)); err != nil {
			t.Errorf("seed %d: %v", seed+n, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
