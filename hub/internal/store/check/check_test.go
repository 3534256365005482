package check

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/hub/internal/store/storetest"
)

func build(t testing.TB) (file string, held storetest.Held) {
	t.Helper()
	dir := t.TempDir()
	held = storetest.Build(t, dir)
	return store.File(dir), held
}

func TestAGoodStoreHasNoFindings(t *testing.T) {
	t.Parallel()
	file, held := build(t)
	last := 0.0
	r, err := File(t.Context(), file, func(p float64) {
		if p < last || p > 1 {
			t.Errorf("progress went from %v to %v", last, p)
		}
		last = p
	})
	if err != nil || last != 1 {
		t.Fatal(err, last)
	}
	for _, f := range r.Findings {
		t.Errorf("%s", f)
	}
	if r.Readings != held.Count() || r.Packed == r.Readings || r.Packed == 0 || r.Chunks < 15 || r.Hours < 50 || r.Slots == 0 {
		t.Errorf("%+v, %d readings are stored", r, held.Count())
	}
	left, err := filepath.Glob(file + "-*")
	if err != nil || len(left) > 0 {
		t.Errorf("the check leaves %v", left)
	}
}

// dump is everything that a checksum or a comparison holds, in a text.
func dump(t *testing.T, file string) (text string, err error) {
	t.Helper()
	db, _, err := store.OpenReadOnly(t.Context(), file)
	if err != nil {
		return "", err
	}
	defer func() { _ = db.Close() }()
	var b strings.Builder
	for _, query := range []string{`SELECT id, series_id, kind, t0_ms, t1_ms, n, n_values, vmin, vmax, vsum, hex(data) FROM chunk ORDER BY id`,
		`SELECT * FROM hour ORDER BY series_id, t_ms`, `SELECT slot, hex(data) FROM ring ORDER BY slot`, `SELECT * FROM total`} {
		if err := rows(t.Context(), db, query, func(values []any) { fmt.Fprintln(&b, values...) }); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

func rows(ctx context.Context, db *sql.DB, query string, fn func([]any)) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	for rows.Next() {
		values, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			return err
		}
		fn(values)
	}
	return rows.Err()
}

// A byte is flipped anywhere in the file. Either the check says so, or chunks, hours and log are what they were.
func TestEveryFlippedByteIsNoticed(t *testing.T) {
	t.Parallel()
	file, _ := build(t)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, err := dump(t, file)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	bad := filepath.Join(t.TempDir(), "bad.db")
	noticed := 0
	const flips = 50
	for range flips {
		at, bit := rng.IntN(len(whole)), byte(1)<<rng.IntN(8)
		b := bytes.Clone(whole)
		b[at] ^= bit
		if err := os.WriteFile(bad, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := File(t.Context(), bad, nil)
		if err != nil || !r.OK() {
			noticed++
			continue
		}
		if got, err := dump(t, bad); err != nil || got != want {
			t.Errorf("byte %d of page %d, bit %d: not noticed (%v)", at%4096, at/4096+1, bit, err)
		}
	}
	t.Logf("%d of %d noticed", noticed, flips)
	if noticed < flips/4 {
		t.Errorf("only %d of %d noticed", noticed, flips)
	}
}

func TestFindingsNameDeviceChannelAndTimes(t *testing.T) {
	t.Parallel()
	good, _ := build(t)
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, change string
		says         []string
	}{
		{"a chunk's bytes", `UPDATE chunk SET data = CAST(substr(data, 1, 20) || x'00ff' || substr(data, 23) AS BLOB) WHERE id = (SELECT max(c.id) FROM chunk c JOIN series s ON s.id = c.series_id JOIN device d ON d.id = s.device_id WHERE channel = 'air.state' AND d.device_id = 'pi')`,
			[]string{"pi air.state 2026-", "damaged"}},
		{"a chunk's sum", `UPDATE chunk SET vsum = vsum + 0.1 WHERE id = 1`, []string{"attic", "total values"}},
		{"a chunk's end", `UPDATE chunk SET t1_ms = t1_ms + 1 WHERE id = 1`, []string{"attic", "reaches from"}},
		{"a chunk's series", `UPDATE chunk SET series_id = (SELECT max(id) FROM series) WHERE id = 1`, []string{"overlap", "missing"}},
		{"a chunk that is gone", `DELETE FROM chunk WHERE id = (SELECT id FROM chunk WHERE series_id = 1 ORDER BY t0_ms LIMIT 1 OFFSET 1)`, []string{"attic", "readings are missing"}},
		{"an hour's least value", `UPDATE hour SET vmin = vmin - 1 WHERE series_id = 1 AND t_ms = (SELECT max(t_ms) FROM hour WHERE series_id = 1)`, []string{"attic", "hourly value differs"}},
		{"an hour that is gone", `DELETE FROM hour WHERE series_id = 1 AND t_ms = (SELECT max(t_ms) FROM hour WHERE series_id = 1)`, []string{"hourly value is missing"}},
		{"a slot", `UPDATE ring SET data = CAST(substr(data, 1, 100) || x'aa' || substr(data, 102) AS BLOB) WHERE slot IN (SELECT slot FROM ring WHERE hex(substr(data, 1, 2)) <> '0000')`, []string{"slot", "readings that came then are lost"}},
		{"received ranges", `INSERT INTO received VALUES (1, 2, 9)`, []string{"attic", "overlap or touch"}},
		{"a gap", `UPDATE gap SET to_ms = from_ms - 1`, []string{"gap 1 ends before it begins"}},
		{"the total", `UPDATE total SET readings = 7`, []string{"total says 7"}},
		{"a reference", `DELETE FROM epoch`, []string{"no outbox"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "changed.db")
			if err := os.WriteFile(file, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			db, err := store.OpenForFilling(file)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.ExecContext(t.Context(), c.change); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			r, err := File(t.Context(), file, nil)
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			for _, f := range r.Findings {
				fmt.Fprintln(&text, f)
			}
			for _, s := range c.says {
				if !strings.Contains(text.String(), s) {
					t.Errorf("%q is not said in\n%s", s, text.String())
				}
			}
		})
	}
}

func TestWhatIsNoStoreIsRefused(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x.db")
	if _, err := File(t.Context(), file, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(file, []byte(strings.Repeat("not a database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := File(t.Context(), file, nil)
	if err != nil || r.OK() {
		t.Errorf("not a database: %+v, %v", r, err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := File(t.Context(), file, nil); err == nil || !strings.Contains(err.Error(), "not a store") {
		t.Errorf("empty: %v", err)
	}
	good, _ := build(t)
	db, err := store.OpenForFilling(good)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `PRAGMA user_version = 99`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := File(t.Context(), good, nil); !errors.Is(err, store.ErrNewer) {
		t.Errorf("a newer program's: %v", err)
	}
}

// A hub writes at full rate while its file is checked.
func TestARunningStoreCanBeChecked(t *testing.T) {
	t.Parallel()
	file, _ := build(t)
	s, err := store.Open(t.Context(), store.Options{Dir: filepath.Dir(file)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := int64(0); ctx.Err() == nil; i++ {
			storetest.More(t, s, "pi", uint64(200+i))
			if err := s.Seal(context.Background()); err != nil {
				t.Error(err)
			}
		}
	}()
	var findings []Finding
	for range 5 {
		r, err := File(t.Context(), file, nil)
		if err != nil {
			t.Error(err)
			break
		}
		findings = slices.Concat(findings, r.Findings)
	}
	stop()
	<-ended
	for _, f := range findings {
		t.Errorf("%s", f)
	}
}
