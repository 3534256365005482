package fleet

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/firmware-sim/fault"
)

func TestRebootIsAPowerCutAndTheSameDeviceComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := perform(t, Options{Scenario: script(t, "home"), Speed: 60, Seed: 2})
		time.Sleep(20 * time.Second)
		key, err := os.ReadFile(filepath.Join(s.dir, "devices", "sim-living-room", "key"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Injector().Add(fault.Spec{Kind: fault.Reboot, Device: "sim-living-room", Length: 5 * time.Second}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if st := s.Status()[0]; st.Powered {
			t.Error("it runs without power")
		}
		time.Sleep(10 * time.Second)
		if st := s.Status()[0]; !st.Powered {
			t.Error("it did not come back")
		}
		again, err := os.ReadFile(filepath.Join(s.dir, "devices", "sim-living-room", "key"))
		if err != nil || !bytes.Equal(key, again) {
			t.Errorf("another key: %v", err)
		}
		ev := s.happened("sim-living-room")
		starts := 0
		for _, e := range ev {
			if e == "started" {
				starts++
			}
		}
		if starts != 2 || slices.Contains(ev, "stopping") {
			t.Errorf("two starts and no goodbye: %v", ev)
		}
		if err := s.end(); err != nil {
			t.Error(err)
		}
		left, err := filepath.Glob(filepath.Join(s.dir, "devices", "*.*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	})
}

func TestAMachineWithoutPowerIsSilent(t *testing.T) {
	var out bytes.Buffer
	quiet := &muted{slog.NewTextHandler(&out, nil), &atomic.Bool{}}
	log := slog.New(quiet).With("device", "one").WithGroup("part")
	log.Info("alive")
	quiet.off.Store(true)
	log.Error("dead")
	if s := out.String(); !strings.Contains(s, "alive") || strings.Contains(s, "dead") {
		t.Error(s)
	}
}

func TestStateOfTheNextRunIsThatOfTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		key := func() string {
			s := perform(t, Options{Scenario: script(t, "patient"), Dir: dir})
			time.Sleep(2 * time.Second)
			if err := s.end(); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(filepath.Join(dir, "devices", "sim-bed-1", "key"))
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		if a, b := key(), key(); a != b || a == "" {
			t.Errorf("keys %q and %q", a, b)
		}
	})
}

func TestThePowerCutLeavesTheFolderOfThatInstant(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "one")
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "outbox"), 0o700), os.WriteFile(filepath.Join(dir, "outbox", "a"), []byte("then"), 0o600)); err != nil {
		t.Fatal(err)
	}
	frozen, err := freeze(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, "outbox", name), []byte("too late"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := thaw(frozen, dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "outbox", "a")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("permissions: %v %v", info, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "outbox", "*"))
	b, readErr := os.ReadFile(filepath.Join(dir, "outbox", "a"))
	if err := errors.Join(err, readErr); err != nil || len(files) != 1 || string(b) != "then" {
		t.Errorf("%v holds %q, %v", files, b, err)
	}
}

func TestAFolderThatWasKilledDuringAPowerCutIsRepaired(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "one")
	write := func(name string) {
		t.Helper()
		if err := os.MkdirAll(name, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(name, "key"), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(dir + frozenSuffix) // between the two renames
	write(dir + lateSuffix)
	if err := recoverDir(dir); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "key")); err != nil || string(b) != dir+frozenSuffix {
		t.Errorf("%q %v", b, err)
	}
	write(dir + frozenSuffix) // before the first rename: the folder itself counts
	if err := recoverDir(dir); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(dir + ".*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
