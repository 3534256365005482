package dbfile

import (
	"bytes"
	"database/sql"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	_ "github.com/mattn/go-sqlite3"
)

// example makes a file with rows of all kinds and sizes and returns what is in it, as text by table.
func example(t testing.TB, log bool) (file string, want map[string][]string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "a.db")
	db, err := sql.Open("sqlite3", "file:"+file+"?_journal_mode=WAL&_auto_vacuum=incremental")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	exec(`CREATE TABLE big (id INTEGER PRIMARY KEY, a INTEGER, x REAL, data BLOB) STRICT`)
	exec(`CREATE INDEX big_a ON big (a)`)
	exec(`CREATE TABLE keyed (a INTEGER, b TEXT, PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID`)
	exec(`CREATE TABLE small (id INTEGER PRIMARY KEY, s TEXT) STRICT`)
	exec(`INSERT INTO small VALUES (7, NULL), (-9000000000, 'negative'), (1 << 40, '')`)
	rng := rand.New(rand.NewPCG(1, 2))
	exec(`BEGIN`)
	for i := range 400 {
		data := make([]byte, rng.IntN(1500)+rng.IntN(8)/7*rng.IntN(9000))
		for j := range data {
			data[j] = byte(rng.Uint32())
		}
		exec(`INSERT INTO big VALUES (NULL, ?, ?, ?)`, rng.Int64()>>rng.IntN(64), rng.Float64(), data)
		exec(`INSERT INTO keyed VALUES (?, ?)`, i, fmt.Sprintf("%d %x", i, data[:min(len(data), 200)]))
	}
	exec(`COMMIT`)
	exec(`DELETE FROM big WHERE id % 10 = 3`)
	want = map[string][]string{
		"big": texts(t, db, `SELECT id, NULL, a, x, data FROM big`), "small": texts(t, db, `SELECT id, NULL, s FROM small`),
		"keyed": texts(t, db, `SELECT 0, a, b FROM keyed`), "big_a": texts(t, db, `SELECT 0, a, id FROM big`),
	}
	if log { // as a killed process leaves it
		kept := filepath.Join(t.TempDir(), "a.db")
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(file + suffix)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(kept+suffix, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		file = kept
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return file, want
}

func texts(t testing.TB, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for rows.Next() {
		row, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		all = append(all, line(row[0], row[1:]))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// line is a row in short; two rows have the same line only when they are equal, as good as.
func line(id any, row []any) string {
	h := fnv.New64a()
	for _, v := range row {
		switch v := v.(type) {
		case []byte:
			_, _ = h.Write(v)
		default:
			fmt.Fprintf(h, "%T %v|", v, v)
		}
	}
	return fmt.Sprintf("%v %x", id, h.Sum64())
}

// found is what a survey passes of each table, as example tells it, and whether it said that something is missing.
func found(f *File, s *Survey) (rows map[string][]string, holes map[string]bool) {
	rows, holes = map[string][]string{}, map[string]bool{}
	for name, tree := range s.Trees {
		visit := func(c *Cell) {
			if c == nil {
				holes[name] = true
				return
			}
			r, err := f.Record(c)
			if err != nil {
				holes[name] = true
				return
			}
			rows[name] = append(rows[name], line(c.RowID, r))
		}
		s.Each(tree, visit)
		s.Orphans(tree, visit)
		slices.Sort(rows[name])
	}
	return rows, holes
}

func TestEveryRowIsFoundAsSQLiteGivesIt(t *testing.T) {
	t.Parallel()
	for _, log := range []bool{false, true} {
		t.Run(fmt.Sprint("in the WAL ", log), func(t *testing.T) {
			t.Parallel()
			file, want := example(t, log)
			f, err := Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			s := f.Survey(nil)
			rows, holes := found(f, s)
			for name := range want {
				if !slices.Equal(rows[name], want[name]) {
					t.Errorf("%s: %d rows, want %d", name, len(rows[name]), len(want[name]))
				}
				if holes[name] || !s.Trees[name].Whole() {
					t.Errorf("%s is said to be damaged", name)
				}
			}
			if s.Guessed || len(s.BadPages) > 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// memory is a file in memory.
func memory(b []byte) *File {
	f := &File{data: bytes.NewReader(b), close: func() error { return nil }}
	if err := f.read(int64(len(b)), 0); err != nil {
		panic(err)
	}
	return f
}

// One page after the other, all at the front and some behind, is zeroed or filled with noise. No row may come back that was not there,
// rows that are missing must be known to be, and no page may take more with it than what was on it.
func TestADamagedPageTakesOnlyItselfAlong(t *testing.T) {
	t.Parallel()
	file, want := example(t, false)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := map[string]uint32{}
	for name, tree := range memory(whole).Survey(nil).Trees {
		roots[name] = tree.Root
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for n := 0; n < len(whole)/usualPageSize; n += 1 + n/12 {
		damaged := bytes.Clone(whole)
		page := damaged[n*usualPageSize : (n+1)*usualPageSize]
		clear(page)
		if n%2 == 1 {
			for i := range page {
				page[i] = byte(rng.Uint32())
			}
		}
		f := memory(damaged)
		s := f.Survey(roots)
		rows, holes := found(f, s)
		for _, name := range slices.Sorted(maps.Keys(want)) {
			missing := len(want[name]) - len(rows[name])
			for _, row := range rows[name] {
				if _, there := slices.BinarySearch(want[name], row); !there && name != "big" { // an overflow page has nothing that tells that it is damaged
					t.Errorf("page %d: a row of %s came from nowhere: %s", n+1, name, row)
				}
			}
			if missing > 0 && !holes[name] {
				t.Errorf("page %d: %d rows of %s are missing and nobody knows", n+1, missing, name)
			}
			if missing > 250 { // an index page has some two hundred entries
				t.Errorf("page %d takes %d rows of %s along", n+1, missing, name)
			}
		}
	}
}

func FuzzAnyBytes(f *testing.F) {
	file, _ := example(f, false)
	whole, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole[:16*usualPageSize], uint32(100), byte(5))
	f.Add(whole[:40], uint32(0), byte(0))
	f.Add(whole[:3*usualPageSize], uint32(2*usualPageSize+8), byte(255))
	f.Fuzz(func(t *testing.T, b []byte, at uint32, x byte) {
		if len(b) > 0 {
			b[int(at)%len(b)] ^= x
		}
		db := memory(b)
		found(db, db.Survey(map[string]uint32{"a": 3, "b": 4, "c": 1 << 31}))
		db.Survey(nil).Strays(func(c *Cell) { _, _ = db.Record(c) })
		logged := &File{data: bytes.NewReader(nil), log: bytes.NewReader(b)}
		if err := logged.read(0, int64(len(b))); err != nil && err != io.EOF {
			return
		}
		found(logged, logged.Survey(nil))
	})
}
