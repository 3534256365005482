//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// span is one question that chart asks.
type span struct {
	name string
	ms   int64
}

func spans() []span {
	const day = 24 * 3_600_000
	return []span{{"all", 0}, {"30 days", 30 * day}, {"1 day", day}}
}

// widthsMS are the buckets for each question; 1 ms when nothing was said, which only the hub's store does not need.
func (s *spec) widthsMS() ([]int64, error) {
	all := make([]int64, len(spans()))
	texts := strings.Split(s.widths, ",")
	for i := range all {
		all[i] = 1
		if s.widths == "" {
			continue
		}
		if len(texts) != len(all) {
			return nil, fmt.Errorf("%d buckets for %d questions", len(texts), len(all))
		}
		n, err := strconv.ParseInt(texts[i], 10, 64)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no width of a bucket", texts[i])
		}
		all[i] = n
	}
	return all, nil
}

// chart fills one series and asks for the whole, its last 30 days and its last day. It prints processor time per question and a digest of each answer.
func chart(ctx context.Context, s spec, r *report) (err error) {
	in, err := openInput(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	fromMS, toMS, err := fillOne(ctx, s, in)
	if err != nil {
		return err
	}
	e, err := open(ctx, s, timing{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	widths, err := s.widthsMS()
	if err != nil {
		return err
	}
	for i, p := range spans() {
		q := question{fromMS: fromMS, toMS: toMS, points: s.points, widthMS: widths[i]}
		if p.ms > 0 {
			q.fromMS = max(fromMS, toMS-p.ms+1)
		}
		if err := s.timed(r, p.name, func() (curve, error) { return e.Chart(ctx, q) }); err != nil {
			return err
		}
		if plain, ok := e.(*rows); ok {
			if err := s.timed(r, p.name+", scan", func() (curve, error) { return plain.Scan(q) }); err != nil {
				return err
			}
		}
	}
	return r.end()
}

// fillOne stores all ticks of an input with one series in large commits and closes the engine, so that what is asked later lies where it lies at rest.
func fillOne(ctx context.Context, s spec, in *input) (fromMS, toMS int64, err error) {
	e, err := open(ctx, s, timing{window: oneByOne})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	const ticksPerCommit = 4000
	underWay := 0
	own, _ := e.(*telltale)
	for left := s.ticks; left > 0; left -= ticksPerCommit {
		group := in.group(min(left, ticksPerCommit))
		if err := in.next(group); err != nil {
			return 0, 0, err
		}
		if fromMS == 0 {
			fromMS = group[0].tMS[0]
		}
		toMS = group[len(group)-1].tMS[0]
		if own != nil {
			err = own.append(own.history(group, 0, 1), &underWay)
		} else {
			err = e.Store(group)
		}
		if err != nil {
			return 0, 0, fmt.Errorf("fill: %w", err)
		}
	}
	if own != nil {
		err = own.await(&underWay, 0)
	}
	return fromMS, toMS, err
}

// timed asks a question until enough processor time is spent, three times at least, after one time to warm up.
func (s *spec) timed(r *report, name string, ask func() (curve, error)) error {
	const least, most = 3, 500
	enough := time.Duration(s.askMS) * time.Millisecond
	c, err := ask()
	if err != nil {
		return err
	}
	began, err := cpu()
	if err != nil {
		return err
	}
	var spent time.Duration
	n := 0
	for n < least || spent < enough && n < most {
		if _, err := ask(); err != nil {
			return err
		}
		now, err := cpu()
		if err != nil {
			return err
		}
		spent = now - began
		n++
	}
	r.figure("CPU, "+name, "ms", ms(spent)/float64(n))
	r.print(line{Name: "bucket, " + name, Unit: "ms", V: float64(c.widthMS)})
	r.print(line{Name: "readings, " + name, V: float64(c.readings())})
	r.print(line{Name: "mean of means, " + name, V: c.meanOfMeans()})
	r.print(line{Name: "answer, " + name, V: float64(len(c.tMS)), Digest: c.digest()})
	return nil
}
