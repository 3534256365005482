package backup

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/hub/internal/store/check"
	"github.com/telltale-iot/telltale/schema"
)

// backedUp is a backup of ten frames in a folder of its own, and the generation of its store.
func backedUp(t *testing.T) (file, generation string) {
	t.Helper()
	s := openStore(t, t.TempDir())
	fill(t, s, 1, 10, 100)
	file = filepath.Join(t.TempDir(), "telltale-2026-01-01T000000Z.db")
	if _, err := Make(t.Context(), s, file, func(string, float64) {}); err != nil {
		t.Fatal(err)
	}
	return file, s.Generation()
}

func TestARestoreIsCheckedAtomicAndKeepsWhatWasThere(t *testing.T) {
	t.Parallel()
	file, generation := backedUp(t)
	data := filepath.Join(t.TempDir(), "new", "data")
	r, err := Restore(t.Context(), RestoreOptions{File: file, Data: data})
	if err != nil || r.Aside != "" || r.Report.Readings != 1000 {
		t.Fatalf("%+v, %v", r, err)
	}
	s := openStore(t, data)
	if s.Generation() == generation {
		t.Error("the generation is the old one: devices would not send again")
	}
	have, err := s.Received(t.Context(), "pi", testEpoch)
	if err != nil || len(have) != 1 || have[0] != (schema.Range{1, 10}) {
		t.Errorf("received %v, %v", have, err)
	}
	o := RestoreOptions{File: file, Data: data, Replace: true, At: time.Unix(1_790_000_000, 0)}
	if _, err := Restore(t.Context(), o); !errors.Is(err, store.ErrInUse) {
		t.Errorf("a hub runs on the folder: %v", err)
	}
	fill(t, s, 11, 12, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o.Replace = false
	if _, err := Restore(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--replace") {
		t.Errorf("without a word for it: %v", err)
	}
	o.Replace = true
	r, err = Restore(t.Context(), o)
	if err != nil || filepath.Base(r.Aside) != "telltale-replaced-2026-09-21T141320.000Z.db" {
		t.Fatalf("%+v, %v", r, err)
	}
	if old, err := check.File(t.Context(), r.Aside, nil); err != nil || !old.OK() || old.Readings != 1002 {
		t.Errorf("what was kept aside: %+v, %v", old, err)
	}
	if now, err := check.File(t.Context(), store.File(data), nil); err != nil || !now.OK() || now.Readings != 1000 {
		t.Errorf("what is in place: %+v, %v", now, err)
	}
	o.File = store.File(data)
	if _, err := Restore(t.Context(), o); err == nil || !strings.Contains(err.Error(), "own store") {
		t.Errorf("from itself: %v", err)
	}
}

func TestADamagedFileIsNotRestored(t *testing.T) {
	t.Parallel()
	file, _ := backedUp(t)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(good)
	for i := 3 * 4096; i < len(bad); i += 4096 / 2 {
		bad[i] ^= 1
	}
	for name, b := range map[string][]byte{"flipped": bad, "cut": good[:len(good)/2], "text": []byte(strings.Repeat("no database\n", 1000)), "empty": nil} {
		data := t.TempDir()
		if err := os.WriteFile(filepath.Join(data, "b.db"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Restore(t.Context(), RestoreOptions{File: filepath.Join(data, "b.db"), Data: data})
		if err == nil {
			t.Errorf("%s: restored", name)
		}
		for _, left := range names(t, data) {
			if left != "b.db" && left != "hub.lock" {
				t.Errorf("%s: %s is left", name, left)
			}
		}
	}
}
