package wear

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestThePaceIsThatOfTheLastHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var written, readings atomic.Int64
		g := New(readings.Load, func() (int64, error) { return written.Load(), nil })
		ctx := t.Context()
		go func() { _ = g.Run(ctx) }()
		time.Sleep(time.Minute / 2) // the samples are taken between what follows
		for range 120 {             // two hours, the first ten times as hard
			written.Add(10_000)
			readings.Add(100)
			time.Sleep(time.Minute)
		}
		for range 62 {
			written.Add(1_000)
			readings.Add(50)
			time.Sleep(time.Minute)
		}
		p := g.Pace()
		near := func(got, want int64) bool { return got > want-want/50 && got < want+want/50 } // a minute more or less
		if !near(p.BytesPerDay, 1_000*24*60) || !near(p.ReadingsPerDay, 50*24*60) || p.BytesPerReading != 20 || p.Written != written.Load() {
			t.Errorf("%+v", p)
		}
	})
}

func TestAnUnknownPaceIsNotZeroForSure(t *testing.T) {
	g := New(func() int64 { return 0 }, func() (int64, error) { return 0, ErrUnknown })
	if p := g.Pace(); p.BytesPerDay != 0 || Days(Endurance(32<<30), p.BytesPerDay) != 0 {
		t.Errorf("%+v", p)
	}
}

func TestACardsDays(t *testing.T) {
	if got := Days(Endurance(32_000_000_000), 320_000_000); got != 10_000 {
		t.Errorf("32 GB, 320 MB a day: %d days", got)
	}
}

func TestTheKernelCountsWhatIsWritten(t *testing.T) {
	before, err := Written()
	if errors.Is(err, ErrUnknown) {
		t.Skipf("SKIPPED: %v", err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	after, err := Written()
	if err != nil || after < before {
		t.Errorf("%d, then %d, %v", before, after, err)
	}
}

func TestForeignTextIsRefused(t *testing.T) {
	for _, s := range []string{"", "rchar: 1\n", "write_bytes: x\n", "write_bytes: -4\n"} {
		if n, err := parse(s); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q is %d, %v", s, n, err)
		}
	}
	if n, err := parse("rchar: 1\nwrite_bytes: 4096\n"); n != 4096 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}
