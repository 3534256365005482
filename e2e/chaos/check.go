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

// storedFrame is what the database has of one sequence number.
type storedFrame struct {
	event bool
	rows  int
}

// epochRows is what the database has of one outbox.
type epochRows struct {
	frames   map[uint64]*storedFrame
	gaps     []schema.Range
	received []schema.Range
}

func (e *epochRows) inGap(seq uint64) bool { return inRanges(e.gaps, seq) }

// Check holds the ledgers in dir and the pulses that were asked for against the hub's database file, after everything has come to rest.
// An error means that nothing could be checked; violations are in the report.
func Check(ctx context.Context, dir, file string, asked []Asked) (*Report, error) {
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
	stored, err := readStored(ctx, db, lives, r)
	if err != nil {
		return nil, err
	}
	devices := map[string]bool{}
	for key, life := range lives {
		devices[life.device] = true
		rows := stored[key]
		if rows == nil {
			rows = &epochRows{frames: map[uint64]*storedFrame{}}
		}
		life.check(rows, r)
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
	return r, checkPulses(dir, commands, r)
}

// database is what the hub's file holds, by device and epoch.
type database map[[2]string]*epochRows

func (d database) at(device, epoch string) *epochRows {
	key := [2]string{device, epoch}
	if d[key] == nil {
		d[key] = &epochRows{frames: map[uint64]*storedFrame{}}
	}
	return d[key]
}

// readStored reads all readings, events, gaps and received ranges, and holds every reading against what was generated.
func readStored(ctx context.Context, db *sql.DB, lives map[[2]string]*life, r *Report) (database, error) {
	d := database{}
	return d, errors.Join(d.readReadings(ctx, db, lives, r), d.readEvents(ctx, db, r), d.readGaps(ctx, db, r), d.readReceived(ctx, db))
}

func (d database) readReadings(ctx context.Context, db *sql.DB, lives map[[2]string]*life, r *Report) error {
	return each(ctx, db, `SELECT d.device_id, e.epoch, s.channel, r.t_ms, r.seq, r.value, r.quality, r.time_quality
		FROM reading r JOIN series s ON s.id = r.series_id JOIN epoch e ON e.id = r.epoch_id JOIN device d ON d.id = s.device_id`,
		func(scan func(...any) error) error {
			var device, epoch, channel string
			var t int64
			var seq uint64
			var value any
			var quality, timeQuality int
			if err := scan(&device, &epoch, &channel, &t, &seq, &value, &quality, &timeQuality); err != nil {
				return err
			}
			r.Readings++
			rows := d.at(device, epoch)
			if rows.frames[seq] == nil {
				rows.frames[seq] = &storedFrame{}
			}
			rows.frames[seq].rows++
			if l := lives[[2]string{device, epoch}]; l == nil || !l.generated(seq, channel, t, value, quality, timeQuality) {
				r.violate("stored but never generated: %s epoch %s seq %d %s at %d = %v", device, epoch, seq, channel, t, value)
			}
			return nil
		})
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
			if rows.frames[seq] != nil {
				r.violate("%s epoch %s seq %d is stored as readings and as an event, or twice", device, epoch, seq)
			}
			rows.frames[seq] = &storedFrame{event: true}
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
		s := rows.frames[seq]
		switch {
		case s == nil && !rows.inGap(seq):
			r.violate("%s epoch %s seq %d is neither stored nor inside a gap", l.device, l.epoch, seq)
		case s == nil:
			r.Gapped++
		case s.event != f.event || s.rows != f.count:
			r.violate("%s epoch %s seq %d: %d readings generated, %d stored", l.device, l.epoch, seq, f.count, s.rows)
		default:
			r.Stored++
		}
	}
	for seq := range rows.frames {
		if _, ok := l.frames[seq]; !ok {
			r.violate("%s epoch %s seq %d is stored but was never generated", l.device, l.epoch, seq)
		}
		newest = max(newest, seq)
		if !inRanges(rows.received, seq) {
			r.violate("%s epoch %s seq %d is stored but not in the received ranges: it would be stored again", l.device, l.epoch, seq)
		}
	}
	for seq := uint64(1); seq <= newest; seq++ {
		if rows.frames[seq] == nil && !rows.inGap(seq) {
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
			if rows.frames[seq] == nil && !rows.inGap(seq) {
				r.violate("%s epoch %s seq %d was acked and is not stored", l.device, l.epoch, seq)
			}
		}
	}
}

// generated reports whether a stored reading is one that the agent made, with the same value, quality and, where the clock was synced, time.
func (l *life) generated(seq uint64, channel string, t int64, value any, quality, timeQuality int) bool {
	f, ok := l.frames[seq]
	if !ok {
		return false
	}
	qualities := []schema.Quality{schema.QualityOK, schema.QualityFault, schema.QualityRange, schema.QualityStale, schema.QualitySim}
	for _, s := range f.samples[channel] {
		if qualities[quality] == s.quality && sameValue(s.value, value) && (timeQuality != 0 || f.t0ms+s.offsetMS == t) {
			return true
		}
	}
	return false
}

func sameValue(v schema.Value, stored any) bool {
	f, isNumber := v.Float()
	switch s := stored.(type) {
	case nil:
		return v.IsNull()
	case float64:
		return isNumber && s == f
	case int64:
		return isNumber && float64(s) == f
	case string:
		return v.Type() == schema.TypeString && v.Str() == s
	case []byte:
		return v.Type() == schema.TypeString && v.Str() == string(s)
	}
	return false
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
