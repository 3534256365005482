package chaos

import (
	"context"
	"database/sql"
	"encoding/json"
	"path/filepath"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// Asked is a command that the test asked for and what it learned of it while everything went wrong.
type Asked struct {
	// Ask as it was sent, perhaps several times.
	Ask schema.Ask
	// Final is the final state that somebody saw; "" = none. It must never change.
	Final schema.CommandState
}

// commandRow is a command as the database has it.
type commandRow struct {
	key, device     string
	op              schema.Op
	asked, deadline time.Time
	state           schema.CommandState
	steps           []schema.CommandState
}

// readCommands reads the ledger of commands, oldest first.
func readCommands(ctx context.Context, db *sql.DB) ([]*commandRow, error) {
	var all []*commandRow
	err := each(ctx, db, `SELECT c.key, d.device_id, c.op, c.asked_ms, c.deadline_ms, c.state, s.state
		FROM command c JOIN command_step s ON s.command_id = c.id JOIN device d ON d.id = c.device_id ORDER BY c.asked_ms, c.id, s.n`,
		func(scan func(...any) error) error {
			var c commandRow
			var asked, deadline int64
			var step schema.CommandState
			if err := scan(&c.key, &c.device, &c.op, &asked, &deadline, &c.state, &step); err != nil {
				return err
			}
			c.asked, c.deadline = time.UnixMilli(asked), time.UnixMilli(deadline)
			if n := len(all); n == 0 || all[n-1].key != c.key {
				all = append(all, &c)
			}
			last := all[len(all)-1]
			last.steps = append(last.steps, step)
			return nil
		})
	return all, err
}

// checkCommands: every command reached one final state by the table, and what was seen as final stayed.
func checkCommands(commands []*commandRow, r *Report, asked []Asked) {
	byKey := map[string]*commandRow{}
	for _, c := range commands {
		byKey[c.key] = c
		r.Commands++
		r.Ends[c.state]++
		if !c.state.Final() {
			r.violate("command %s never ended: it is %s after %v", c.key, c.state, c.steps)
		}
		if c.steps[0] != schema.StateQueued || c.steps[len(c.steps)-1] != c.state {
			r.violate("command %s is %s, its steps are %v", c.key, c.state, c.steps)
		}
		for i := 1; i < len(c.steps); i++ {
			if !c.steps[i-1].CanBecome(c.steps[i]) {
				r.violate("command %s went %s → %s", c.key, c.steps[i-1], c.steps[i])
			}
		}
	}
	for _, a := range asked {
		if c := byKey[a.Ask.Key]; a.Final != "" && (c == nil || c.state != a.Final) {
			r.violate("command %s was seen as %s and is now %+v", a.Ask.Key, a.Final, c)
		}
	}
}

// checkPulses: no pulse moved its output twice, none without being asked for, none after its deadline, none that is said not to have
// run. Pulses of one device were asked for so far apart that a move belongs to the last one asked before it.
func checkPulses(dir string, commands []*commandRow, r *Report) error {
	pulses := map[string][]*commandRow{}
	for _, c := range commands {
		if c.op == schema.OpPulse {
			pulses[c.device] = append(pulses[c.device], c)
			r.Pulses++
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.pins"))
	if err != nil {
		return err
	}
	moved := map[*commandRow]int{}
	for _, name := range files {
		device := strings.TrimSuffix(filepath.Base(name), ".pins")
		err := eachLine(name, func(b []byte) error {
			var m move
			if err := json.Unmarshal(b, &m); err != nil {
				return err
			}
			r.Moves++
			if m.Output != PulseOutput || m.Load != 1 {
				return nil
			}
			at := time.UnixMicro(m.WallUS)
			c := lastBefore(pulses[device], at)
			if c == nil {
				r.violate("%s: a pulse at %s that nobody asked for", device, at.Format(time.TimeOnly))
				return nil
			}
			if moved[c]++; moved[c] > 1 {
				r.violate("%s: pulse %s moved %d times", device, c.key, moved[c])
			}
			if late := at.Sub(c.deadline); late > time.Millisecond { // the deadline is stored in whole ms
				r.violate("%s: pulse %s moved %s after its deadline", device, c.key, late)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, of := range pulses {
		for _, c := range of {
			happened := moved[c] > 0
			untouched := c.state == schema.StateRejected || c.state == schema.StateExpired || c.state == schema.StateCanceled
			if happened && untouched || !happened && c.state == schema.StateDone {
				r.violate("%s: pulse %s is %s but moved %d times", c.device, c.key, c.state, moved[c])
			}
			r.Moved += moved[c]
		}
	}
	return nil
}

func lastBefore(asked []*commandRow, at time.Time) *commandRow {
	for i := len(asked) - 1; i >= 0; i-- {
		if !asked[i].asked.After(at) {
			return asked[i]
		}
	}
	return nil
}
