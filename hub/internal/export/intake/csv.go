package intake

import (
	"errors"
	"io"
	"strings"

	"github.com/telltale-iot/telltale/hub/internal/export"
	"github.com/telltale-iot/telltale/schema"
)

// role is what a column holds.
type role int

const (
	roleValue   role = iota + 1
	roleTime         // for people, or Unix time
	roleMS           // Unix ms
	roleChannel      // "<entity>.<channel>", or any name
	roleEntity       // Home Assistant's entity id
	roleDevice
	roleUnit
	roleQuality
	roleTimeQuality
	roleWide // values of the channel that the header names
)

// roleOf knows our own header and the usual words. A word that is none of them names a channel in a wide file.
func roleOf(header string) role {
	switch strings.ToLower(header) {
	case "value", "v", "state":
		return roleValue
	case "time", "timestamp", "date", "datetime", "ts", "last_changed", "last_updated":
		return roleTime
	case "t_ms":
		return roleMS
	case "channel", "ch":
		return roleChannel
	case "entity_id":
		return roleEntity
	case "device":
		return roleDevice
	case "unit", "unit_of_measurement":
		return roleUnit
	case "quality", "q":
		return roleQuality
	case "time_quality":
		return roleTimeQuality
	}
	return roleWide
}

// column is one column of the file.
type column struct {
	role role
	head string // as the first line has it
	name string // without the unit
	unit string
	ch   *channel // roleWide, once there was a value
}

// table is a CSV file whose header was read.
type table struct {
	s     *sheet
	clock clock
	cols  []column
	at    [roleWide]int // index of the column of each role; -1 = none
	own   bool          // the header is ours: what is quoted is a text
	comma bool          // numbers may have a decimal comma
}

func (s *sheet) readCSV(r io.Reader) error {
	l := newLines(r)
	if err := l.begin(); err != nil {
		return err
	}
	cells, _, err := l.next()
	var bad *lineError
	switch {
	case errors.Is(err, io.EOF):
		return fileErrorf("the file is empty")
	case errors.As(err, &bad):
		return fileErrorf("the first line, which names the columns: %s", bad.message)
	case err != nil:
		return err
	}
	t := &table{s: s, clock: clock{zone: s.o.Zone}, comma: l.sep != ','}
	if err := t.header(cells); err != nil {
		return err
	}
	for {
		cells, s.line, err = l.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = t.read(cells)
		}
		s.r.Lines++
		if errors.As(err, &bad) {
			s.wrong(bad.message)
		} else if err != nil {
			return err
		}
	}
}

// header finds out what the columns are.
func (t *table) header(cells []cell) error {
	for i := range t.at {
		t.at[i] = -1
	}
	seen := map[string]bool{}
	text := make([]string, 0, len(cells))
	for i, c := range cells {
		name := strings.TrimSpace(export.Undefuse(c.text))
		col := column{role: roleOf(name), head: name, name: name}
		if seen[name] || col.role != roleWide && t.at[col.role] >= 0 {
			return fileErrorf("the first line names two columns for the same: %q", clip(name))
		}
		seen[name] = true
		if col.role != roleWide {
			t.at[col.role] = i
		}
		t.cols, text = append(t.cols, col), append(text, name)
	}
	t.own = strings.Join(text, ",") == export.CSVHeader
	return t.judge()
}

// judge says whether a file with these columns can be read.
func (t *table) judge() error {
	has := func(r role) bool { return t.at[r] >= 0 }
	if !has(roleTime) && !has(roleMS) {
		return fileErrorf("the first line names no column of times; call it time (or t_ms, timestamp, date)")
	}
	if has(roleChannel) && has(roleEntity) {
		return fileErrorf("there is a column channel and a column entity_id; keep one")
	}
	wide := 0
	for i := range t.cols {
		c := &t.cols[i]
		switch {
		case c.role != roleWide:
			continue
		case has(roleValue):
			return fileErrorf("there is a column %q beside value that is not understood; take it out", clip(c.name))
		case c.name == "":
			return fileErrorf("column %d has no name", i+1)
		}
		c.name, c.unit = splitUnit(c.name)
		wide++
	}
	switch {
	case !has(roleValue) && wide == 0:
		return fileErrorf("the first line names no column of values; call it value, or by the channel's name")
	case !has(roleValue) && (has(roleChannel) || has(roleEntity) || has(roleUnit) || has(roleQuality)):
		return fileErrorf("there is a column for channel, unit or quality, but none for the value; call it value")
	case has(roleValue) && !has(roleChannel) && !has(roleEntity) && t.s.o.Channel == "":
		return fileErrorf("the file does not say which channel its values are of; say it (--channel, or channel=)")
	}
	return nil
}

// splitUnit takes "Temperature (°C)" or "Temperature [°C]" apart.
func splitUnit(header string) (name, unit string) {
	for _, pair := range []string{"()", "[]"} {
		if open := strings.LastIndexByte(header, pair[0]); open > 0 && header[len(header)-1] == pair[1] {
			return strings.TrimSpace(header[:open]), strings.TrimSpace(header[open+1 : len(header)-1])
		}
	}
	return header, ""
}

