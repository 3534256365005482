package store

import (
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/telltale-iot/telltale/schema"
)

const (
	testEpoch = "00000000000000aa"
	testT0    = int64(1_790_000_000_000)
	testSlots = 64 // a small ring is made quickly and soon full
)

func openAt(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{Dir: dir, CommitEvery: 5 * time.Millisecond, slots: testSlots})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// openPaired opens a new store with the device "lamp".
func openPaired(t *testing.T) *Store {
	t.Helper()
	s := openAt(t, t.TempDir())
	pair(t, s, "lamp")
	return s
}

func pair(t *testing.T, s *Store, want string) string {
	t.Helper()
	key, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	id, err := s.PairDevice(t.Context(), want, "A lamp", key)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func numbers(device string, seq uint64, t0 int64, ch string, dt []int64, v ...float64) schema.Batch {
	s := schema.Series{Ch: ch, DtMS: dt}
	for _, x := range v {
		s.V = append(s.V, schema.Number(x))
	}
	return schema.Batch{Device: device, Epoch: testEpoch, Seq: seq, T0MS: t0, Time: schema.TimeSynced, Series: []schema.Series{s}}
}

// mustAppend appends and waits for the commit of all.
func mustAppend(t *testing.T, s *Store, batches ...schema.Batch) {
	t.Helper()
	for _, err := range appendAll(t, s, batches...) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func appendAll(t *testing.T, s *Store, batches ...schema.Batch) []error {
	t.Helper()
	done := make(chan error, len(batches))
	for _, b := range batches {
		if err := s.Append(b, func(err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
	}
	var errs []error
	for range batches {
		errs = append(errs, <-done)
	}
	return errs
}

func audit(t *testing.T, s *Store, device string) []Reading {
	t.Helper()
	var all []Reading
	if err := s.Audit(t.Context(), device, func(r Reading) error { all = append(all, r); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b schema.Value) bool { return a == b })); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestEveryValueComesBackAsItWas(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	values := schema.Values{schema.Number(21.5), schema.Number(1e308), schema.Number(-1e308), schema.Number(5e-324), schema.Number(1), schema.Number(0),
		schema.Bool(true), schema.Bool(false), schema.Text("heat"), schema.Text(""), schema.Text("a\x00b ü"), {}}
	q := make([]schema.Quality, len(values))
	dt := make([]int64, len(values))
	for i := range values {
		q[i], dt[i] = schema.QualityOK, int64(i)
	}
	q[0], q[1], q[2], q[len(q)-1] = schema.QualitySim, schema.QualityRange, schema.QualityStale, schema.QualityFault
	mustAppend(t, s, schema.Batch{Device: "lamp", Epoch: testEpoch, Seq: 7, T0MS: testT0, Time: schema.TimeRelative,
		Series: []schema.Series{{Ch: "x.state", DtMS: dt, V: values, Q: q}}})
	got := audit(t, s, "lamp")
	if len(got) != len(values) {
		t.Fatalf("%d readings stored, want %d", len(got), len(values))
	}
	for i, r := range got {
		equal(t, "reading", r, Reading{Channel: "x.state", TMS: testT0 + int64(i), Value: values[i], Quality: q[i],
			Time: schema.TimeRelative})
	}
}

func TestAFrameIsStoredOnce(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	a, b := numbers("lamp", 1, testT0, "t.state", nil, 1), numbers("lamp", 2, testT0, "t.state", nil, 2)
	mustAppend(t, s, a, a, b) // twice in one commit
	mustAppend(t, s, b, a)    // and in later ones
	got := audit(t, s, "lamp")
	if len(got) != 2 || got[0].Value != schema.Number(1) || got[1].Value != schema.Number(2) {
		t.Fatalf("want 1 and 2 at the same ms once each, got %+v", got)
	}
	have, err := s.Received(t.Context(), "lamp", testEpoch)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "received", have, []schema.Range{{1, 2}})
}

func TestReadingsAtOneMillisecondAllStay(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	other := numbers("lamp", 1, testT0, "t.state", nil, 9)
	other.Epoch = "00000000000000bb"
	mustAppend(t, s, numbers("lamp", 1, testT0, "t.state", []int64{0, 0, 0}, 1, 2, 3), numbers("lamp", 2, testT0, "t.state", nil, 4), other)
	if got := audit(t, s, "lamp"); len(got) != 5 {
		t.Fatalf("want 5 readings at one ms, got %+v", got)
	}
}

func TestReceivedRangesMergeWhenHolesFill(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	for _, seq := range []uint64{10, 12, 11, 1, 3} { // live first, then what lay behind
		mustAppend(t, s, numbers("lamp", seq, testT0, "t.state", nil, 1))
	}
	have, err := s.Received(t.Context(), "lamp", testEpoch)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "received", have, []schema.Range{{1, 1}, {3, 3}, {10, 12}})
	done := make(chan error, 1)
	if err := s.AppendGap("lamp", testEpoch, schema.Gap{First: 1, Last: 9, FromMS: testT0, ToMS: testT0 + 5, Reason: schema.GapQuota}, func(err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	have, err = s.Received(t.Context(), "lamp", testEpoch)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "received after the gap", have, []schema.Range{{1, 12}})
	gaps, err := s.Gaps(t.Context(), "lamp", testT0+5, testT0+6)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "gaps", gaps, []schema.GapRecord{
		{Epoch: testEpoch, First: 2, Last: 2, FromMS: testT0, ToMS: testT0 + 5, Reason: schema.GapQuota},
		{Epoch: testEpoch, First: 4, Last: 9, FromMS: testT0, ToMS: testT0 + 5, Reason: schema.GapQuota},
	})
}

func TestRangesSurviveReopening(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{Dir: dir, CommitEvery: time.Millisecond, slots: testSlots})
	if err != nil {
		t.Fatal(err)
	}
	pair(t, s, "lamp")
	mustAppend(t, s, numbers("lamp", 1, testT0, "t.state", nil, 1), numbers("lamp", 5, testT0, "t.state", nil, 1))
	hub, generation := s.HubID(), s.Generation()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir)
	if s.HubID() != hub || s.Generation() != generation || len(hub) != 32 {
		t.Errorf("hub id %q → %q, generation %q → %q", hub, s.HubID(), generation, s.Generation())
	}
	mustAppend(t, s, numbers("lamp", 5, testT0, "t.state", nil, 1), numbers("lamp", 2, testT0, "t.state", nil, 1))
	have, err := s.Received(t.Context(), "lamp", testEpoch)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "received", have, []schema.Range{{1, 2}, {5, 5}})
	if got := audit(t, s, "lamp"); len(got) != 3 {
		t.Errorf("%d readings, want 3", len(got))
	}
}

