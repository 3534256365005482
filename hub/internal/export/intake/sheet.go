package intake

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/telltale-iot/telltale/hub/internal/export"
	"github.com/telltale-iot/telltale/schema"
)

// source is how a file names a channel.
type source struct{ device, name string }

// channel is one channel of the file.
type channel struct {
	from    source
	decided int64 // line that decided the type; 0 = the device did, or nobody yet
	report  schema.FileChannel
}

// sheet takes what a reader of a format finds, checks it and counts.
type sheet struct {
	o      Options
	put    func(*export.Row) error
	line   int64 // that is read now
	byName map[source]*channel
	byID   map[string]*channel
	r      schema.FileReport
	row    export.Row
}

// lineError is what is wrong with one line, in words for people.
type lineError struct{ message string }

func (e *lineError) Error() string { return e.message }

func wrongf(format string, args ...any) error { return &lineError{fmt.Sprintf(format, args...)} }

// wrong counts a wrong line.
func (s *sheet) wrong(message string) {
	s.r.Wrong++
	s.note(s.line, message)
}

func (s *sheet) wrongFile(message string) {
	if len(s.r.Problems) >= maxProblems { // it is the most important one
		s.r.Problems = s.r.Problems[:maxProblems-1]
	}
	s.r.Wrong++
	s.note(0, message)
}

func (s *sheet) note(line int64, message string) {
	if len(s.r.Problems) < maxProblems {
		s.r.Problems = append(s.r.Problems, schema.FileProblem{Line: line, Message: message})
	}
}

// channel finds or adds the channel of a name, which becomes id. unit is the file's word for it, "" = none.
func (s *sheet) channel(from source, id, unit string) (*channel, error) {
	c := s.byName[from]
	if c == nil {
		if !validWireID(id) {
			return nil, wrongf("%q cannot be the name of a channel; it would be %q", clip(from.name), clip(id))
		}
		if other := s.byID[id]; other != nil {
			return nil, wrongf("%s and %s would both become the channel %s; import them one by one", describe(other.from), describe(from), id)
		}
		if len(s.byName) >= maxChannels {
			return nil, wrongf("the file has more than %d channels", maxChannels)
		}
		c = &channel{from: from, report: schema.FileChannel{Ch: id, Name: from.name}}
		var has bool
		c.report.Type, c.report.Unit, has = s.o.Known(id)
		c.report.New = !has
		s.byName[from], s.byID[id] = c, c
	}
	if unit == "" || unit == c.report.Unit {
		return c, nil
	}
	if c.report.Unit == "" { // the device does not say one either
		c.report.Unit = unit
		return c, nil
	}
	if !sameUnit(unit, c.report.Unit) {
		return nil, wrongf("the channel %s is in %s, and this is in %s", id, c.report.Unit, clip(unit))
	}
	return c, nil
}

func describe(s source) string {
	if s.device == "" {
		return fmt.Sprintf("%q", clip(s.name))
	}
	return fmt.Sprintf("%q of %q", clip(s.name), clip(s.device))
}

// sameUnit reports whether two spellings are one unit (mbar and hPa, µg/m³ and μg/m³).
func sameUnit(a, b string) bool {
	x, _ := export.SenMLUnit(a, "")
	y, _ := export.SenMLUnit(b, "")
	return x != "" && x == y
}

// is checks a value's type against the channel's, or decides it.
func (c *channel) is(v schema.Value, line int64) error {
	switch {
	case v.IsNull() || c.report.Type == v.Type():
		return nil
	case c.report.Type == "":
		c.report.Type, c.decided = v.Type(), line
		return nil
	case c.decided > 0:
		return wrongf("%s is not a %s, which %s holds since line %d", clip(v.String()), c.report.Type, c.report.Ch, c.decided)
	}
	return wrongf("%s is not a %s, which %s of the device holds", clip(v.String()), c.report.Type, c.report.Ch)
}

// take checks a reading, counts it and hands it on. The error is lineError or put's.
func (s *sheet) take(c *channel, tMS int64, v schema.Value, q schema.Quality, tq schema.TimeQuality) error {
	switch {
	case tMS < 0:
		return wrongf("the time is before 1970")
	case tMS > s.o.Now.Add(schema.FarFuture).UnixMilli():
		return wrongf("the time %s is in the future; is the time zone right?", clip(when(tMS)))
	}
	if err := c.is(v, s.line); err != nil {
		return err
	}
	r := &c.report
	if r.Readings == 0 || tMS < r.FromMS {
		r.FromMS = tMS
	}
	r.ToMS = max(r.ToMS, tMS)
	r.Readings++
	s.r.Readings++
	s.row = export.Row{Channel: r.Ch, Unit: r.Unit, TMS: tMS, Value: v, Quality: q, Time: tq}
	return s.put(&s.row)
}

func (s *sheet) result() schema.FileReport {
	r := s.r
	r.Format = s.o.Format
	r.Problems = append([]schema.FileProblem{}, s.r.Problems...)
	r.Channels = []schema.FileChannel{}
	for _, c := range s.byID {
		if c.report.Readings > 0 {
			r.Channels = append(r.Channels, c.report)
		}
	}
	slices.SortFunc(r.Channels, func(a, b schema.FileChannel) int { return cmp.Compare(a.Ch, b.Ch) })
	return r
}

// validWireID reports whether s is "<entity>.<channel>".
func validWireID(s string) bool {
	entity, name, ok := strings.Cut(s, ".")
	return ok && schema.ValidID(entity) && schema.ValidID(name)
}

// wireID makes a channel's id of any name: it stays as it is when it is one, else "Außen, Temp." becomes "au_en_temp.state".
func wireID(name string) string {
	if validWireID(name) {
		return name
	}
	var b strings.Builder
	gap := false
	for _, c := range strings.ToLower(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			gap = b.Len() > 0
			continue
		}
		if b.Len() >= 62 {
			break
		}
		if gap {
			b.WriteByte('_')
			gap = false
		}
		b.WriteRune(c)
	}
	return b.String() + "." + schema.ChannelState
}

// clip shortens text of a file for a message.
func clip(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
