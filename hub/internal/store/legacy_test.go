package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/telltale-iot/telltale/schema"
)

// oldFile makes a file as the last version with a row per reading left it: shape 2.
func oldFile(t *testing.T, dir string, readings int) {
	t.Helper()
	steps, err := migrationSteps(migrations)
	if err != nil {
		t.Fatal(err)
	}
	c, err := openConn(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), c, steps[:2]); err != nil {
		t.Fatal(err)
	}
	err = c.inTx(func() error {
		_, err := c.c.ExecContext(t.Context(), `
			INSERT INTO device (id, device_id, own_name, public_key, paired_ms) VALUES (1, 'lamp', 'Lamp', zeroblob(32), 1);
			INSERT INTO epoch (id, device_id, epoch) VALUES (1, 1, '`+testEpoch+`'), (2, 1, 'b');
			INSERT INTO received VALUES (1, 1, 999999);
			INSERT INTO series VALUES (1, 1, 'a.n'), (2, 1, 'a.s'), (3, 1, 'a.b')`)
		for i := 0; i < readings && err == nil; i++ {
			t := testT0 + int64(i/3)*1000 // three at each ms
			err = errors.Join(
				c.exec(`INSERT INTO reading VALUES (1, ?1, ?2, ?3, 0, ?4, 0, 0)`, t, 1+i%2, i+1, float64(i%700)/10),
				c.exec(`INSERT INTO reading VALUES (2, ?1, 1, ?2, 0, ?3, 0, 2)`, t, i+1, fmt.Sprint("s", i/1000)),
				c.exec(`INSERT INTO reading VALUES (3, ?1, 1, ?2, 0, ?3, ?4, 1)`, t, i+1, []any{int64(0), int64(1), nil}[i%3], []int64{0, 0, 1}[i%3]))
		}
		return err
	})
	if err = errors.Join(err, c.close()); err != nil {
		t.Fatal(err)
	}
}

func TestRowsOfAnOlderVersionArePacked(t *testing.T) {
	t.Parallel()
	const n = 5000
	dir := t.TempDir()
	oldFile(t, dir, n)
	c, err := openConn(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	steps, err := migrationSteps(migrations)
	if err == nil {
		err = migrate(t.Context(), c, steps)
	}
	if err != nil {
		t.Fatal(err)
	}
	w := newWriter("", c, Options{})
	for range 30 { // and then it is killed, in the middle of a series and a ms
		if got, err := w.legacyStep(101); err != nil || got != 101 {
			t.Fatal(got, err)
		}
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // a stop while it packs
	if s, err := Open(ctx, Options{Dir: dir, slots: testSlots}); err == nil {
		t.Error("opened in spite of the stop")
		_ = s.Close()
	}
	for range 2 {
		s := openAt(t, dir)
		got := audit(t, s, "lamp")
		if len(got) != 3*n {
			t.Fatalf("%d readings, want %d", len(got), 3*n)
		}
		var rows int
		if err := s.read.QueryRowContext(t.Context(), `SELECT count(*) FROM reading`).Scan(&rows); err != nil || rows > 0 {
			t.Errorf("%d rows are left, %v", rows, err)
		}
		checkOld(t, got, n)
		have, err := s.Received(t.Context(), "lamp", testEpoch)
		equal(t, "received", have, []schema.Range{{1, 999_999}})
		if err != nil {
			t.Error(err)
		}
		var hours, chunks int
		if err := s.read.QueryRowContext(t.Context(), `SELECT (SELECT sum(n) FROM hour), (SELECT count(*) FROM chunk)`).Scan(&hours, &chunks); err != nil || hours != n || chunks > 3*(n/chunkReadings+1)+3 {
			t.Errorf("%d readings in hours, %d chunks, %v", hours, chunks, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// checkOld holds every reading against what oldFile wrote.
func checkOld(t *testing.T, got []Reading, n int) {
	t.Helper()
	count := map[Reading]int{}
	for _, r := range got {
		count[r]++
	}
	for i := range n {
		at := testT0 + int64(i/3)*1000
		b := Reading{Channel: "a.b", TMS: at, Value: []schema.Value{schema.Bool(false), schema.Bool(true), {}}[i%3], Quality: schema.QualityOK, Time: schema.TimeRelative}
		if b.Value.IsNull() {
			b.Quality = schema.QualityFault
		}
		for _, r := range []Reading{b,
			{Channel: "a.n", TMS: at, Value: schema.Number(float64(i%700) / 10), Quality: schema.QualityOK, Time: schema.TimeSynced},
			{Channel: "a.s", TMS: at, Value: schema.Text(fmt.Sprint("s", i/1000)), Quality: schema.QualityOK, Time: schema.TimeEstimated}} {
			if count[r]--; count[r] < 0 {
				t.Fatalf("reading %d is not there: %+v", i, r)
			}
		}
	}
}
