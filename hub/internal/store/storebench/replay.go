//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// fill stores ticks and stays open until it is killed: whoever measures kills it in phase filled.
func fill(ctx context.Context, s spec, r *report) (err error) {
	e, in, err := prefilled(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close(), in.close()) }()
	group := in.group(s.perCommit)
	for range s.ticks / s.perCommit {
		if err := errors.Join(in.next(group), e.Store(group)); err != nil {
			return err
		}
	}
	return r.phase("filled")
}

// reopen opens what fill left and counts what is there: all of it, or it fails.
func reopen(ctx context.Context, s spec, r *report) (err error) {
	in, err := openInput(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	if s.engine == "telltale" { // the file as the kill left it, before anybody opens it
		z, err := (&telltale{dir: s.dir}).Size()
		if err != nil {
			return err
		}
		r.figure("readings in the log", "", float64(int64(s.ticks)*int64(s.wide)-z.readings))
	}
	before, err := cpu()
	if err != nil {
		return err
	}
	began := time.Now()
	e, err := open(ctx, s, timing{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	wall := time.Since(began)
	after, err := cpu()
	if err != nil {
		return err
	}
	r.figure("open", "ms", ms(wall))
	r.figure("CPU of open", "ms", ms(after-before))
	found := int64(0)
	for i := range s.wide {
		c, err := e.Chart(ctx, question{series: i, fromMS: in.base - s.stepMS, toMS: in.base + int64(s.ticks+1)*s.stepMS, points: 10, widthMS: hourMS})
		if err != nil {
			return err
		}
		found += c.readings()
	}
	if want := int64(s.ticks) * int64(s.wide); found != want {
		return fmt.Errorf("%d readings were acknowledged before the kill, %d are there", want, found)
	}
	r.figure("readings", "", float64(found))
	return r.end()
}
