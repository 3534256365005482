package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	_ "github.com/mattn/go-sqlite3" // the checker reads the hub's file by itself
	"github.com/telltale-iot/telltale/schema"
)

// Report is what [Check] found. The counts show that there was something to prove; Violations must be empty.
type Report struct {
	Devices, Epochs            int
	Generated, Stored, Acked   int // frames and events
	Readings, Gapped, Gaps     int // stored readings, sequence numbers inside gaps, gap records
	Commands, Pulses           int
	Moves, Moved               int                         // moves of all outputs, moves by pulses
	Ends                       map[schema.CommandState]int // how the commands ended
	Violations                 []string
	violationsBeyondWhatIsKept int
}

// mostViolations bounds the violations that are kept with their words.
const mostViolations = 40

func (r *Report) violate(format string, args ...any) {
	if len(r.Violations) >= mostViolations {
		r.violationsBeyondWhatIsKept++
		return
	}
	r.Violations = append(r.Violations, fmt.Sprintf(format, args...))
}

// String says what was proven and what was violated.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d devices, %d epochs: %d frames generated, %d stored (%d readings), %d acked; %d lost inside %d gaps; %d commands (%v), %d pulses that moved %d times, %d moves of outputs",
		r.Devices, r.Epochs, r.Generated, r.Stored, r.Readings, r.Acked, r.Gapped, r.Gaps, r.Commands, r.Ends, r.Pulses, r.Moved, r.Moves)
	for _, v := range r.Violations {
		b.WriteString("\n  violated: " + v)
	}
	if r.violationsBeyondWhatIsKept > 0 {
		fmt.Fprintf(&b, "\n  and %d more", r.violationsBeyondWhatIsKept)
	}
	return b.String()
}

// epochRows is what the database has of one outbox.
type epochRows struct {
	events   map[uint64]bool
	gaps     []schema.Range
	received []schema.Range
}

// stored reports whether a frame of that number is stored: it was received and did not become a gap.
func (e *epochRows) stored(seq uint64) bool { return inRanges(e.received, seq) && !e.inGap(seq) }

func (e *epochRows) inGap(seq uint64) bool { return inRanges(e.gaps, seq) }

