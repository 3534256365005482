package store

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestAKillWhileAStoreIsReplacedLeavesOneOfThem(t *testing.T) {
	t.Parallel()
	steps := len(replaceSteps("", "", ""))
	for done := range steps + 1 {
		t.Run(fmt.Sprint("after step ", done), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openAt(t, dir)
			pair(t, s, "lamp")
			mustAppend(t, s, numbers("lamp", 1, testT0, "t.state", nil, 1))
			with := filepath.Join(dir, "with.db")
			if _, err := s.CopyTo(t.Context(), with, nil); err != nil {
				t.Fatal(err)
			}
			mustAppend(t, s, numbers("lamp", 2, testT0, "t.state", nil, 2))
			generation := s.Generation()
			killed := killedCopy(t, dir) // with a WAL, as a kill leaves it
			aside := filepath.Join(killed, "aside.db")
			for _, step := range replaceSteps(killed, filepath.Join(killed, "with.db"), aside)[:done] {
				if err := step(); err != nil {
					t.Fatal(err)
				}
			}
			back := openAt(t, killed)
			switch n := len(audit(t, back, "lamp")); {
			case done < steps-1 && n != 2:
				t.Errorf("%d readings in the old store, want 2", n)
			case done >= steps-1 && (n != 1 || back.Generation() == generation):
				t.Errorf("%d readings in the new store, want 1; generation %s", n, back.Generation())
			}
			if done < steps {
				return
			}
			kept := t.TempDir()
			if err := os.Rename(aside, filepath.Join(kept, fileName)); err != nil {
				t.Fatal(err)
			}
			if n := len(audit(t, openAt(t, kept), "lamp")); n != 2 {
				t.Errorf("%d readings in the store that was put aside, want 2", n)
			}
		})
	}
}

// killedCopy copies a folder as it is now: what a kill at this moment leaves.
func killedCopy(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}
