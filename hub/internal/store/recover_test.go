package store

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/store/ring"
	"github.com/telltale-iot/telltale/schema"
)

// crashCopy copies the files of an open store that is at rest, as a kill would leave them.
func crashCopy(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{fileName, fileName + "-wal", markerName} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// flip damages a slot of a file that no hub uses.
func flip(t *testing.T, dir string, slot, at int) {
	t.Helper()
	c, err := openConn(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	var data []byte
	if err := c.row(`SELECT data FROM ring WHERE slot = ?1`, slot).Scan(&data); err != nil {
		t.Fatal(err)
	}
	data[at] ^= 0x10
	if err := c.exec(sqlSaveSlot, slot, data); err != nil {
		t.Fatal(err)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
}

// slotReadings of digits that cannot be saved fill a slot, but for a small frame.
const slotReadings = 438

// slotful is a frame that fills nearly a slot.
func slotful(device string, seq uint64) schema.Batch {
	const n = slotReadings
	dt, v := make([]int64, n), make([]float64, n)
	for i := range dt {
		dt[i], v[i] = int64(i), math.Sqrt(float64(seq)+float64(i))
	}
	return numbers(device, seq, testT0+int64(seq)*1000, "t.state", dt, v...)
}

// A byte is flipped in every sort of slot: what was in it is told as a gap of its time, once, and all else is there.
func TestADamagedSlotIsTold(t *testing.T) {
	t.Parallel()
	const flushed, frames, slots = 7, 12, 16 // frames 1 to 7 are packed; 8 to 12 are in slots of their own
	dir := t.TempDir()
	var now atomic.Int64
	clock := func() time.Time { return time.UnixMilli(now.Load()) }
	now.Store(testT0)
	s, err := Open(t.Context(), Options{Dir: dir, CommitEvery: time.Millisecond, Now: clock, slots: slots})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"lamp", "steady", "gone"} {
		pair(t, s, d)
	}
	for seq := uint64(1); seq <= frames; seq++ {
		now.Store(testT0 + int64(seq)*1000)
		mustAppend(t, s, slotful("lamp", seq), numbers("steady", seq, now.Load(), "t.state", nil, 1))
		if seq == flushed {
			if err := s.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	crashed := crashCopy(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for number := flushed - 1; number <= frames+2; number++ {
		for _, at := range []int{0, 7, 12, 17, 20, 30, 2000, 4049} {
			t.Run(fmt.Sprintf("slot %d byte %d", number, at), func(t *testing.T) {
				t.Parallel()
				dir := crashCopy(t, crashed)
				flip(t, dir, number%slots, at)
				lost := uint64(0)
				if number > flushed && number <= frames {
					lost = uint64(number)
				}
				checkDamaged(t, dir, lost, frames, slots, clock)
			})
		}
	}
}

func checkDamaged(t *testing.T, dir string, lost, frames uint64, slots int, clock func() time.Time) {
	t.Helper()
	var log bytes.Buffer
	for round := range 2 { // the second start finds nothing new
		s, err := Open(t.Context(), Options{Dir: dir, CommitEvery: time.Millisecond, Now: clock, slots: slots, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		want := int(frames) * slotReadings
		if lost > 0 {
			want -= slotReadings
		}
		if got := audit(t, s, "lamp"); len(got) != want {
			t.Fatalf("%d readings, want %d", len(got), want)
		}
		gaps, err := s.Gaps(t.Context(), "lamp", 0, math.MaxInt64)
		if err != nil {
			t.Fatal(err)
		}
		if (len(gaps) == 1) != (lost > 0) || len(gaps) > 1 {
			t.Fatalf("gaps %+v, lost %d", gaps, lost)
		}
		if lost > 0 {
			first := testT0 + int64(lost)*1000
			if g := gaps[0]; g.Reason != schema.GapDamaged || g.First != 0 || g.FromMS > first || g.ToMS < min(first+slotReadings-1, clock().UnixMilli()) || g.ToMS-g.FromMS > 2000 {
				t.Fatalf("gap %+v, frame %d of %d to %d is lost", g, lost, first, first+slotReadings-1)
			}
		}
		if gaps, err = s.Gaps(t.Context(), "gone", 0, math.MaxInt64); err != nil || len(gaps) > 0 {
			t.Errorf("a device that was not there has gaps: %v %v", gaps, err)
		}
		if said := strings.Contains(log.String(), "log is damaged"); said != (lost > 0 && round == 0) {
			t.Errorf("round %d: %s", round, log.String())
		}
		log.Reset()
		if round == 1 && lost > 0 { // the device still has it
			mustAppend(t, s, slotful("lamp", lost), numbers("steady", lost, testT0+int64(lost)*1000, "t.state", nil, 1))
			if got := audit(t, s, "lamp"); len(got) != int(frames)*slotReadings {
				t.Errorf("after it came again %d readings, want %d", len(got), frames*slotReadings)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A device whose numbers go on without a hole lost nothing; a frame of which a piece is lost is told; events and gaps in a lost slot are still known.
func TestADamagedSlotConcernsOnlyWhoWasInIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{Dir: dir, CommitEvery: time.Millisecond, slots: 16})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"lamp", "kettle", "steady"} {
		pair(t, s, d)
	}
	mustAppend(t, s, numbers("steady", 1, testT0, "t.state", nil, 1), slotful("lamp", 1)) // slot 1
	big := slotful("kettle", 1)                                                           // slots 1 to 4
	for range 2 {
		more := slotful("kettle", 2).Series[0]
		for i := range more.DtMS {
			more.DtMS[i] += int64(len(big.Series[0].DtMS))
		}
		big.Series[0].DtMS, big.Series[0].V = append(big.Series[0].DtMS, more.DtMS...), append(big.Series[0].V, more.V...)
	}
	mustAppend(t, s, big)
	done := make(chan error, 1)
	event := numbers("lamp", 2, testT0+5000, "t.state", nil)
	if err := s.AppendEvent(event, schema.Event{Type: "started"}, func(err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s, slotful("lamp", 3), slotful("lamp", 4), numbers("steady", 2, testT0, "t.state", nil, 1))
	crashed := crashCopy(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, slot := range []int{2, 3, 4} {
		dir := crashCopy(t, crashed)
		flip(t, dir, slot, 99)
		s := openAt(t, dir)
		count := func(device string) int {
			gaps, err := s.Gaps(t.Context(), device, 0, math.MaxInt64)
			if err != nil {
				t.Fatal(err)
			}
			return len(gaps)
		}
		if n := count("steady"); n != 0 {
			t.Errorf("slot %d: steady has %d gaps, it lost nothing", slot, n)
		}
		if n := count("kettle"); n == 0 {
			t.Errorf("slot %d: nothing told of the kettle's half frame", slot)
		}
		if n := len(audit(t, s, "kettle")); n == 0 || n >= len(big.Series[0].V) {
			t.Errorf("slot %d: %d of the kettle's %d readings are left", slot, n, len(big.Series[0].V))
		}
		have, err := s.Received(t.Context(), "lamp", testEpoch)
		if err != nil || !schema.Ranges(have).Has(2) {
			t.Errorf("slot %d: the event's number is not known any more: %v, %v", slot, have, err)
		}
	}
}

// Frames of a device that was forgotten are in the ring when the hub dies: they do not come back, not even with another device's rows.
func TestForgottenReadingsDoNotComeBackFromTheRing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{Dir: dir, CommitEvery: time.Millisecond, slots: testSlots})
	if err != nil {
		t.Fatal(err)
	}
	pair(t, s, "lamp")
	mustAppend(t, s, numbers("lamp", 1, testT0, "t.state", []int64{0, 1, 2}, 1, 2, 3))
	if err := s.ForgetDevice(t.Context(), "lamp"); err != nil {
		t.Fatal(err)
	}
	early := crashCopy(t, dir) // perhaps before the first step of deleting
	s.purging.Wait()
	late := crashCopy(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{early, late} {
		s := openAt(t, dir)
		s.purging.Wait()
		pair(t, s, "new")
		mustAppend(t, s, numbers("new", 1, testT0, "t.state", nil, 9))
		if got := audit(t, s, "new"); len(got) != 1 {
			t.Errorf("the new device has %d readings", len(got))
		}
		again := openAt(t, crashCopy(t, dir))
		if got := audit(t, again, "new"); len(got) != 1 {
			t.Errorf("after a crash the new device has %d readings", len(got))
		}
	}
}

// BenchmarkReplay reads a million readings of 500 series from the ring, as a start after a crash does.
func BenchmarkReplay(b *testing.B) {
	dir := b.TempDir()
	s, err := Open(b.Context(), Options{Dir: dir, CommitEvery: time.Second})
	if err != nil {
		b.Fatal(err)
	}
	benchPair(b, s, 25)
	const rounds = 2000
	rng := rand.New(rand.NewPCG(1, 2))
	done := make(chan error, 25*rounds)
	for seq := uint64(1); seq <= rounds; seq++ {
		for d := range 25 {
			batch := second(d, seq)
			for i := range batch.Series {
				batch.Series[i].V[0] = schema.Number(math.Round(2000+rng.NormFloat64()*20) / 100)
			}
			for s.Append(batch, func(err error) { done <- err }) != nil {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	if err := s.writer.do(b.Context(), func(*writer) error { return nil }); err != nil {
		b.Fatal(err)
	}
	var readings int
	for b.Loop() {
		err := s.writer.do(b.Context(), func(w *writer) error {
			r, err := w.replay()
			if err == nil {
				readings = r.head.readings
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(readings), "readings")
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/float64(readings)*1e9, "ns/reading")
	b.StopTimer()
	began := time.Now()
	if err := s.Seal(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(time.Since(began).Seconds()*1000, "seal-ms")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// A lost slot may hold the end of one frame and the beginning of another; what is left of both is told.
func TestALostSlotMayCutTwoFrames(t *testing.T) {
	t.Parallel()
	var p pieces
	if broken := p.piece(&ring.Frame{Epoch: 1, Seq: 5, T0MS: 100, More: true}, 150); len(broken) > 0 {
		t.Errorf("before anything is missing: %+v", broken)
	}
	broken := p.piece(&ring.Frame{Epoch: 2, Seq: 9, T0MS: 200, Piece: 1}, 250)
	if len(broken) != 2 || broken[0].epoch != 1 || broken[0].toMS != 150 || broken[1].epoch != 2 || broken[1].toMS != 250 {
		t.Errorf("%+v", broken)
	}
	if broken := p.piece(&ring.Frame{Epoch: 2, Seq: 10, T0MS: 300}, 350); len(broken) > 0 {
		t.Errorf("a frame after a whole end: %+v", broken)
	}
}
