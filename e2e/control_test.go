package e2e

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/e2e/chaos"
	"github.com/telltale-iot/telltale/schema"
)

// tampering is what the checker must notice: each breaks one promise in a copy of a good database, by a statement or in what is read of it.
var tampering = []struct {
	name, statement string
	edit            func(*chaos.Stored) bool // of one stored reading; true = it was changed
	want            string
}{
	{"stored readings are lost", `DELETE FROM chunk WHERE id = (SELECT id FROM chunk WHERE n_values = n LIMIT 1)`, nil, "are not stored"},
	{"stored readings are damaged", `UPDATE chunk SET data = zeroblob(length(data)) WHERE id = (SELECT id FROM chunk WHERE n_values = n LIMIT 1)`, nil, "are not stored"},
	{"an acked frame is lost", `UPDATE received SET first = 2 WHERE first = 1 AND last > 1`, nil, "was acked and is not stored"},
	{"a hole appeared", `UPDATE received SET first = 3 WHERE first = 1 AND last > 2`, nil, "is a hole without a gap"},
	{"readings are stored twice", `INSERT INTO chunk (series_id, kind, t0_ms, t1_ms, n, n_values, vmin, vmax, vsum, data)
		SELECT series_id, kind, t0_ms, t1_ms, n, n_values, vmin, vmax, vsum, data FROM chunk LIMIT 1`, nil, "or more often"},
	{"readings moved to another channel", `UPDATE chunk SET series_id = (SELECT max(series_id) FROM chunk) WHERE series_id = (SELECT min(series_id) FROM chunk)`, nil, "never generated"},
	{"a value changed", "", func(s *chaos.Stored) bool {
		changed := s.V.Type() == schema.TypeNumber
		if changed {
			s.V = schema.Number(12345.5)
		}
		return changed
	}, "never generated"},
	{"a quality changed", "", func(s *chaos.Stored) bool { s.Q = schema.QualityRange; return true }, "never generated"},
	{"a time changed", "", func(s *chaos.Stored) bool {
		changed := s.Time == schema.TimeSynced
		if changed {
			s.TMS += 123_456
		}
		return changed
	}, "never generated"},
	{"a phantom appeared", `INSERT INTO received SELECT epoch_id, 999999, 999999 FROM received LIMIT 1`, nil, "never generated"},
	{"gaps are forgotten", `DELETE FROM gap`, nil, "never generated"},
	{"received ranges are forgotten", `DELETE FROM received`, nil, "is neither stored nor inside a gap"},
	{"a final state changed", `UPDATE command SET state = 'failed' WHERE state = 'done'`, nil, "its steps are"},
	{"a command never ended", `UPDATE command SET state = 'sent' WHERE id = (SELECT id FROM command LIMIT 1)`, nil, "never ended"},
	{"a pulse ran late", `UPDATE command SET deadline_ms = asked_ms - 1000 WHERE op = 'pulse'`, nil, "after its deadline"},
	{"a pulse ran that was refused", `UPDATE command SET state = 'expired' WHERE id = (SELECT id FROM command WHERE op = 'pulse' AND state = 'done' LIMIT 1)`, nil, "is expired but moved"},
	{"a pulse that nobody asked for", `DELETE FROM command WHERE op = 'pulse'`, nil, "that nobody asked for"},
	{"one pulse moved twice", `DELETE FROM command WHERE id = (SELECT c.id FROM command c WHERE c.op = 'pulse' AND c.state = 'done' AND 'done' = (
		SELECT p.state FROM command p WHERE p.op = 'pulse' AND p.device_id = c.device_id AND p.asked_ms < c.asked_ms ORDER BY p.asked_ms DESC LIMIT 1) LIMIT 1)`, nil, "moved 2 times"},
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
			audit := chaos.AuditBy(s.hub.bin, copied)
			if c.statement != "" {
				tamper(t, copied, c.statement)
			} else {
				audit = editing(t, audit, c.edit)
			}
			report, err := chaos.Check(context.Background(), s.dir, copied, audit, s.asked)
			if err != nil {
				t.Fatal(err)
			}
			if all := strings.Join(report.Violations, "\n"); !strings.Contains(all, c.want) {
				t.Errorf("the checker did not say %q but %q", c.want, all)
			}
		})
	}
}

// editing changes one reading of what an audit reads.
func editing(t *testing.T, audit chaos.Audit, edit func(*chaos.Stored) bool) chaos.Audit {
	return func(ctx context.Context, fn func(chaos.Stored) error) error {
		done := false
		err := audit(ctx, func(s chaos.Stored) error {
			done = done || edit(&s)
			return fn(s)
		})
		if !done {
			t.Error("nothing was tampered with")
		}
		return err
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