func TestARestoredCopyIsAnotherGeneration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, marker := filepath.Join(dir, fileName), filepath.Join(dir, markerName)
	generation := func() string { // of a start and a stop
		t.Helper()
		s, err := Open(t.Context(), Options{Dir: dir, slots: testSlots})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return s.Generation()
	}
	read := func(name string) []byte {
		t.Helper()
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	write := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := generation()
	backup := read(file)
	if again := generation(); again != first || len(first) != 16 {
		t.Errorf("a restart: %s → %s", first, again)
	}
	write(file, backup)
	second := generation()
	if second == first {
		t.Error("a restored copy is not noticed")
	}
	write(marker, append([]byte("0011223344556677 "), read(marker)...)) // as a crash in the middle of a change leaves it
	if again := generation(); again != second {
		t.Errorf("after a crash: %s → %s", second, again)
	}
	if err := os.Remove(marker); err != nil {
		t.Fatal(err)
	}
	if generation() == second {
		t.Error("a copy in another folder is not noticed")
	}
}

func TestOneBadFrameDisturbsNoOther(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	stranger := numbers("nobody", 1, testT0, "t.state", nil, 1)
	zero := numbers("lamp", 0, testT0, "t.state", nil, 1)
	huge := numbers("lamp", 1<<63, testT0, "t.state", nil, 1)
	errs := appendAll(t, s, numbers("lamp", 1, testT0, "t.state", nil, 1), stranger, zero, huge, numbers("lamp", 2, testT0, "t.state", nil, 2))
	if errs[0] != nil || !errors.Is(errs[1], ErrUnknownDevice) || !errors.Is(errs[2], ErrSeq) || !errors.Is(errs[3], ErrSeq) || errs[4] != nil {
		t.Errorf("got %v", errs)
	}
	if got := audit(t, s, "lamp"); len(got) != 2 {
		t.Errorf("%d readings, want 2", len(got))
	}
}

