package journal

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"

	"github.com/telltale-iot/telltale/device-agent/internal/disk"
	"github.com/telltale-iot/telltale/device-agent/internal/disk/disktest"
	"github.com/telltale-iot/telltale/schema"
)

func open(d *disktest.Disk) *Journal { return Open(d, slog.New(slog.DiscardHandler)) }

func entry(n int) Entry {
	return Entry{ID: fmt.Sprintf("%032x", n), Seq: uint64(n), Entity: "lamp", Channel: "state", Op: schema.OpSet, Value: schema.Bool(n%2 == 0)}
}

func done(e Entry) Entry { e.State, e.Reported = schema.StateDone, e.Value; return e }

// must fails the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func state(t *testing.T, j *Journal, n int) schema.CommandState {
	t.Helper()
	e, _ := j.Lookup(entry(n).ID)
	return e.State
}

func TestStartedAndNotFinishedIsUnknownForEver(t *testing.T) {
	d := disktest.New()
	j := open(d)
	must(t, j.Start(entry(1)))
	must(t, j.Finish(done(entry(1))))
	must(t, j.Start(entry(2)))
	d.PowerCut(0)
	for range 2 {
		j = open(d)
		if s := state(t, j, 1); s != schema.StateDone {
			t.Errorf("1 is %s", s)
		}
		if s := state(t, j, 2); s != schema.StateUnknown {
			t.Errorf("2 is %s", s)
		}
	}
	must(t, j.Finish(done(entry(2))))
	if s := state(t, j, 2); s != schema.StateUnknown {
		t.Errorf("a final state changed to %s", s)
	}
	if j.Newest("lamp") != 2 {
		t.Errorf("newest %d", j.Newest("lamp"))
	}
}

func TestLastSetIsRemembered(t *testing.T) {
	d := disktest.New()
	j := open(d)
	for n := 1; n <= 2*Keep; n++ {
		must(t, j.Start(entry(n)))
		must(t, j.Finish(done(entry(n))))
	}
	other := entry(10_000)
	other.Entity, other.Op = "opener", schema.OpPulse
	must(t, j.Start(other))
	must(t, j.Close())
	j = open(d)
	if v, ok := j.LastSet("lamp", "state"); !ok || v != schema.Bool(true) {
		t.Errorf("last set %v %v", v, ok)
	}
	if _, ok := j.Lookup(entry(1).ID); ok {
		t.Error("more than Keep are remembered")
	}
	if s := state(t, j, 2*Keep); s != schema.StateDone {
		t.Errorf("the newest is %q", s)
	}
}

func TestTheNewestAreRememberedLongestAlsoAfterARestart(t *testing.T) {
	d := disktest.New()
	j := open(d)
	for n := 1; n <= Keep; n++ {
		must(t, j.Start(entry(n)))
		must(t, j.Finish(done(entry(n))))
	}
	must(t, j.Close())
	j = open(d)
	for n := Keep + 1; n <= Keep+Keep/2; n++ {
		j.Note(done(entry(n)))
	}
	for n := Keep/2 + 1; n <= Keep+Keep/2; n++ {
		if s := state(t, j, n); s != schema.StateDone {
			t.Fatalf("%d of %d is forgotten", n, Keep+Keep/2)
		}
	}
}

func TestTornAndFlippedJournalKeepsWhatIsWhole(t *testing.T) {
	d := disktest.New()
	j := open(d)
	must(t, j.Start(entry(1)))
	must(t, j.Finish(done(entry(1))))
	must(t, j.Start(entry(4)))
	must(t, j.Close())
	whole, err := d.ReadFile(j.name)
	must(t, err)
	for i := range whole {
		for _, bad := range [][]byte{whole[:i], flip(whole, i)} {
			c := disktest.New()
			c.Put(j.name, bad)
			k := open(c)
			for n := 1; n <= 4; n++ {
				if s := state(t, k, n); s == schema.StateRunning {
					t.Fatalf("at %d: %d is still running", i, n)
				} else if s == schema.StateDone && n == 4 {
					t.Fatalf("at %d: 4 is done", i)
				}
			}
			must(t, k.Start(entry(5)))
		}
	}
}

func flip(b []byte, i int) []byte {
	out := bytes.Clone(b)
	out[i] ^= 0x04
	return out
}

func TestFailedSyncIsWrittenAnew(t *testing.T) {
	for n := 1; n <= 4; n++ {
		d := disktest.New()
		j := open(d)
		syncs := 0
		d.Fail(func(op, _ string) error {
			if op == "sync" {
				if syncs++; syncs == n {
					return syscall.EIO
				}
			}
			return nil
		})
		for k := 1; k <= 3; k++ {
			must(t, j.Start(entry(k)))
			must(t, j.Finish(done(entry(k))))
		}
		d.Fail(nil)
		d.PowerCut(0)
		j = open(d)
		for k := 1; k <= 3; k++ {
			if s := state(t, j, k); s != schema.StateDone {
				t.Errorf("n=%d: %d is %q", n, k, s)
			}
		}
	}
}

func TestRefusingDiskIsSaid(t *testing.T) {
	d := disktest.New()
	j := open(d)
	d.Fail(func(op, _ string) error { return syscall.EROFS })
	if err := j.Start(entry(1)); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("got %v", err)
	}
}

func TestFileDoesNotGrow(t *testing.T) {
	d := disktest.New()
	j := open(d)
	for n := 1; n <= 1200; n++ {
		must(t, j.Start(entry(n)))
		must(t, j.Finish(done(entry(n))))
	}
	if b := d.Bytes(); b > maxFile+disk.MaxRecord {
		t.Errorf("%d bytes", b)
	}
}

func FuzzReplay(f *testing.F) {
	d := disktest.New()
	j := open(d)
	if err := j.Start(entry(1)); err != nil {
		f.Fatal(err)
	}
	data, err := d.ReadFile(j.name)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(disk.AppendRecord(nil, []byte(`{}`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := disktest.New()
		d.Put("journal-0000000000000001", data)
		j := open(d)
		if err := j.Start(entry(77)); err != nil {
			t.Fatal(err)
		}
		if len(j.order) > Keep || len(j.order) != len(j.byID) {
			t.Fatalf("%d in order, %d by id", len(j.order), len(j.byID))
		}
	})
}