// read takes the readings of one line. Nothing of a wrong line counts but what stands left of the wrong cell of a wide file, which is never
// stored either.
func (t *table) read(cells []cell) error {
	if len(cells) != len(t.cols) {
		return wrongf("the line has %d cells, and the first line names %d columns", len(cells), len(t.cols))
	}
	tMS, err := t.time(cells)
	if err != nil {
		return err
	}
	if t.at[roleValue] >= 0 {
		return t.long(cells, tMS)
	}
	for i := range t.cols {
		if t.cols[i].role != roleWide {
			continue
		}
		if err := t.wide(&t.cols[i], cells[i], tMS); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) wide(col *column, c cell, tMS int64) error {
	text := strings.TrimSpace(c.text)
	if text == "" {
		t.s.r.Empty++
		return nil
	}
	if col.ch == nil {
		var err error
		if col.ch, err = t.s.channel(source{name: col.head}, wireID(col.name), col.unit); err != nil {
			return err
		}
		col.ch.report.Name = col.name
	}
	v, err := t.value(col.ch, cell{text, c.quoted})
	if err != nil || v.IsNull() {
		return t.empty(err)
	}
	return t.s.take(col.ch, tMS, v, schema.QualityOK, schema.TimeSynced)
}

func (t *table) empty(err error) error {
	if err == nil {
		t.s.r.Empty++
	}
	return err
}

// get returns the cell of a role without blanks around it; "" when there is none.
func (t *table) get(cells []cell, r role) string {
	if i := t.at[r]; i >= 0 {
		return export.Undefuse(strings.TrimSpace(cells[i].text))
	}
	return ""
}

func (t *table) long(cells []cell, tMS int64) error {
	from, id := source{device: t.get(cells, roleDevice), name: t.get(cells, roleChannel)}, ""
	switch {
	case t.at[roleEntity] >= 0: // sensor.shed_temperature is the entity shed_temperature: the domain is its kind
		from.name = t.get(cells, roleEntity)
		id = wireID(from.name[strings.IndexByte(from.name, '.')+1:])
	case t.at[roleChannel] >= 0:
		id = wireID(from.name)
	default:
		from.name, id = t.s.o.Channel, t.s.o.Channel
	}
	ch, err := t.s.channel(from, id, t.get(cells, roleUnit))
	if err != nil {
		return err
	}
	q, tq := schema.Quality(t.get(cells, roleQuality)), schema.TimeQuality(t.get(cells, roleTimeQuality))
	if !knownQuality(q) || !knownTime(tq) {
		return wrongf("%q is not a quality", clip(string(q)+" "+string(tq)))
	}
	raw := cells[t.at[roleValue]]
	if !t.own {
		raw.text = strings.TrimSpace(raw.text)
	}
	var v schema.Value
	if raw.text != "" || raw.quoted && t.own {
		if v, err = t.value(ch, raw); err != nil {
			return err
		}
	}
	if v.IsNull() && (q == "" || q == schema.QualityOK) {
		return t.empty(nil)
	}
	return t.s.take(ch, tMS, v, q, tq)
}

// time reads the time of a line. Where it stands twice, both must say the same.
func (t *table) time(cells []cell) (int64, error) {
	if t.at[roleMS] < 0 {
		return t.clock.parse(t.get(cells, roleTime))
	}
	ms, err := parseMS(t.get(cells, roleMS))
	if err != nil || t.at[roleTime] < 0 {
		return ms, err
	}
	again, err := t.clock.parse(t.get(cells, roleTime))
	if err == nil && again != ms {
		err = wrongf("time and t_ms differ: %s is not %s", clip(t.get(cells, roleTime)), when(ms))
	}
	return ms, err
}

// value reads a cell that is not empty, as the channel's type when there is one. Null: the cell says in words that there is no value.
func (t *table) value(ch *channel, c cell) (schema.Value, error) {
	text := export.Undefuse(c.text)
	f, isNumber := parseNumber(text, t.comma)
	b, isBool := parseBool(text)
	switch typ := ch.report.Type; {
	case !t.own && nothing(text, typ):
		return schema.Value{}, nil
	case typ == schema.TypeNumber && isNumber:
		return schema.Number(f), nil
	case typ == schema.TypeBool && isBool:
		return schema.Bool(b), nil
	case typ == schema.TypeString, typ == "" && t.own && c.quoted:
	case typ == "" && isNumber:
		return schema.Number(f), nil
	case typ == "" && isBool:
		return schema.Bool(b), nil
	}
	if len(text) > schema.MaxText {
		return schema.Value{}, wrongf("a text has at most %d bytes", schema.MaxText)
	}
	return schema.Text(text), nil // where the channel holds something else, its check says so
}

// nothing reports whether a cell of somebody else's file says that there was no value.
func nothing(text string, t schema.ValueType) bool {
	switch strings.ToLower(text) {
	case "unavailable", "unknown":
		return true
	case "nan", "null", "none", "n/a", "na", "-":
		return t != schema.TypeString
	}
	return false
}

func parseBool(text string) (value, ok bool) {
	switch strings.ToLower(text) {
	case "true", "on":
		return true, true
	case "false", "off":
		return false, true
	}
	return false, false
}

func knownQuality(q schema.Quality) bool {
	switch q {
	case "", schema.QualityOK, schema.QualityFault, schema.QualityRange, schema.QualityStale, schema.QualitySim:
		return true
	}
	return false
}

func knownTime(q schema.TimeQuality) bool {
	switch q {
	case "", schema.TimeSynced, schema.TimeRelative, schema.TimeEstimated, schema.TimeSkewed:
		return true
	}
	return false
}
