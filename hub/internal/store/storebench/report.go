//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// line is what is printed: a phase that begins, or a figure.
type line struct {
	Phase  string  `json:"phase,omitempty"`
	Name   string  `json:"name,omitempty"`
	Unit   string  `json:"unit,omitempty"`
	V      float64 `json:"v"`
	Digest string  `json:"digest,omitempty"` // of what cannot be a number: the same input must give the same
}

// report prints lines and keeps the first error, which end returns.
type report struct {
	in  *bufio.Reader
	out *json.Encoder
	err error
}

func newReport(in io.Reader, out io.Writer) *report {
	return &report{in: bufio.NewReader(in), out: json.NewEncoder(out)}
}

// phase says that a phase begins and waits until whoever measures has looked.
func (r *report) phase(name string) error {
	if err := r.out.Encode(line{Phase: name}); err != nil {
		return err
	}
	if _, err := r.in.ReadString('\n'); err != nil {
		return fmt.Errorf("phase %s: nobody measures: %w", name, err)
	}
	return nil
}

// figure prints a figure. NaN is not printed: the figure is then not known.
func (r *report) figure(name, unit string, v float64) {
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		r.print(line{Name: name, Unit: unit, V: v})
	}
}

func (r *report) print(l line) {
	if err := r.out.Encode(l); r.err == nil {
		r.err = err
	}
}

func (r *report) end() error { return r.err }

// cpu is the processor time of this process so far, user and system.
func cpu() (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("read processor time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// ms is a duration as a figure.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile returns the q-quantile in ms; NaN when there is none. It sorts all.
func quantile(all []time.Duration, q float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	slices.Sort(all)
	return ms(all[min(int(q*float64(len(all))), len(all)-1)])
}
