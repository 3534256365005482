package salvage

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/hub/internal/store/check"
	"github.com/telltale-iot/telltale/hub/internal/store/dbfile"
	"github.com/telltale-iot/telltale/hub/internal/store/storetest"
	"github.com/telltale-iot/telltale/schema"
)

const pageSize = 4096

// outcome is a report and what the new store holds.
type outcome struct {
	*Report
	held     storetest.Held
	received map[string]schema.Ranges
}

func empty(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	storetest.Empty(t, dir)
	return store.File(dir)
}

// salvaged salvages a file's bytes.
func salvaged(t *testing.T, empty string, damaged []byte) outcome {
	t.Helper()
	dir := t.TempDir()
	file, out := filepath.Join(dir, "damaged.db"), store.File(filepath.Join(dir, "new"))
	if err := os.WriteFile(file, damaged, 0o400); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Dir(out), 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), Options{File: file, Output: out, empty: empty})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(file); err != nil || !bytes.Equal(b, damaged) {
		t.Errorf("the damaged file was touched (%v)", err)
	}
	s, err := store.Open(t.Context(), store.Options{Dir: filepath.Dir(out)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	return outcome{r, storetest.Read(t, s), storetest.Received(t, s)}
}

// missing compares what there was with what there is, both in order: want without got, and got without want.
func missing(want, got []storetest.Point) (lost, extra []storetest.Point) {
	left := map[storetest.Point]int{}
	for _, p := range got {
		left[p]++
	}
	for _, p := range want {
		if left[p] == 0 {
			lost = append(lost, p)
			continue
		}
		left[p]--
	}
	for p, n := range left {
		if n > 0 {
			extra = append(extra, p)
		}
	}
	return lost, extra
}

// reported reports whether a loss was named, or will be: a number that counts as never received comes again or becomes a gap at the next hello.
func (r outcome) reported(s storetest.Series, tMS int64) bool {
	return !r.received[s.Device].Has(storetest.Seq(tMS)) || slices.ContainsFunc(r.Lost, func(f check.Finding) bool {
		return (f.Device == "" || f.Device == s.Device) && (f.Channel == "" || f.Channel == s.Channel) && f.FromMS <= tMS && tMS <= f.ToMS
	})
}

// judge holds the promise: what is not reported as lost is there and equal, and nothing else is.
func (r outcome) judge(t *testing.T, what string, held storetest.Held) (lost int) {
	t.Helper()
	renamed := slices.ContainsFunc(r.Lost, func(f check.Finding) bool { return strings.Contains(f.What, "name of this") })
	for s, want := range held {
		gone, extra := missing(want, r.held[s])
		lost += len(gone)
		if renamed && len(gone) == len(want) {
			continue // it is there under another name, and that is said
		}
		for _, p := range gone {
			if !r.reported(s, p.TMS) {
				t.Errorf("%s: %v at %d is lost and not reported (%d of %d lost)", what, s, p.TMS, len(gone), len(want))
				break
			}
		}
		if len(extra) > 0 {
			t.Errorf("%s: %v has %v, which never was", what, s, extra[0])
		}
	}
	for s := range r.held {
		if _, was := held[s]; !was && !strings.HasPrefix(s.Device, "lost-") {
			t.Errorf("%s: %v came from nowhere", what, s)
		}
	}
	return lost
}

func TestAGoodStoreLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	held := storetest.Build(t, dir)
	whole, err := os.ReadFile(store.File(dir))
	if err != nil {
		t.Fatal(err)
	}
	r := salvaged(t, "", whole)
	if n := r.judge(t, "whole", held); n > 0 || len(r.Lost) > 0 || r.Readings != held.Count() || r.Devices != 2 {
		t.Errorf("%d lost, %+v", n, r)
	}
}

// Pages are zeroed, filled with noise, or get a flipped byte, one or several at a time, all over the file.
func TestWhatIsNotReportedAsLostIsThereAndEqual(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	held := storetest.Build(t, dir)
	whole, err := os.ReadFile(store.File(dir))
	if err != nil {
		t.Fatal(err)
	}
	pages, blank := len(whole)/pageSize, empty(t)
	rng := rand.New(rand.NewPCG(11, 13))
	all, lost, runs := held.Count(), int64(0), 0
	try := func(what string, n int, damage func(page []byte)) {
		b := bytes.Clone(whole)
		what = fmt.Sprint(what, " page")
		for range n {
			p := rng.IntN(pages)
			what += fmt.Sprint(" ", p+1)
			damage(b[p*pageSize : (p+1)*pageSize])
		}
		lost += int64(salvaged(t, blank, b).judge(t, what, held))
		runs++
	}
	zero := func(page []byte) { clear(page) }
	noise := func(page []byte) {
		for i := range page {
			page[i] = byte(rng.Uint32())
		}
	}
	flip := func(page []byte) { page[rng.IntN(len(page))] ^= 1 << rng.IntN(8) }
	sector := func(page []byte) { s := rng.IntN(len(page) / 512); clear(page[s*512 : (s+1)*512]) }
	for range 2 {
		try("zeroed", 1, zero)
		try("noise in", 1, noise)
		try("flipped byte in", 3, flip)
		try("zeroed sector in", 2, sector)
		try("zeroed", 4, zero)
	}
	t.Logf("%d runs, %d pages, %.2f %% of the readings lost per run", runs, pages, 100*float64(lost)/float64(all)/float64(runs))
	if share := float64(lost) / float64(all) / float64(runs); share > 0.1 {
		t.Errorf("%.0f %% of the readings are lost per run: a page takes too much along", 100*share)
	}
}

