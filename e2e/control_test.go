package e2e

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/e2e/chaos"
)

// tampering is what the checker must notice: each statement breaks one promise in a copy of a good database.
var tampering = []struct{ name, statement, want string }{
	{"a stored reading is lost", `DELETE FROM reading WHERE (series_id, t_ms, epoch_id, seq, n) IN (SELECT series_id, t_ms, epoch_id, seq, n FROM reading LIMIT 1)`, "readings generated"},
	{"a whole frame is lost", `DELETE FROM reading WHERE seq = (SELECT seq FROM reading LIMIT 1) AND epoch_id = (SELECT epoch_id FROM reading LIMIT 1)`, "was acked and is not stored"},
	{"a reading is stored twice", `INSERT INTO reading SELECT series_id, t_ms, epoch_id, seq, 9, value, quality, time_quality FROM reading LIMIT 1`, "readings generated"},
	{"a value changed", `UPDATE reading SET value = 12345.5 WHERE typeof(value) = 'real' AND seq = (SELECT max(seq) FROM reading)`, "never generated"},
	{"a time changed", `UPDATE reading SET t_ms = t_ms + 1 WHERE time_quality = 0 AND seq = (SELECT max(seq) FROM reading WHERE time_quality = 0)`, "never generated"},
	{"a phantom appeared", `INSERT INTO reading SELECT series_id, t_ms, epoch_id, 999999, n, value, quality, time_quality FROM reading LIMIT 1`, "never generated"},
	{"gaps are forgotten", `DELETE FROM gap`, "a hole without a gap"},
	{"received ranges are forgotten", `DELETE FROM received`, "would be stored again"},
	{"a final state changed", `UPDATE command SET state = 'failed' WHERE state = 'done'`, "its steps are"},
	{"a command never ended", `UPDATE command SET state = 'sent' WHERE id = (SELECT id FROM command LIMIT 1)`, "never ended"},
	{"a pulse ran late", `UPDATE command SET deadline_ms = asked_ms - 1000 WHERE op = 'pulse'`, "after its deadline"},
	{"a pulse ran that was refused", `UPDATE command SET state = 'expired' WHERE id = (SELECT id FROM command WHERE op = 'pulse' AND state = 'done' LIMIT 1)`, "is expired but moved"},
	{"a pulse that nobody asked for", `DELETE FROM command WHERE op = 'pulse'`, "that nobody asked for"},
	{"one pulse moved twice", `DELETE FROM command WHERE id = (SELECT c.id FROM command c WHERE c.op = 'pulse' AND c.state = 'done' AND 'done' = (
		SELECT p.state FROM command p WHERE p.op = 'pulse' AND p.device_id = c.device_id AND p.asked_ms < c.asked_ms ORDER BY p.asked_ms DESC LIMIT 1) LIMIT 1)`, "moved 2 times"},
}

// control proves that the checker can fail: it must find every kind of tampering.
func (s *storm) control(t *testing.T) {
	for _, c := range tampering {
		t.Run(c.name, func(t *testing.T) {
			b, err := os.ReadFile(s.hub.database())
			if err != nil {
				t.Fatal(err)
			}
			copied := filepath.Join(t.TempDir(), "telltale.db")
			if err := os.WriteFile(copied, b, 0o600); err != nil {
				t.Fatal(err)
			}
			tamper(t, copied, c.statement)
			report, err := chaos.Check(context.Background(), s.dir, copied, s.asked)
			if err != nil {
				t.Fatal(err)
			}
			if all := strings.Join(report.Violations, "\n"); !strings.Contains(all, c.want) {
				t.Errorf("the checker did not say %q but %q", c.want, all)
			}
		})
	}
}

func tamper(t *testing.T, file, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	res, err := db.Exec(`PRAGMA foreign_keys = OFF; ` + statement)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		t.Fatalf("nothing was tampered with: %d rows, %v", n, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
