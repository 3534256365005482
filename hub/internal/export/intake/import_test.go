package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// keeper is a store as the loader sees it: it commits behind its back, drops what it has by epoch and seq, and answers scans. What the real one
// makes of an import stands in the tests of hub/app.
type keeper struct {
	mu       sync.Mutex
	seen     map[string]bool
	readings map[string][]reading // by channel, in order of time
	batches  int
	full     int   // refuse this many batches as too many
	fail     error // of the batch after failAt
	failAt   int
	hold     chan struct{} // commits wait for it
}

type reading struct {
	tMS int64
	v   schema.Value
	q   schema.Quality
}

type fullError struct{}

func (fullError) Error() string   { return "full" }
func (fullError) Temporary() bool { return true }

func (k *keeper) Append(b schema.Batch, done func(error)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.full > 0 {
		k.full--
		return fullError{}
	}
	k.batches++
	go func(n int) {
		if k.hold != nil {
			<-k.hold
		}
		done(k.commit(&b, n))
	}(k.batches)
	return nil
}

func (k *keeper) commit(b *schema.Batch, n int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil && n > k.failAt {
		return k.fail
	}
	id := fmt.Sprint(b.Device, b.Epoch, b.Seq)
	if k.seen[id] {
		return nil
	}
	if k.seen == nil {
		k.seen, k.readings = map[string]bool{}, map[string][]reading{}
	}
	k.seen[id] = true
	for _, s := range b.Series {
		for i := range s.V {
			if i > 0 && s.DtMS[i] < s.DtMS[i-1] {
				return errors.New("times go backwards")
			}
			k.readings[s.Ch] = append(k.readings[s.Ch], reading{b.T0MS + s.DtMS[i], s.V[i], s.Q[i]})
		}
		slices.SortStableFunc(k.readings[s.Ch], func(a, b reading) int { return int(a.tMS - b.tMS) })
	}
	return nil
}

