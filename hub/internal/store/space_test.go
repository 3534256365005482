package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// layDown puts chunks into the store as if they had been packed long ago: one per series and day, ending at the day's last ms.
func layDown(t *testing.T, s *Store, series, days, bytes int) {
	t.Helper()
	today := s.now().UnixMilli() / dayMS * dayMS
	for d := range days {
		err := s.writer.do(t.Context(), func(w *writer) error {
			for i := range series {
				id, err := seriesFor(w, "lamp", fmt.Sprintf("t%d.state", i))
				if err != nil {
					return err
				}
				t0 := today - int64(days-d)*dayMS
				if err := w.conn.exec(`INSERT INTO chunk (series_id, kind, t0_ms, t1_ms, n, n_values, data) VALUES (?1, 1, ?2, ?3, 1000, 1000, randomblob(?4))`,
					id, t0, t0+dayMS-1, bytes); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func seriesFor(w *writer, device, channel string) (int64, error) {
	k, err := w.device(device)
	if err != nil {
		return 0, err
	}
	return w.series(k, channel)
}

func look(t *testing.T, s *Store, dir string, budget int64) Room {
	t.Helper()
	if err := (&keeper{s: s, dir: dir, budget: budget}).look(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s.Room()
}

func held(t *testing.T, s *Store) (readings, bytes int64) {
	t.Helper()
	if err := s.read.QueryRowContext(t.Context(), sqlTotal).Scan(&readings, &bytes); err != nil {
		t.Fatal(err)
	}
	return readings, bytes
}

func TestRetentionDeletesWhatItPreviewed(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	layDown(t, s, 3, 40, 100)
	rules := []schema.RetentionRule{{Days: 30}, {Device: "lamp", Ch: "t1.state", Days: 10}, {Device: "lamp", Ch: "t2.state", Days: 0}}
	p, err := s.PreviewRetention(t.Context(), rules)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Series) != 2 || p.Readings != (10+30)*1000 || p.Bytes != (10+30)*100 {
		t.Fatalf("preview %+v", p)
	}
	if n, _ := held(t, s); n != 3*40*1000 {
		t.Fatalf("the preview deleted something: %d left", n)
	}
	if err := s.SetRetention(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	if err := s.keepToRules(t.Context()); err != nil { // the keeper was told as well; twice deletes no more
		t.Fatal(err)
	}
	n, bytes := held(t, s)
	if n != 3*40*1000-p.Readings || bytes != 3*40*100-p.Bytes {
		t.Errorf("%d readings and %d bytes left, preview said %+v would go", n, bytes, p)
	}
	got, err := s.Retention(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "rules", got, []schema.RetentionRule{{Days: 30}, {Device: "lamp", Ch: "t1.state", Days: 10}, {Device: "lamp", Ch: "t2.state"}})
}

func TestRetentionRulesThatCannotBe(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	for name, rules := range map[string][]schema.RetentionRule{
		"negative":               {{Days: -1}},
		"beyond counting":        {{Days: maxRetentionDays + 1}},
		"channel without device": {{Ch: "t.state", Days: 1}},
		"two for the same":       {{Days: 1}, {Days: 2}},
		"unknown device":         {{Device: "nobody", Days: 1}},
	} {
		var p *schema.Problem
		if err := s.SetRetention(t.Context(), rules); !errors.As(err, &p) {
			t.Errorf("%s: set says %v", name, err)
		}
		if _, err := s.PreviewRetention(t.Context(), rules); !errors.As(err, &p) {
			t.Errorf("%s: preview says %v", name, err)
		}
	}
	if rules, err := s.Retention(t.Context()); err != nil || len(rules) != 0 {
		t.Errorf("rules %v, %v", rules, err)
	}
}

func TestTheBudgetIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openAt(t, dir)
	pair(t, s, "lamp")
	layDown(t, s, 4, 30, 40_000)
	if err := s.writer.checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	const budget = 8 << 20 // WAL included
	r := look(t, s, dir, budget)
	if r.State != RoomOK || r.FileBytes > budget || r.GoneBeforeMS == 0 {
		t.Fatalf("room %+v", r)
	}
	oldest, err := s.oldest(t.Context())
	if err != nil || oldest < r.GoneBeforeMS {
		t.Errorf("the oldest reading is of %d, all before %d is said to be gone, %v", oldest, r.GoneBeforeMS, err)
	}
	if n, _ := held(t, s); n == 0 || n == 4*30*1000 {
		t.Errorf("%d readings left", n)
	}
	if r := look(t, s, dir, 1); r.State != RoomTight || !r.Stuck {
		t.Errorf("a budget that cannot be kept: %+v", r)
	}
	if oldest, err := s.oldest(t.Context()); err != nil || oldest == 0 {
		t.Errorf("the newest day was deleted too: %v", err)
	}
}

func TestAFullDiskIsSurvivedAlone(t *testing.T) {
	t.Parallel()
	dir := tinyDisk(t, 48)
	s := openAt(t, dir)
	pair(t, s, "lamp")
	layDown(t, s, 4, 20, 100_000)
	if r := look(t, s, dir, 0); r.State != RoomOK {
		t.Fatalf("at first: %+v", r)
	}
	ballast := filepath.Join(dir, ballastName)
	if _, err := os.Stat(ballast); err != nil {
		t.Fatalf("no ballast: %v", err)
	}
	stranger := filepath.Join(dir, "stranger")
	fill(t, stranger, dir)
	k := &keeper{s: s, dir: dir}
	if r, err := k.measure(); err != nil || r.State != RoomFull {
		t.Fatalf("after a stranger filled the disk: %+v, %v", r, err)
	}
	k.tell(s.Room(), Room{State: RoomFull})
	if err := appendAll(t, s, numbers("lamp", 1, testT0, "t.state", nil, 1))[0]; !errors.Is(err, ErrNoRoom) || s.Health() == nil {
		t.Fatalf("a frame on a full disk: %v, health %v", err, s.Health())
	}
	r := look(t, s, dir, 0) // it deletes the oldest and gives their room back
	if r.State == RoomFull || r.GoneBeforeMS == 0 {
		t.Fatalf("it did not help itself: %+v", r)
	}
	if _, err := os.Stat(ballast); !errors.Is(err, fs.ErrNotExist) && r.State != RoomOK {
		t.Errorf("the ballast is there on a tight disk: %v", err)
	}
	mustAppend(t, s, numbers("lamp", 1, testT0, "t.state", nil, 1))
	if err := os.Remove(stranger); err != nil {
		t.Fatal(err)
	}
	if r := look(t, s, dir, 0); r.State != RoomOK || s.Health() != nil {
		t.Errorf("after the stranger left: %+v, %v", r, s.Health())
	}
	if _, err := os.Stat(ballast); err != nil {
		t.Errorf("no new ballast: %v", err)
	}
}

func TestATightDiskCostsNoHistory(t *testing.T) {
	t.Parallel()
	dir := tinyDisk(t, 64)
	s := openAt(t, dir)
	pair(t, s, "lamp")
	layDown(t, s, 4, 20, 100_000)
	if err := s.writer.checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	k := &keeper{s: s, dir: dir}
	see := func() Room {
		if err := k.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s.Room()
	}
	free := see().FreeBytes
	before, _ := held(t, s)
	stranger, err := os.Create(filepath.Join(dir, "stranger"))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if err := writeZeros(stranger, free-(tightMark(64<<20)+fullMark(64<<20))/2); err != nil {
		t.Fatal(err)
	}
	if r := see(); r.State != RoomTight || r.GoneBeforeMS != 0 || s.Health() != nil {
		t.Fatalf("a disk that somebody else filled: %+v, %v", r, s.Health())
	}
	if now, _ := held(t, s); now != before {
		t.Fatalf("%d readings, there were %d", now, before)
	}
	k.ceiling -= 4096 // as if the store had grown by a page
	if r := see(); r.GoneBeforeMS == 0 {
		t.Errorf("a store that grows on a tight disk: %+v", r)
	}
	if now, _ := held(t, s); now >= before || now == 0 {
		t.Errorf("%d readings, there were %d", now, before)
	}
}

// fill writes a file until the disk takes no more.
func fill(t *testing.T, name, dir string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for n := 0; n < 1<<20; n++ {
		if _, err := f.Write(block); err != nil {
			return
		}
	}
	t.Fatalf("%s is not small", dir)
}

func TestTheKeeperStopsWithTheStore(t *testing.T) {
	t.Parallel()
	s, err := Open(context.Background(), Options{Dir: t.TempDir(), CommitEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.deleteBefore(t.Context(), 1, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}