// Check holds the ledgers in dir and the pulses that were asked for against the hub's database file and the readings that the hub says are in it, after
// everything has come to rest. An error means that nothing could be checked; violations are in the report.
func Check(ctx context.Context, dir, file string, audit Audit, asked []Asked) (*Report, error) {
	r := &Report{Ends: map[schema.CommandState]int{}}
	lives, err := readLives(dir)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite3", "file:"+file+"?mode=ro&_query_only=1")
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	var integrity string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check`).Scan(&integrity); err != nil || integrity != "ok" {
		return nil, fmt.Errorf("the database is damaged: %s %w", integrity, err)
	}
	stored, err := readStored(ctx, db, r)
	if err != nil {
		return nil, err
	}
	devices := map[string]bool{}
	generated := samples{}
	for key, life := range lives {
		devices[life.device] = true
		rows := stored.at(key[0], key[1])
		life.check(rows, r)
		generated.expect(life, rows)
	}
	for key := range stored {
		if lives[key] == nil {
			r.violate("the store has the epoch %s of %s that no agent made", key[1], key[0])
		}
	}
	r.Devices, r.Epochs = len(devices), len(lives)
	commands, err := readCommands(ctx, db)
	if err != nil {
		return nil, err
	}
	checkCommands(commands, r, asked)
	if err := generated.compare(ctx, audit, r); err != nil {
		return nil, err
	}
	return r, checkPulses(dir, commands, r)
}

// database is what the hub's file holds, by device and epoch.
type database map[[2]string]*epochRows

func (d database) at(device, epoch string) *epochRows {
	key := [2]string{device, epoch}
	if d[key] == nil {
		d[key] = &epochRows{events: map[uint64]bool{}}
	}
	return d[key]
}

// readStored reads all events, gaps and received ranges.
func readStored(ctx context.Context, db *sql.DB, r *Report) (database, error) {
	d := database{}
	return d, errors.Join(d.readEvents(ctx, db, r), d.readGaps(ctx, db, r), d.readReceived(ctx, db))
}

func (d database) readEvents(ctx context.Context, db *sql.DB, r *Report) error {
	return each(ctx, db, `SELECT d.device_id, e.epoch, v.seq FROM event v JOIN epoch e ON e.id = v.epoch_id JOIN device d ON d.id = v.device_id`,
		func(scan func(...any) error) error {
			var device, epoch string
			var seq uint64
			if err := scan(&device, &epoch, &seq); err != nil {
				return err
			}
			rows := d.at(device, epoch)
			if rows.events[seq] {
				r.violate("%s epoch %s seq %d is stored as an event twice", device, epoch, seq)
			}
			rows.events[seq] = true
			return nil
		})
}

func (d database) readGaps(ctx context.Context, db *sql.DB, r *Report) error {
	return each(ctx, db, `SELECT d.device_id, e.epoch, g.first, g.last, g.reason
		FROM gap g JOIN epoch e ON e.id = g.epoch_id JOIN device d ON d.id = g.device_id WHERE g.first > 0`,
		func(scan func(...any) error) error {
			var device, epoch, reason string
			var first, last uint64
			if err := scan(&device, &epoch, &first, &last, &reason); err != nil {
				return err
			}
			if reason == string(schema.GapRefused) {
				r.violate("%s epoch %s: the hub refused %d–%d", device, epoch, first, last)
			}
			r.Gaps++
			rows := d.at(device, epoch)
			rows.gaps = append(rows.gaps, schema.Range{first, last})
			return nil
		})
}

func (d database) readReceived(ctx context.Context, db *sql.DB) error {
	return each(ctx, db, `SELECT d.device_id, e.epoch, v.first, v.last
		FROM received v JOIN epoch e ON e.id = v.epoch_id JOIN device d ON d.id = e.device_id`,
		func(scan func(...any) error) error {
			var device, epoch string
			var first, last uint64
			if err := scan(&device, &epoch, &first, &last); err != nil {
				return err
			}
			rows := d.at(device, epoch)
			rows.received = append(rows.received, schema.Range{first, last})
			return nil
		})
}

// check holds one outbox's life against what the database has of it.
func (l *life) check(rows *epochRows, r *Report) {
	var newest uint64
	for seq, f := range l.frames {
		newest = max(newest, seq)
		r.Generated++
		switch {
		case rows.inGap(seq):
			r.Gapped++
		case !rows.stored(seq):
			r.violate("%s epoch %s seq %d is neither stored nor inside a gap", l.device, l.epoch, seq)
		case f.event != rows.events[seq]:
			r.violate("%s epoch %s seq %d: an event generated: %t, stored: %t", l.device, l.epoch, seq, f.event, rows.events[seq])
		default:
			r.Stored++
		}
	}
	for seq := range rows.events {
		if !inRanges(rows.received, seq) {
			r.violate("%s epoch %s seq %d is stored but not in the received ranges: it would be stored again", l.device, l.epoch, seq)
		}
	}
	for _, have := range rows.received {
		for seq := have[0]; seq <= have[1]; seq++ {
			if _, ok := l.frames[seq]; !ok && !rows.inGap(seq) {
				r.violate("%s epoch %s seq %d is stored but was never generated", l.device, l.epoch, seq)
			}
		}
		newest = max(newest, have[1])
	}
	for seq := uint64(1); seq <= newest; seq++ {
		if !inRanges(rows.received, seq) && !rows.inGap(seq) {
			r.violate("%s epoch %s seq %d is a hole without a gap", l.device, l.epoch, seq)
		}
	}
	acked := map[uint64]bool{}
	for _, a := range l.acked {
		for seq := a[0]; seq <= a[1]; seq++ {
			if acked[seq] {
				continue
			}
			acked[seq] = true
			r.Acked++
			if !inRanges(rows.received, seq) && !rows.inGap(seq) {
				r.violate("%s epoch %s seq %d was acked and is not stored", l.device, l.epoch, seq)
			}
		}
	}
}

func inRanges(rs []schema.Range, seq uint64) bool {
	for _, r := range rs {
		if r[0] <= seq && seq <= r[1] {
			return true
		}
	}
	return false
}

func each(ctx context.Context, db *sql.DB, query string, row func(scan func(...any) error) error) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