func TestScatteredSequenceNumbersAreRefusedNotKept(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	var batches []schema.Batch
	for i := range uint64(maxRanges + 1) {
		batches = append(batches, numbers("lamp", 1+2*i, testT0, "t.state", nil, 1))
	}
	errs := appendAll(t, s, batches...)
	if !errors.Is(errs[maxRanges], ErrScattered) || errs[maxRanges-1] != nil {
		t.Errorf("the last two: %v", errs[maxRanges-1:])
	}
	mustAppend(t, s, numbers("lamp", 2, testT0, "t.state", nil, 1), batches[maxRanges]) // filling a hole makes room
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	t.Run("a folder that another hub uses", func(t *testing.T) {
		dir := t.TempDir()
		openAt(t, dir)
		if _, err := Open(t.Context(), Options{Dir: dir, slots: testSlots}); !errors.Is(err, ErrInUse) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a file of a newer program", func(t *testing.T) {
		dir := t.TempDir()
		s, err := Open(t.Context(), Options{Dir: dir, slots: testSlots})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.writer.do(t.Context(), func(w *writer) error { return w.conn.exec(`PRAGMA user_version = 99`) }); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Options{Dir: dir, slots: testSlots}); !errors.Is(err, ErrNewer) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a file that is no database, and leaves it", func(t *testing.T) {
		dir := t.TempDir()
		file := filepath.Join(dir, fileName)
		text := strings.Repeat("this is not a database\n", 100)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Options{Dir: dir, slots: testSlots}); err == nil || !strings.Contains(err.Error(), "not a database") {
			t.Errorf("got %v", err)
		}
		if b, err := os.ReadFile(file); err != nil || string(b) != text {
			t.Errorf("the file was changed (%v)", err)
		}
	})
}

func TestAFailedMigrationChangesNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "m.db")
	c, err := openConn(file)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	good := `CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1);`
	bad := `CREATE TABLE b (x INTEGER) STRICT; INSERT INTO a VALUES (2); INSERT INTO nowhere VALUES (1);`
	if err := migrate(t.Context(), c, []string{good, bad}); err == nil || !strings.Contains(err.Error(), "shape 2") {
		t.Fatalf("got %v", err)
	}
	var version, rows, tables int
	err = errors.Join(c.row(`PRAGMA user_version`).Scan(&version), c.row(`SELECT count(*) FROM a`).Scan(&rows),
		c.row(`SELECT count(*) FROM sqlite_schema WHERE name = 'b'`).Scan(&tables))
	if err != nil || version != 1 || rows != 1 || tables != 0 {
		t.Errorf("version %d, rows %d, tables %d, %v", version, rows, tables, err)
	}
	if err := migrate(t.Context(), c, []string{good, `CREATE TABLE b (x INTEGER) STRICT`}); err != nil {
		t.Errorf("second try: %v", err)
	}
}

func TestCommitsAreDurableByConfiguration(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	var sync, mode, keys string
	err := s.writer.do(t.Context(), func(w *writer) error {
		return errors.Join(w.conn.row(`PRAGMA synchronous`).Scan(&sync), w.conn.row(`PRAGMA journal_mode`).Scan(&mode), w.conn.row(`PRAGMA foreign_keys`).Scan(&keys))
	})
	if err != nil || sync != "2" || mode != "wal" || keys != "1" {
		t.Errorf("synchronous %s, journal_mode %s, foreign_keys %s, %v", sync, mode, keys, err)
	}
	if _, err := s.read.ExecContext(t.Context(), `DELETE FROM device`); err == nil {
		t.Error("a reader could write")
	}
}
