package intake

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/export"
)

// when says a time in a message.
func when(ms int64) string { return time.UnixMilli(ms).UTC().Format(export.TimeLayout) }

// layout is one way to write a time, after the T became a blank. Orders like 31.12.2025 or 12/31/2025 are left out: which is which cannot be
// told. Go reads a fraction of a second where a layout has none.
type layout struct {
	text string
	zone bool // the text says its zone
}

var layouts = []layout{
	{"2006-01-02 15:04:05Z07:00", true}, {"2006-01-02 15:04:05 Z07:00", true}, {"2006-01-02 15:04Z07:00", true},
	{"2006-01-02 15:04:05-0700", true}, {"2006-01-02 15:04:05 -0700", true}, {"2006-01-02 15:04:05 UTC", true},
	{"2006-01-02 15:04:05", false}, {"2006-01-02 15:04", false}, {"2006-01-02", false},
}

// clock reads times.
type clock struct {
	zone *time.Location // of times that name none; nil = they are wrong
	last int            // index of the layout that fitted last: a file has one
}

// parse reads a time of any kind that is understood: ISO 8601 and its relatives, or Unix time.
func (c *clock) parse(s string) (ms int64, err error) {
	if s == "" {
		return 0, wrongf("the time is missing")
	}
	if !strings.ContainsAny(s, "-:") && s[0] >= '0' && s[0] <= '9' {
		return parseUnix(s)
	}
	text := strings.Replace(s, "T", " ", 1)
	for i := range layouts {
		at := (c.last + i) % len(layouts)
		l := layouts[at]
		zone := c.zone
		if l.zone || zone == nil {
			zone = time.UTC
		}
		t, err := time.ParseInLocation(l.text, text, zone)
		if err != nil {
			continue
		}
		c.last = at
		if !l.zone && c.zone == nil {
			return 0, wrongf("the time %q has no zone; say which one is meant (--zone, or zone=)", clip(s))
		}
		return t.UnixMilli(), nil
	}
	return 0, wrongf("%q is not a time; it looks like 2025-12-31T23:59:59.123Z", clip(s))
}

// parseUnix reads Unix time in s, ms, µs or ns: what it is shows in its size, from 1973 on. Digits past the ms are cut.
func parseUnix(s string) (int64, error) {
	whole, frac, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || strings.Trim(frac, "0123456789") != "" {
		return 0, wrongf("%q is not a time; it looks like 2025-12-31T23:59:59.123Z", clip(s))
	}
	switch {
	case n >= 1e17:
		return n / 1e6, nil
	case n >= 1e14:
		return n / 1e3, nil
	case n >= 1e11:
		return n, nil
	}
	ms, err := strconv.ParseInt((frac + "000")[:3], 10, 64)
	if err != nil {
		return 0, wrongf("%q is not a time", clip(s))
	}
	return n*1000 + ms, nil
}

// parseMS reads a column of Unix ms.
func parseMS(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, wrongf("t_ms %q is not a whole number of ms; a spreadsheet may have rounded it", clip(s))
	}
	return n, nil
}

// parseNumber reads a decimal number, with a comma for the point where comma is set. No hex, no Inf, no separators of thousands.
func parseNumber(s string, comma bool) (f float64, ok bool) {
	if comma && strings.Count(s, ",") == 1 && !strings.Contains(s, ".") {
		s = strings.Replace(s, ",", ".", 1)
	}
	if strings.Trim(s, "+-.0123456789eE") != "" || strings.Trim(s, "+-.eE") == "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && !math.IsInf(f, 0)
}
