package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// progressEvery is how often a line of progress is written anew.
const progressEvery = 200 * time.Millisecond

// progress keeps one line on a terminal up to date, and is silent elsewhere.
type progress struct {
	to    io.Writer // nil = silent
	began time.Time
	last  time.Time
	shown bool
}

func newProgress(to io.Writer) *progress {
	p := &progress{began: time.Now()}
	if isTerminal(to) {
		p.to = to
	}
	return p
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// show writes what text returns, if it is time.
func (p *progress) show(text func(since time.Duration) string) {
	if p.to == nil || time.Since(p.last) < progressEvery {
		return
	}
	p.last, p.shown = time.Now(), true
	_, _ = fmt.Fprintf(p.to, "\r\x1b[K%s", text(time.Since(p.began))) // progress is a courtesy
}

// state shows how far something is, 0 to 1.
func (p *progress) state(what string, done float64) {
	p.show(func(time.Duration) string { return fmt.Sprintf("%s %3.0f %%", what, 100*done) })
}

// clear takes the line away.
func (p *progress) clear() {
	if p.shown {
		_, _ = io.WriteString(p.to, "\r\x1b[K")
		p.shown = false
	}
}

// thousands writes a number for people: 1234567 as 1,234,567.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 10<<20:
		return thousands(n>>20) + " MB"
	case n >= 10<<10:
		return thousands(n>>10) + " KB"
	}
	return thousands(n) + " B"
}

// perSecond is a rate for people.
func perSecond(n int64, since time.Duration) string {
	return thousands(int64(float64(n)/max(since.Seconds(), 0.001))) + "/s"
}