func TestTheFirstPagesTakeNoReadingsAlong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	held := storetest.Build(t, dir)
	whole, err := os.ReadFile(store.File(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 2} { // the list of tables; with it the pointer map
		b := bytes.Clone(whole)
		clear(b[:n*pageSize])
		r := salvaged(t, empty(t), b)
		if lost := r.judge(t, fmt.Sprint("the first ", n), held); lost > 0 || len(r.Lost) == 0 {
			t.Errorf("%d readings lost without %d pages; %v", lost, n, r.Lost)
		}
	}
}

// The tables that say what the readings belong to are small; each is on a page or two.
func TestASmallTableTakesNoReadingsAlong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	held := storetest.Build(t, dir)
	whole, err := os.ReadFile(store.File(dir))
	if err != nil {
		t.Fatal(err)
	}
	f, err := dbfile.Open(store.File(dir))
	if err != nil {
		t.Fatal(err)
	}
	trees, blank := f.Survey(nil).Trees, empty(t)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"meta", "series", "device", "epoch", "received", "gap", "hour", "chunk_time", "sqlite_autoindex_series_1"} {
		b := bytes.Clone(whole)
		at := int(trees[table].Root-1) * pageSize
		clear(b[at : at+pageSize])
		r := salvaged(t, blank, b)
		if lost := r.judge(t, table, held); lost > 0 {
			t.Errorf("without %s %d readings are lost", table, lost)
		}
		if told := len(r.Lost) > 0; told == slices.Contains([]string{"series", "epoch", "chunk_time", "sqlite_autoindex_series_1"}, table) {
			t.Errorf("without %s: %v", table, r.Lost)
		}
	}
}

func TestWhatIsThereIsNotOverwritten(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out.db")
	if err := os.WriteFile(out, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), Options{File: out, Output: out}); err == nil || !strings.Contains(err.Error(), "name of its own") {
		t.Error(err)
	}
	if _, err := Run(t.Context(), Options{File: out + "x", Output: out + "y"}); !os.IsNotExist(err) {
		t.Error(err)
	}
}

// A chunk's row and the index disagree about whose it is, as after a flipped bit in one of them.
func TestAChunkGoesToNoOtherSeries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	held := storetest.Build(t, dir)
	change(t, dir, `CREATE TABLE kept AS SELECT * FROM sqlite_schema WHERE name = 'chunk_time'`, `PRAGMA writable_schema = ON`,
		`DELETE FROM sqlite_schema WHERE name = 'chunk_time'`)
	change(t, dir, `UPDATE chunk SET series_id = 1 WHERE id = (SELECT min(c.id) FROM chunk c JOIN series s ON s.id = c.series_id WHERE s.channel = 'noise.state')`,
		`UPDATE chunk SET series_id = 1 WHERE id = (SELECT min(c.id) FROM chunk c JOIN series s ON s.id = c.series_id WHERE s.channel = 'mode.state')`,
		`PRAGMA writable_schema = ON`, `INSERT INTO sqlite_schema SELECT * FROM kept`, `DROP TABLE kept`)
	b, err := os.ReadFile(store.File(dir))
	if err != nil {
		t.Fatal(err)
	}
	r := salvaged(t, empty(t), b)
	r.judge(t, "another series", held)
	noise := storetest.Series{Device: "attic", Channel: "noise.state"}
	if lost, extra := missing(held[noise], r.held[noise]); len(lost)+len(extra) > 0 {
		t.Errorf("the hourly values tell whose the numbers are, and %d of them are lost", len(lost))
	}
	mode := storetest.Series{Device: "pi", Channel: "mode.state"}
	if !r.reported(mode, held[mode][0].TMS) {
		t.Errorf("it is not told that texts may be another's: %v", r.Lost)
	}
}

// change runs statements on a closed store, on a connection of their own.
func change(t *testing.T, dir string, queries ...string) {
	t.Helper()
	db, err := store.OpenForFilling(store.File(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range queries {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
