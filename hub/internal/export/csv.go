package export

import (
	"io"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// CSVHeader is the first line of a CSV file, without its end. Time and t_ms say the same; one is for people, one for programs.
const CSVHeader = "device,channel,time,t_ms,value,unit,quality,time_quality"

// TimeLayout is how times are written for people: ISO 8601 in UTC, to the millisecond.
const TimeLayout = "2006-01-02T15:04:05.000Z"

// csvForm writes RFC 4180: CRLF after each line, quotes where they are needed. A text value is always quoted and nothing else is
// without need, so that the text "5" and the number 5 stay two things; no value is an empty cell, the empty text is "".
type csvForm struct {
	w     io.Writer
	begun bool
	line  []byte
}

func (f *csvForm) begin() {
	f.line = f.line[:0]
	if !f.begun {
		f.begun = true
		f.line = append(append(f.line, CSVHeader...), "\r\n"...)
	}
}

func (f *csvForm) put(r *Row) (bool, error) {
	f.begin()
	b := appendCell(f.line, r.Device)
	b = append(b, ',')
	b = appendCell(b, r.Channel)
	b = append(b, ',')
	b = appendTime(b, r.TMS)
	b = append(b, ',')
	b = appendInt(b, r.TMS)
	b = append(b, ',')
	switch r.Value.Type() {
	case schema.TypeString:
		b = appendQuoted(b, Defuse(r.Value.Str()))
	case schema.TypeNumber, schema.TypeBool:
		b = r.Value.AppendJSON(b)
	}
	b = append(b, ',')
	b = appendCell(b, r.Unit)
	b = append(b, ',')
	b = append(b, quality(r.Quality)...)
	b = append(b, ',')
	b = append(b, timeQuality(r.Time)...)
	f.line = append(b, "\r\n"...)
	_, err := f.w.Write(f.line)
	return true, err
}

func (f *csvForm) end() error {
	f.begin()
	_, err := f.w.Write(f.line)
	return err
}

// appendCell adds a text that is not a value: quoted only where RFC 4180 demands it.
func appendCell(b []byte, s string) []byte {
	s = Defuse(s)
	if strings.ContainsAny(s, "\",\r\n") {
		return appendQuoted(b, s)
	}
	return append(b, s...)
}

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// dangerous begin a cell that a spreadsheet would run as a formula, or hide what does.
const dangerous = "=+-@\t\r"

// Defuse puts an apostrophe before a text that a spreadsheet would take for a formula (it begins with =, +, -, @, a tab or a
// carriage return), and before one where [Undefuse] would take one away.
func Defuse(s string) string {
	if s == "" {
		return s
	}
	if strings.IndexByte(dangerous, s[0]) >= 0 || s[0] == '\'' && Undefuse(s) != s {
		return "'" + s
	}
	return s
}

// Undefuse takes away what [Defuse] put; any other text stays as it is. Held by FuzzDefusing.
func Undefuse(s string) string {
	if len(s) > 1 && s[0] == '\'' && strings.IndexByte(dangerous+"'", s[1]) >= 0 {
		return s[1:]
	}
	return s
}

// appendTime writes a time for people.
func appendTime(b []byte, ms int64) []byte {
	return time.UnixMilli(ms).UTC().AppendFormat(b, TimeLayout)
}