func (k *keeper) Scan(_ context.Context, _, channel string, fromMS, toMS int64, fn func(int64, schema.Value, schema.Quality) error) error {
	k.mu.Lock()
	all := slices.Clone(k.readings[channel])
	k.mu.Unlock()
	for _, r := range all {
		if r.tMS >= fromMS && r.tMS <= toMS {
			if err := fn(r.tMS, r.v, r.q); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *keeper) count() (n int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, all := range k.readings {
		n += int64(len(all))
	}
	return n
}

// series writes n readings of two channels, a minute apart, as others do.
func series(n int) string {
	var b strings.Builder
	b.WriteString("t_ms,channel,value\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,a.%c,%d\n", start+int64(i)*60_000, 'a'+i%2, i)
	}
	return b.String()
}

func load(t *testing.T, k *keeper, text string, check bool) schema.FileReport {
	t.Helper()
	rep, err := Import(t.Context(), strings.NewReader(text), Options{Format: schema.FormatCSV, Now: now}, Target{Device: "pi", Store: k, Check: check, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestAFileThatIsImportedTwiceIsStoredOnce(t *testing.T) {
	k, text := &keeper{}, series(20_000)
	if rep := load(t, k, text, true); rep.State != StateChecked || rep.Readings != 20_000 || rep.Known != 0 || k.count() != 0 {
		t.Errorf("check: %+v, %d stored", rep, k.count())
	}
	if rep := load(t, k, text, false); rep.State != StateDone || rep.Stored != 20_000 || rep.Known != 0 || k.count() != 20_000 {
		t.Errorf("%+v, %d stored", rep, k.count())
	}
	if rep := load(t, k, text, true); rep.Known != 20_000 {
		t.Errorf("check again: %+v", rep)
	}
	if rep := load(t, k, text, false); rep.State != StateDone || rep.Stored != 0 || rep.Known != 20_000 || k.count() != 20_000 {
		t.Errorf("again: %+v, %d stored", rep, k.count())
	}
	if rep := load(t, k, series(20_010), false); rep.Stored != 10 || k.count() != 20_010 {
		t.Errorf("with ten more: %+v, %d stored", rep, k.count())
	}
	other := &keeper{}
	if load(t, other, text, false); len(other.seen) == 0 || len(k.seen) == 0 {
		t.Error("nothing was numbered")
	}
	for id := range other.seen {
		if !k.seen[id] {
			t.Errorf("batch %s has another number in another store", id)
		}
	}
}

func TestAStoppedImportIsFinishedByTheNext(t *testing.T) {
	k, text := &keeper{fail: errors.New("disk full"), failAt: 2}, series(20_000)
	rep, err := Import(t.Context(), strings.NewReader(text), Options{Format: schema.FormatCSV, Now: now}, Target{Device: "pi", Store: k, Dir: t.TempDir()})
	if err == nil || rep.State != StateStoring || k.count() == 0 || k.count() == 20_000 {
		t.Fatalf("%+v %v, %d stored", rep, err, k.count())
	}
	k.mu.Lock()
	k.fail = nil
	k.mu.Unlock()
	if rep := load(t, k, text, false); rep.State != StateDone || k.count() != 20_000 {
		t.Errorf("%+v, %d stored", rep, k.count())
	}
}

func TestAWrongLineKeepsTheWholeFileOut(t *testing.T) {
	k := &keeper{}
	called := false
	text := series(3_000) + "x,a.a,1\n"
	rep, err := Import(t.Context(), strings.NewReader(text), Options{Format: schema.FormatCSV, Now: now},
		Target{Device: "pi", Store: k, Dir: t.TempDir(), Ready: func(schema.FileReport) error { called = true; return nil }})
	if err != nil || rep.State != StateRefused || rep.Wrong != 1 || k.batches > 0 || called || rep.Problems[0].Line != 3_002 {
		t.Errorf("%+v %v, %d batches", rep, err, k.batches)
	}
	if rep := load(t, k, "a,b\n1,2\n", false); rep.State != StateRefused || rep.Problems[0].Line != 0 {
		t.Errorf("%+v", rep)
	}
}

func TestReadingsInAnyOrderAreStoredInOrder(t *testing.T) {
	lines := strings.SplitAfter(strings.TrimSuffix(series(4000), "\n"), "\n")[1:]
	lines[len(lines)-1] += "\n"
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	k, text := &keeper{}, "t_ms,channel,value\n"+strings.Join(lines, "")
	if rep := load(t, k, text, false); rep.Stored != 4000 || k.count() != 4000 {
		t.Errorf("%+v, %d stored", rep, k.count())
	}
	if rep := load(t, k, text, false); rep.Stored != 0 || k.count() != 4000 {
		t.Errorf("again: %+v, %d stored", rep, k.count())
	}
	if rep := load(t, k, series(4000), false); rep.Stored != 0 || rep.Known != 4000 {
		t.Errorf("the same readings in order: %+v", rep)
	}
}

func TestAFullQueueIsWaitedForAndTheWindowHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{full: 5, hold: make(chan struct{})}
		ended := make(chan schema.FileReport, 1)
		go func() {
			rep, err := Import(context.Background(), strings.NewReader(series(50_000)), Options{Format: schema.FormatCSV, Now: now}, Target{Device: "pi", Store: k})
			if err != nil {
				t.Error(err)
			}
			ended <- rep
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		if k.batches != window {
			t.Errorf("%d batches under way, want %d", k.batches, window)
		}
		close(k.hold)
		if rep := <-ended; rep.Stored != 50_000 || k.count() != 50_000 {
			t.Errorf("%+v", rep)
		}
	})
}

func TestAnImportEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	k := &keeper{hold: make(chan struct{})}
	rep, err := Import(ctx, strings.NewReader(series(50_000)), Options{Format: schema.FormatCSV, Now: now}, Target{Device: "pi", Store: k, Dir: t.TempDir(),
		Progress: func(r schema.FileReport) {
			if r.State == StateStoring {
				cancel()
			}
		}})
	if !errors.Is(err, context.Canceled) || rep.State != StateStoring {
		t.Errorf("%+v %v", rep, err)
	}
	close(k.hold)
}

// What does not fit into memory waits in a file, compressed, which is gone afterwards; memory stays where it is.
func TestALargeFileDoesNotFillMemory(t *testing.T) {
	dir := t.TempDir()
	s := newSpool(dir)
	chunk := make([]byte, 64<<10)
	source := rand.NewChaCha8([32]byte{})
	for range 64 {
		_, _ = source.Read(chunk)
		if _, err := s.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.reader()
	if err != nil {
		t.Fatal(err)
	}
	same, n := rand.NewChaCha8([32]byte{}), 0
	want, got := make([]byte, 64<<10), make([]byte, 64<<10)
	for range 64 {
		_, _ = same.Read(want)
		k, err := io.ReadFull(r, got)
		if n += k; err != nil || string(got) != string(want) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
	if s.memory.Len() > spoolInMemory || s.file == nil {
		t.Errorf("%d bytes in memory", s.memory.Len())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
