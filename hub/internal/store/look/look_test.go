package look

import (
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/hub/internal/store/storetest"
	"github.com/telltale-iot/telltale/schema"
)

func TestTheViewHasEveryReadingExactly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	held := storetest.Build(t, dir)
	db, err := Open(t.Context(), store.File(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT device, channel, t, t_ms, value, quality, time_quality FROM readings ORDER BY device, channel, t_ms`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	got := storetest.Held{}
	for rows.Next() {
		var s storetest.Series
		var p storetest.Point
		var text string
		var value any
		if err := rows.Scan(&s.Device, &s.Channel, &text, &p.TMS, &value, &p.Quality, &p.Time); err != nil {
			t.Fatal(err)
		}
		switch x := value.(type) {
		case float64:
			p.Value = schema.Number(x)
		case int64:
			p.Value = schema.Bool(x == 1)
		case string:
			p.Value = schema.Text(x)
		}
		got[s] = append(got[s], p)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for s, want := range held {
		if len(got[s]) != len(want) {
			t.Errorf("%v: %d readings, want %d", s, len(got[s]), len(want))
			continue
		}
		for i := range want {
			if got[s][i] != want[i] {
				t.Errorf("%v: %+v, want %+v", s, got[s][i], want[i])
				break
			}
		}
	}
	if _, err := db.ExecContext(t.Context(), `DELETE FROM chunk`); err == nil {
		t.Error("a look could write")
	}
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE x (y)`); err == nil {
		t.Error("a look could write")
	}
}

func TestAQueryForOneChannelUnpacksNoOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	storetest.Build(t, dir)
	db, err := Open(t.Context(), store.File(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `EXPLAIN QUERY PLAN SELECT avg(value) FROM readings WHERE device = 'pi' AND channel = 'air.state'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var plan string
		if err := rows.Scan(&id, &parent, &unused, &plan); err != nil {
			t.Fatal(err)
		}
		all.WriteString(plan + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if plan := all.String(); !strings.Contains(plan, "SEARCH c USING INDEX chunk_time (series_id=?)") || strings.Contains(plan, "SCAN c\n") {
		t.Errorf("%s", plan)
	}
}

func BenchmarkReadings(b *testing.B) {
	dir := b.TempDir()
	n := storetest.Build(b, dir).Count()
	db, err := Open(b.Context(), store.File(dir))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for b.Loop() {
		var count int64
		if err := db.QueryRowContext(b.Context(), `SELECT count(*) FROM readings WHERE value IS NOT NULL`).Scan(&count); err != nil || count == 0 {
			b.Fatal(count, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/reading")
}
