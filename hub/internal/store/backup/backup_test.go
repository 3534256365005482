package backup

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/hub/internal/store/check"
	"github.com/telltale-iot/telltale/hub/internal/store/storetest"
	"github.com/telltale-iot/telltale/schema"
)

const (
	testEpoch = "00000000000000aa"
	testT0    = int64(1_790_000_000_000)
)

// childEnv makes the test binary keep a backup of the store in that folder half made until it is killed.
const childEnv = "TELLTALE_BACKUP_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := stayHalfWay(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func openStore(t testing.TB, dir string) *store.Store {
	t.Helper()
	if _, err := os.Stat(store.File(dir)); err != nil {
		storetest.Empty(t, dir)
	}
	s, err := store.Open(context.Background(), store.Options{Dir: dir, CommitEvery: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	key, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if devices, err := s.Devices(t.Context()); err != nil {
		t.Fatal(err)
	} else if len(devices) == 0 {
		if _, err := s.PairDevice(t.Context(), "pi", "A Pi", key); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func frame(seq uint64, readings int) schema.Batch {
	s := schema.Series{Ch: "air.state", DtMS: make([]int64, readings)}
	for i := range readings {
		s.DtMS[i] = int64(i)
		s.V = append(s.V, schema.Number(float64(seq)+float64(i)/8))
	}
	return schema.Batch{Device: "pi", Epoch: testEpoch, Seq: seq, T0MS: testT0 + int64(seq)*1000, Time: schema.TimeSynced, Series: []schema.Series{s}}
}

// fill stores frames from to to, of so many readings each.
func fill(t testing.TB, s *store.Store, from, to uint64, readings int) {
	t.Helper()
	done := make(chan error, to-from+1)
	for seq := from; seq <= to; seq++ {
		if err := s.Append(frame(seq, readings), func(err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
	}
	for range to - from + 1 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a keeper until the test ends.
func run(t *testing.T, o Options) *Keeper {
	t.Helper()
	k := New(o)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return k
}

// ended waits until the backup under way is done or failed.
func ended(t *testing.T, k *Keeper) schema.Backup {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 4000 {
		if b := k.Newest(); b != nil && b.EndedMS > 0 {
			return *b
		}
		<-tick.C
	}
	t.Fatal("the backup does not end")
	return schema.Backup{}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestABackupUnderFullLoadIsGoodAndHoldsWhatWasAckedBefore(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	const before = 300
	fill(t, s, 1, before, 20)
	load, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for seq := uint64(before + 1); load.Err() == nil; seq += 8 {
			fill(t, s, seq, seq+7, 20)
		}
	}()
	dir := filepath.Join(t.TempDir(), "backups")
	k := run(t, Options{Source: s, Dir: dir})
	first, err := k.Start()
	if err != nil || first.State != stateRunning || first.StartedMS == 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	_, err = k.Start()
	var p *schema.Problem
	if !errors.As(err, &p) || p.Code != schema.CodeConflict {
		t.Errorf("a second one at the same time: %v", err)
	}
	b := ended(t, k)
	stop()
	<-stopped
	if b.State != stateDone || b.Progress != 1 || b.Readings < before*20 {
		t.Fatalf("%+v", b)
	}
	if got := names(t, dir); !slices.Equal(got, []string{b.Name}) {
		t.Errorf("left: %v", got)
	}
	r, err := check.File(t.Context(), filepath.Join(dir, b.Name), nil)
	if err != nil || !r.OK() || r.Readings != b.Readings {
		t.Errorf("%+v, %v", r, err)
	}
}

// half is a source whose copies never end, or end damaged.
type half struct {
	*store.Store
	reached chan struct{}
	spoil   bool
}

func (h half) CopyTo(ctx context.Context, file string, progress func(float64)) (store.Copied, error) {
	if h.spoil {
		c, err := h.Store.CopyTo(ctx, file, progress)
		c.Readings++
		return c, err
	}
	return h.Store.CopyTo(ctx, file, func(float64) {
		h.reached <- struct{}{}
		<-ctx.Done()
	})
}

func TestACopyThatIsNotAsTheStoreWasIsNoBackup(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	fill(t, s, 1, 3, 5)
	dir := t.TempDir()
	k := run(t, Options{Source: half{Store: s, spoil: true}, Dir: dir})
	if _, err := k.Start(); err != nil {
		t.Fatal(err)
	}
	b := ended(t, k)
	if b.State != stateFailed || !strings.Contains(b.Message, "15 readings, the store had 16") || len(names(t, dir)) != 0 {
		t.Errorf("%+v, left %v", b, names(t, dir))
	}
	if list := k.List().Backups; len(list) != 1 || list[0].State != stateFailed {
		t.Errorf("%+v", list)
	}
	if err := k.Delete(b.Name); err != nil || len(k.List().Backups) != 0 {
		t.Errorf("a failed one cannot be taken off the list: %v", err)
	}
}

func TestAStoppingHubGivesItsBackupUp(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	fill(t, s, 1, 3, 5)
	dir := t.TempDir()
	reached := make(chan struct{}, 100)
	k := New(Options{Source: half{Store: s, reached: reached}, Dir: dir})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	if _, err := k.Start(); err != nil {
		t.Fatal(err)
	}
	<-reached
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	var p *schema.Problem
	if _, err := k.Start(); !errors.As(err, &p) || p.Code != schema.CodeUnavailable {
		t.Errorf("after the end: %v", err)
	}
	if b := k.Newest(); b.State != stateFailed || len(names(t, dir)) != 0 {
		t.Errorf("%+v, left %v", b, names(t, dir))
	}
}

func stayHalfWay(dir string) error {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{Dir: dir})
	if err != nil {
		return err
	}
	_, err = Make(ctx, s, filepath.Join(dir, "backups", "telltale-2026-01-01T000000Z.db"), func(state string, p float64) {
		if p > 0 {
			fmt.Println("under way") //nolint:forbidigo // the parent reads it
			select {}
		}
	})
	return err
}

func TestAKillLeavesNoHalfBackup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	storetest.Empty(t, dir)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), childEnv+"="+dir), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	backups := filepath.Join(dir, "backups")
	if got := names(t, backups); len(got) == 0 || !strings.HasSuffix(got[0], partSuffix) {
		t.Fatalf("the kill left %v: it was not half way", got)
	}
	k := New(Options{Dir: backups})
	if got := names(t, backups); len(got) != 0 || len(k.List().Backups) != 0 {
		t.Errorf("left after the next start: %v", got)
	}
}

func TestAFullDiskFailsABackupInWords(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	fill(t, s, 1, 40, 500)
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("SKIPPED: a small disk needs the right to mount (root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	_, err := Make(t.Context(), s, filepath.Join(disk, "telltale-2026-01-01T000000Z.db"), func(string, float64) {})
	if err == nil || !strings.Contains(err.Error(), "not enough room") {
		t.Errorf("a disk that is too small: %v", err)
	}
	if got := names(t, disk); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
	fill(t, s, 41, 42, 1) // the store goes on
}

func TestOnlyTheNewestBackupsAreKept(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	dir := t.TempDir()
	for _, name := range []string{"telltale-2026-01-01T000000Z.db", "telltale-2026-01-02T000000Z.db", "notes.txt", "telltale-mine.db",
		"telltale-2026-01-03T000000Z.db.part", "telltale-2026-01-03T000000Z.db.part-journal"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k := run(t, Options{Source: s, Dir: dir, Keep: 2})
	if _, err := k.Start(); err != nil {
		t.Fatal(err)
	}
	b := ended(t, k)
	want := []string{"notes.txt", "telltale-2026-01-02T000000Z.db", b.Name, "telltale-mine.db"}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("left %v, want %v", got, want)
	}
	if list := k.List().Backups; len(list) != 2 || list[0].Name != b.Name || list[1].StartedMS == 0 {
		t.Errorf("%+v", list)
	}
}

func TestNamesThatAreNoneReachNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := filepath.Join(dir, "telltale.db")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	k := New(Options{Dir: filepath.Join(dir, "backups")})
	for _, name := range []string{"", ".", "../telltale.db", "telltale.db", "/etc/passwd", "telltale-2026-01-01T000000Z.db/../../telltale.db",
		"telltale-2026-01-01T000000Z.db\x00", "telltale-2026-01-01T000000Z.db"} {
		var p *schema.Problem
		if f, err := k.Open(name); f != nil || !errors.As(err, &p) || p.Code != schema.CodeNotFound {
			t.Errorf("open %q: %v", name, err)
		}
		if err := k.Delete(name); !errors.As(err, &p) || p.Code != schema.CodeNotFound {
			t.Errorf("delete %q: %v", name, err)
		}
	}
	if _, err := os.Stat(secret); err != nil {
		t.Error(err)
	}
}

// empty is a source whose copies cannot be made.
type empty struct{}

func (empty) CopyTo(context.Context, string, func(float64)) (store.Copied, error) {
	return store.Copied{}, errors.New("no copy today")
}

func TestABackupComesWhenItIsDue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		name := time.Now().Add(-23 * time.Hour).UTC().Format(nameLayout)
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		k := New(Options{Source: empty{}, Dir: dir, Every: 24 * time.Hour})
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = k.Run(ctx) }()
		at := func(wait time.Duration, began time.Duration) {
			t.Helper()
			start := time.Now()
			<-time.After(wait)
			synctest.Wait()
			b := k.Newest()
			if began < 0 && b != nil || began >= 0 && (b == nil || b.State != stateFailed || b.StartedMS != start.Add(began).UnixMilli()) {
				t.Errorf("after %s more: %+v", wait, b)
			}
		}
		at(59*time.Minute, -1)
		at(2*time.Minute, time.Minute)
		at(retryAfter, retryAfter-time.Minute) // failed, and tried again
		stop()
		synctest.Wait()
	})
}
