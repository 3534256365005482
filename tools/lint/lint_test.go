package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const bad = `// Package bad has one of each mistake.
package bad

import (
	"database/sql"
	"log/slog"
	"os"
	"strings"
)

func rows(db *sql.DB) error {
	r, err := db.Query("SELECT 1") // rowserrcheck, sqlclosecheck
	if err != nil {
		return err
	}
	for r.Next() {
	}
	return nil
}

func Mistakes(db *sql.DB, n int) string {
	os.Remove("x")                     // errcheck
	slog.Info("now")                   // sloglint
	if strings.Index("a", "b") != -1 { // S1003
		n = n // SA4018
	}
	//lint:ignore errcheck the file may be gone
	os.Remove("y")
	_ = rows(db)
	return "x"
}

func dead() {} // U1000
`

func TestEachMistakeIsFoundAndIgnoresAreObeyed(t *testing.T) {
	dir := t.TempDir()
	tool := filepath.Join(dir, "lint")
	if out, err := exec.Command("go", "build", "-o", tool, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, text := range map[string]string{"go.mod": "module bad\n\ngo 1.26\n", "bad.go": bad} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	vet := exec.Command("go", "vet", "-vettool="+tool, ".")
	vet.Dir = dir
	out, err := vet.CombinedOutput()
	if err == nil {
		t.Error("bad code passes")
	}
	for _, check := range []string{"(errcheck)", "(sloglint)", "(S1003)", "(SA4018)", "(U1000)", "(sqlclosecheck)", "(rowserr"} {
		if n := strings.Count(string(out), check); n != 1 {
			t.Errorf("%s found %d times", check, n)
		}
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}
