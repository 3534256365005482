package store

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	sqlite3 "github.com/mattn/go-sqlite3"
)

// statements takes a migration apart.
func statements(sql string) (all []string) {
	sql = regexp.MustCompile(`--[^\n]*`).ReplaceAllString(sql, "")
	var one strings.Builder
	for part := range strings.SplitAfterSeq(sql, ";") {
		one.WriteString(part)
		text := strings.TrimSpace(one.String())
		if strings.HasPrefix(text, "CREATE TRIGGER") && !strings.HasSuffix(text, "END;") || text == "" {
			continue
		}
		all = append(all, text)
		one.Reset()
	}
	return all
}

// shape is how a file's tables look.
func shape(t *testing.T, s *Store) string {
	t.Helper()
	var text string
	err := s.read.QueryRowContext(t.Context(), `SELECT group_concat(name || ': ' || coalesce(sql, ''), char(10)) FROM (SELECT name, sql FROM sqlite_schema ORDER BY name)`).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(regexp.MustCompile(`--[^\n]*`).ReplaceAllString(text, "")), " ")
}

// A kill leaves the files as they are at that moment. They are copied after every statement of every migration and after each commit; each copy
// is then opened by the hub.
func TestMigrationsSurviveAKillAtEveryStatement(t *testing.T) {
	t.Parallel()
	steps, err := migrationSteps(migrations)
	if err != nil {
		t.Fatal(err)
	}
	want := shape(t, openAt(t, t.TempDir()))
	for _, start := range []int{0, 2} {
		t.Run(fmt.Sprint("from shape ", start), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			const readings = 9
			if start == 2 {
				oldFile(t, dir, readings)
			}
			c, err := openConn(filepath.Join(dir, fileName))
			if err != nil {
				t.Fatal(err)
			}
			defer c.close()
			var copies []string
			err = c.c.Raw(func(d any) error {
				return d.(*sqlite3.SQLiteConn).RegisterFunc("kill", func() int { copies = append(copies, killedCopy(t, dir)); return 0 }, false)
			})
			if err != nil {
				t.Fatal(err)
			}
			broken, count := make([]string, len(steps)), 0
			for i, s := range steps {
				for _, one := range statements(s) {
					broken[i] += one + "\nSELECT kill();\n"
					count++
				}
			}
			for i := start; i < len(steps); i++ {
				if err := migrate(t.Context(), c, broken[:i+1]); err != nil {
					t.Fatal(err)
				}
				copies = append(copies, killedCopy(t, dir))
			}
			if len(copies) < 10 || start == 0 && len(copies) < count {
				t.Fatalf("only %d copies of %d statements", len(copies), count)
			}
			for i, copied := range copies {
				s, err := Open(t.Context(), Options{Dir: copied, slots: testSlots})
				if err != nil {
					t.Fatalf("copy %d: %v", i, err)
				}
				if got := shape(t, s); got != want {
					t.Errorf("copy %d has the shape\n%s\nwant\n%s", i, got, want)
				}
				if start == 2 {
					if got := audit(t, s, "lamp"); len(got) != 3*readings {
						t.Errorf("copy %d: %d readings, want %d", i, len(got), 3*readings)
					} else {
						checkOld(t, got, readings)
					}
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
