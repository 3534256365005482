package journal

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/device-agent/internal/disk"
	"github.com/telltale-iot/telltale/internal/crashfs"
	"github.com/telltale-iot/telltale/schema"
)

// device carries out commands as the agent does, on a disk whose power is cut again and again.
type device struct {
	t    *testing.T
	rng  *rand.Rand
	disk *crashfs.Disk
	cut  atomic.Bool

	commands int
	moved    map[int]int                 // how often a command moved the pin
	told     map[int]schema.CommandState // final state as the hub heard it
	unknown  int
}

// live opens the journal and obeys the hub, which also sends again what it has no answer to, until the power goes.
func (d *device) live() {
	d.t.Helper()
	dir, unmount := crashfs.Mounted(d.t, d.disk)
	left := 1 + d.rng.IntN(60)
	d.disk.Fail(func(crashfs.Op) error {
		if left--; left > 0 {
			return nil
		}
		d.cut.Store(true)
		return crashfs.ErrPowerCut
	})
	if folder, err := disk.OpenDir(filepath.Join(dir, "journal")); err == nil {
		j := Open(folder, slog.New(slog.DiscardHandler))
		for n := max(1, d.commands-20); n <= d.commands && !d.cut.Load(); n++ {
			d.obey(j, n)
		}
		for i := 0; i < 100 && !d.cut.Load(); i++ {
			d.commands++
			d.obey(j, d.commands)
		}
		_ = j.Close()
	} else if !d.cut.Load() {
		d.t.Fatal(err)
	}
	unmount()
	d.disk.Fail(nil)
	d.cut.Store(false)
	d.disk = d.disk.Cut(d.rng)
}

// obey is one command, which may have come before. Whatever the cut interrupts did not happen.
func (d *device) obey(j *Journal, n int) {
	d.t.Helper()
	e := entry(n)
	e.Message = strings.Repeat("long", d.rng.IntN(500)) // so that files are replaced
	if known, ok := j.Lookup(e.ID); ok {
		if told := d.told[n]; told != "" && told != known.State {
			d.t.Errorf("command %d was %s and is %s", n, told, known.State)
		}
		if !known.State.Final() {
			d.t.Errorf("command %d is %s after a start", n, known.State)
		}
		if known.State == schema.StateUnknown {
			d.unknown++
		}
		if v, _ := j.LastSet("lamp", "state"); known.State == schema.StateDone && n == d.commands && v != known.Value {
			d.t.Errorf("last set is %s, command %d set %s", v, n, known.Value)
		}
		d.tell(n, known.State)
		return
	}
	if d.told[n] != "" {
		d.t.Errorf("command %d was %s and is forgotten", n, d.told[n])
	}
	if j.Start(e) != nil || d.cut.Load() {
		return
	}
	if d.moved[n]++; d.moved[n] > 1 {
		d.t.Errorf("command %d moved the pin %d times", n, d.moved[n])
	}
	if j.Finish(done(e)) == nil {
		d.tell(n, schema.StateDone)
	}
}

// tell reports a final state to the hub, if there is power.
func (d *device) tell(n int, s schema.CommandState) {
	if !d.cut.Load() {
		d.told[n] = s
	}
}

func TestAPinMovesOnceThroughPowerCuts(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	said := ""
	unknown := 0
	for n := range uint64(6) {
		d := &device{t: t, rng: rand.New(rand.NewPCG(seed+n, 5)), disk: crashfs.New(), moved: map[int]int{}, told: map[int]schema.CommandState{}}
		for range 12 {
			d.live()
			if t.Failed() {
				t.Fatalf("this disk's seed is %d", seed+n)
			}
		}
		said += fmt.Sprintf(" %d", d.commands)
		unknown += d.unknown
	}
	t.Logf("seed %d: commands%s, %d unknown", seed, said, unknown)
	if unknown == 0 {
		t.Error("no cut was between start and finish")
	}
}
