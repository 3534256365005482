package store

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

func TestAnIDBelongsToOneKey(t *testing.T) {
	t.Parallel()
	s := openAt(t, t.TempDir())
	key, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the same key keeps its id, whatever it wants
		id, err := s.PairDevice(t.Context(), "lamp", "Lamp", key)
		if err != nil || id != "lamp" {
			t.Fatal(id, err)
		}
	}
	if id, err := s.PairDevice(t.Context(), "other", "Lamp", key); err != nil || id != "lamp" {
		t.Error(id, err)
	}
	if a, b := pair(t, s, "lamp"), pair(t, s, "lamp"); a != "lamp-2" || b != "lamp-3" {
		t.Error(a, b)
	}
	long := strings.Repeat("x", 63)
	if a, b := pair(t, s, long), pair(t, s, long); a != long || b != long[:61]+"-2" {
		t.Error(a, b)
	}
	got, ok, err := s.DeviceKey(t.Context(), "lamp")
	if err != nil || !ok || !got.Equal(key) {
		t.Error(got, ok, err)
	}
	if _, ok, err := s.DeviceKey(t.Context(), "nobody"); ok || err != nil {
		t.Error(ok, err)
	}
	if _, err := s.PairDevice(t.Context(), "Not Valid", "", key); err == nil {
		t.Error("a bad id was taken")
	}
}

func TestNamesOfPeopleWinOverTheDevices(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	device := func() schema.Device {
		t.Helper()
		d, ok, err := s.Device(t.Context(), "lamp")
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		return d
	}
	if d := device(); d.Name != "A lamp" || d.Presence.State != schema.PresenceNever || d.Descriptor != nil {
		t.Errorf("%+v", d)
	}
	describe(t, s)
	if d := device(); d.Name != "Lamp" || d.Area != "Hall" || d.Descriptor == nil || len(d.Descriptor.Entities) != 1 {
		t.Errorf("%+v", d)
	}
	name, area, none := "Bed lamp", "Bedroom", ""
	if d, err := s.PatchDevice(t.Context(), "lamp", schema.DevicePatch{Name: &name, Area: &area}); err != nil || d.Name != name || d.Area != area {
		t.Errorf("%+v %v", d, err)
	}
	if d, err := s.PatchDevice(t.Context(), "lamp", schema.DevicePatch{Name: &none}); err != nil || d.Name != "Lamp" || d.Area != area {
		t.Errorf("%+v %v", d, err)
	}
	if _, err := s.PatchDevice(t.Context(), "nobody", schema.DevicePatch{Name: &name}); !errors.Is(err, ErrUnknownDevice) {
		t.Error(err)
	}
	if err := s.TouchDevice(t.Context(), "lamp", testT0); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s) // nothing; the next call waits for a commit
	if _, err := s.PatchDevice(t.Context(), "lamp", schema.DevicePatch{}); err != nil {
		t.Fatal(err)
	}
	if d := device(); d.Presence.State != schema.PresenceOffline || d.Presence.SinceMS != testT0 {
		t.Errorf("%+v", d.Presence)
	}
	all, err := s.Devices(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != "lamp" {
		t.Error(all, err)
	}
	hash, err := s.DescriptorHash(t.Context(), "lamp")
	if err != nil || hash != device().Descriptor.Hash() {
		t.Errorf("hash %q, %v", hash, err)
	}
}

func TestForgettingADeviceDeletesAllOfItAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{Dir: dir, CommitEvery: time.Millisecond, slots: testSlots})
	if err != nil {
		t.Fatal(err)
	}
	pair(t, s, "lamp")
	pair(t, s, "kettle")
	dt, v := make([]int64, purgeRows), make([]float64, purgeRows)
	for i := range dt {
		dt[i] = int64(i)
	}
	for seq := range uint64(3) {
		mustAppend(t, s, numbers("lamp", seq+1, testT0+int64(seq)*purgeRows, "t.state", dt, v...))
	}
	mustAppend(t, s, numbers("kettle", 1, testT0, "t.state", nil, 1))
	create(t, s, newCommand(1, "state"))
	if err := s.SaveBoot(t.Context(), "lamp", "b1", 5, schema.TimeRelative); err != nil {
		t.Fatal(err)
	}
	if err := s.AddGap(t.Context(), "lamp", schema.GapRecord{FromMS: 1, ToMS: 2, Reason: schema.GapOffline}); err != nil {
		t.Fatal(err)
	}
	if err := s.ForgetDevice(t.Context(), "lamp"); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.Device(t.Context(), "lamp"); ok || err != nil {
		t.Error(ok, err)
	}
	if errs := appendAll(t, s, numbers("lamp", 99, testT0, "t.state", nil, 1)); !errors.Is(errs[0], ErrUnknownDevice) {
		t.Error(errs)
	}
	if err := s.ForgetDevice(t.Context(), "lamp"); !errors.Is(err, ErrUnknownDevice) {
		t.Error(err)
	}
	if err := s.Close(); err != nil { // perhaps in the middle of the deleting
		t.Fatal(err)
	}
	s = openAt(t, dir)
	if id := pair(t, s, "lamp"); id != "lamp" {
		t.Errorf("the id is not free: %s", id)
	}
	s.purging.Wait()
	var free int
	if err := s.read.QueryRowContext(t.Context(), `PRAGMA freelist_count`).Scan(&free); err != nil || free > 0 {
		t.Errorf("%d pages are not given back to the disk (%v)", free, err)
	}
	for _, table := range []string{"chunk", "hour", "series", "epoch", "received", "boot", "gap", "event", "command", "command_step", "command_last"} {
		var n, want int
		if err := s.read.QueryRowContext(t.Context(), `SELECT count(*) FROM `+table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if table == "chunk" || table == "hour" || table == "series" || table == "epoch" || table == "received" {
			want = 1 // the kettle's
		}
		if n != want {
			t.Errorf("%s has %d rows, want %d", table, n, want)
		}
	}
}

