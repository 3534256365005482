// Package storetest makes stores with readings of every kind, for tests that damage, copy or repair them, and says what such a store holds.
package storetest

import (
	"crypto/ed25519"
	"database/sql"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/schema"
)

const (
	// Epoch is the outbox that the frames come from.
	Epoch = "00000000000000aa"
	// T0 is when the readings begin, Unix ms.
	T0 = int64(1_790_000_000_000)
	// slots of the log: a large one would be most of the file.
	slots = 48
)

// Series names a channel of a device.
type Series struct{ Device, Channel string }

// Point is a reading as far as comparing goes.
type Point struct {
	TMS     int64
	Value   schema.Value
	Quality schema.Quality
	Time    schema.TimeQuality
}

// Held is what a store holds, by series, in order.
type Held map[Series][]Point

// Count is how many readings there are.
func (h Held) Count() (n int64) {
	for _, all := range h {
		n += int64(len(all))
	}
	return n
}

// Build makes a closed store in a folder: two devices, numbers, states and texts, some chunks each, with gaps, an event and a command; the newest
// readings are in the log. It returns what is in it.
func Build(t testing.TB, dir string) Held {
	t.Helper()
	Empty(t, dir)
	s := open(t, dir)
	for i, device := range []string{"attic", "pi"} {
		key := ed25519.NewKeyFromSeed(append(make([]byte, 31), byte(i)))
		if _, err := s.PairDevice(t.Context(), device, "The "+device, key.Public().(ed25519.PublicKey)); err != nil {
			t.Fatal(err)
		}
		fill(t, s, device, 1, 90)
	}
	if err := s.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, device := range []string{"attic", "pi"} {
		fill(t, s, device, 91, 96)
	}
	held := Read(t, s)
	killed := files(t, dir) // closing would pack the rest
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, b := range killed {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := store.OpenForFilling(store.File(dir))
	if err != nil {
		t.Fatal(err)
	}
	drain(t, db, `PRAGMA journal_mode = DELETE`) // folds the WAL in
	drain(t, db, `PRAGMA journal_mode = WAL`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return held
}

// files are a folder's files as they are now: what a kill leaves.
func files(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "-shm") {
			continue
		}
		if all[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// Empty makes an empty store with a small log in a folder.
func Empty(t testing.TB, dir string) {
	t.Helper()
	s := open(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	shrink(t, dir)
}

func open(t testing.TB, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: dir, CommitEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// shrink makes the log of a closed store small.
func shrink(t testing.TB, dir string) {
	t.Helper()
	db, err := store.OpenForFilling(store.File(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, query := range []string{fmt.Sprintf(`DELETE FROM ring WHERE slot >= %d`, slots), `PRAGMA incremental_vacuum(100000)`} {
		drain(t, db, query)
	}
}

func drain(t testing.TB, db *sql.DB, query string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// fill stores frames; the numbers in between are a gap and an event.
func fill(t testing.TB, s *store.Store, device string, from, to uint64) {
	t.Helper()
	done := make(chan error, to-from+1)
	tell := func(err error) { done <- err }
	for seq := from; seq <= to; seq++ {
		at := T0 + int64(seq)*800_000
		var err error
		switch seq {
		default:
			err = s.Append(frame(device, seq, at), tell)
		case 20:
			err = s.AppendGap(device, Epoch, schema.Gap{First: 20, Last: 20, FromMS: at, ToMS: at + 1000, Reason: schema.GapQuota}, tell)
		case 40:
			err = s.AppendEvent(schema.Batch{Device: device, Epoch: Epoch, Seq: 40, T0MS: at}, schema.Event{Type: "started", Message: "here I am"}, tell)
		}
		if err != nil {
			t.Fatal(err)
		}
		if seq%30 == 0 { // chunks of the series lie mixed in the file
			if err := s.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range to - from + 1 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// frame has 80 readings of each series, ten seconds apart.
func frame(device string, seq uint64, at int64) schema.Batch {
	b := schema.Batch{Device: device, Epoch: Epoch, Seq: seq, T0MS: at, Time: schema.TimeSynced}
	add := func(ch string, step int, value func(x float64) schema.Value) {
		one := schema.Series{Ch: ch}
		for i := 0; i < 80; i += step {
			one.DtMS = append(one.DtMS, int64(i)*10_000)
			one.V = append(one.V, value(float64(seq)*80+float64(i)))
			one.Q = append(one.Q, schema.QualityOK)
		}
		if seq%17 == 3 {
			one.V[0], one.Q[0] = schema.Value{}, schema.QualityFault
		}
		b.Series = append(b.Series, one)
	}
	add("air.state", 1, func(x float64) schema.Value { return schema.Number(math.Round(200+40*math.Sin(x/300)) / 10) })
	add("noise.state", 1, func(x float64) schema.Value { return schema.Number(math.Sin(x) * math.Pi) })
	if device == "pi" {
		add("lamp.state", 16, func(x float64) schema.Value { return schema.Bool(int(x)%3 == 0) })
		add("mode.state", 20, func(x float64) schema.Value { return schema.Text(fmt.Sprintf("mode %d of the heating", int(x)%7)) })
	}
	return b
}

// Read returns what an open store holds.
func Read(t testing.TB, s *store.Store) Held {
	t.Helper()
	devices, err := s.Devices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h := Held{}
	for _, d := range devices {
		err := s.Audit(t.Context(), d.ID, func(r store.Reading) error {
			at := Series{d.ID, r.Channel}
			h[at] = append(h[at], Point{r.TMS, r.Value, r.Quality, r.Time})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// Received returns the numbers that a store knows of each of the devices.
func Received(t testing.TB, s *store.Store) map[string]schema.Ranges {
	t.Helper()
	all := map[string]schema.Ranges{}
	for _, device := range []string{"attic", "pi"} {
		have, err := s.Received(t.Context(), device, Epoch)
		if err != nil {
			t.Fatal(err)
		}
		all[device] = have
	}
	return all
}

// Seq is the number of the frame that brought a reading.
func Seq(tMS int64) uint64 { return uint64((tMS - T0) / 800_000) }

// More stores one more frame of a device and waits for its ack.
func More(t testing.TB, s *store.Store, device string, seq uint64) {
	t.Helper()
	done := make(chan error, 1)
	if err := s.Append(frame(device, seq, T0+int64(seq)*800_000), func(err error) { done <- err }); err != nil {
		t.Error(err)
		return
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
