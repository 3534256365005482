package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// timesHelp says in --help what parseWhen reads.
const timesHelp = "A time is written 2025-12-31T23:59:00Z, 2025-12-31 23:59 or 2025-12-31 (in this machine's time zone; as --to, a day is meant to its end), " +
	"or counts back from now: 24h, 90m, 7d."

// parseWhen reads a moment. end: a day alone means its last millisecond.
func parseWhen(text string, now time.Time, end bool) (time.Time, error) {
	if text == "now" {
		return now, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		if end {
			t = t.AddDate(0, 0, 1).Add(-time.Millisecond)
		}
		return t, nil
	}
	if t, ok := backFrom(now, strings.TrimPrefix(text, "-")); ok {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%q is no time; it looks like 2025-12-31T23:59:00Z, 2025-12-31 or 24h", text)
}

// backFrom counts back: a Go duration, or whole days.
func backFrom(now time.Time, text string) (time.Time, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return now.AddDate(0, 0, -int(n)), err == nil
	}
	d, err := time.ParseDuration(text)
	return now.Add(-d), err == nil && d >= 0
}