func TestForgettingGoesInSmallSteps(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	const events = 2*purgeRows + 1
	if err := s.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	step := func(f func(w *writer) error) (left int) {
		t.Helper()
		err := s.writer.do(t.Context(), func(w *writer) error {
			return errors.Join(f(w), w.conn.row(`SELECT count(*) FROM event`).Scan(&left))
		})
		if err != nil {
			t.Fatal(err)
		}
		return left
	}
	left := step(func(w *writer) error {
		return errors.Join(w.conn.exec(`WITH RECURSIVE i (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < ?1)
			INSERT INTO event SELECT (SELECT id FROM device), n, 1, n, 0, 'started', NULL, '' FROM i`, events), w.conn.exec(sqlForget, "lamp"))
	})
	for more := true; more; {
		now := step(func(w *writer) (err error) { more, err = w.purgeStep(); return err })
		if left-now > purgeRows {
			t.Fatalf("one step deleted %d rows", left-now)
		}
		left = now
	}
	if left != 0 {
		t.Errorf("%d events are left", left)
	}
}

func TestBootsKeepTheirOffset(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	if _, tq, err := s.Boot(t.Context(), "lamp", "b1"); tq != "" || err != nil {
		t.Error(tq, err)
	}
	for _, off := range []int64{5, -7} {
		if err := s.SaveBoot(t.Context(), "lamp", "b1", off, schema.TimeEstimated); err != nil {
			t.Fatal(err)
		}
		if got, tq, err := s.Boot(t.Context(), "lamp", "b1"); got != off || tq != schema.TimeEstimated || err != nil {
			t.Error(got, tq, err)
		}
	}
}

func TestOnlyTheNewestBootsAreKept(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	now := testT0
	s.now = func() time.Time { now++; return time.UnixMilli(now) }
	err := s.writer.do(t.Context(), func(w *writer) error { // as many as fit, in one commit
		h, err := w.device("lamp")
		for i := range int64(keepBoots) {
			err = errors.Join(err, w.conn.exec(sqlSaveBoot, h.id, fmt.Sprint("b", i), i, 1, testT0-1000+i))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, boot := range []string{"b0", "new", "new"} { // b0 is met again and so not the oldest any more
		if err := s.SaveBoot(t.Context(), "lamp", boot, 5, schema.TimeRelative); err != nil {
			t.Fatal(err)
		}
	}
	now = testT0 - 100_000 // the clock is set back: what was just saved stays
	if err := s.SaveBoot(t.Context(), "lamp", "back", 5, schema.TimeRelative); err != nil {
		t.Fatal(err)
	}
	for boot, want := range map[string]schema.TimeQuality{"back": schema.TimeRelative, "b0": schema.TimeRelative, "b1": "", "b2": schema.TimeRelative, "new": schema.TimeRelative} {
		if _, tq, err := s.Boot(t.Context(), "lamp", boot); tq != want || err != nil {
			t.Errorf("boot %s: %q %v, want %q", boot, tq, err, want)
		}
	}
}

func TestEventsAreKeptOnce(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	at := schema.Batch{Device: "lamp", Epoch: testEpoch, Seq: 4, T0MS: testT0, Time: schema.TimeRelative}
	for range 2 {
		done := make(chan error, 1)
		if err := s.AppendEvent(at, schema.Event{Type: "started", Entity: "lamp", Message: "after a power cut"}, func(err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Events(t.Context(), "lamp", testT0, testT0, 10)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "events", got, []EventRecord{{TMS: testT0, Time: schema.TimeRelative, Epoch: testEpoch, Seq: 4, Type: "started", Entity: "lamp", Message: "after a power cut"}})
}
