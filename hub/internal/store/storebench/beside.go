//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	hourMS = 3_600_000
	dayMS  = 24 * hourMS
	// asked is how many series have days of history; the rest only has what is written meanwhile.
	asked = 8
	// wholeHistory is how many hours of history all questions need to find what they ask for.
	wholeHistory = 8 * 24
)

// beside asks while another goroutine writes as fast as it can: the last hour, the last day, an hour a week ago.
func beside(ctx context.Context, s spec, r *report) (err error) {
	in, err := openInput(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	e, err := open(ctx, s, timing{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if s.wide/s.devices < asked {
		return fmt.Errorf("at least %d series per device are needed", asked)
	}
	if err := past(s, e, in); err != nil {
		return err
	}
	if err := r.phase("begin"); err != nil {
		return err
	}
	w := writing{e: e, in: in}
	w.nowMS.Store(in.startOf(s))
	flooding, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	group.Go(func() error { return w.flood(flooding) })
	began := time.Now()
	latency, answered, err := questions(ctx, s, e, w.nowMS.Load)
	took := time.Since(began)
	stop()
	if err := errors.Join(err, group.Wait(), r.phase("end")); err != nil {
		return err
	}
	stored := w.nowMS.Load() - in.startOf(s)
	r.figure("readings stored meanwhile", "1/s", float64(stored/s.stepMS*int64(s.wide))/took.Seconds())
	r.figure("data time passed meanwhile", "h", float64(stored)/hourMS)
	var all []time.Duration
	for _, k := range kinds() {
		r.figure("answer p50, "+k.name, "ms", quantile(latency[k.name], 0.5))
		r.figure("answer p99, "+k.name, "ms", quantile(latency[k.name], 0.99))
		all = append(all, latency[k.name]...)
	}
	r.figure("answer p50", "ms", quantile(all, 0.5))
	r.figure("answer p99", "ms", quantile(all, 0.99))
	r.figure("answers", "1/s", float64(len(all))/took.Seconds())
	r.figure("readings per answer", "", float64(answered)/float64(len(all)))
	return r.end()
}

// startOf is where the history ends and the flood begins.
func (in *input) startOf(s spec) int64 { return in.base + int64(s.pastHours)*hourMS }

// past gives the first series of the first device days of history.
func past(s spec, e engine, in *input) error {
	own, _ := e.(*telltale)
	underWay := 0
	const ticksPerFrame = 600
	for in.base+in.n*in.stepMS < in.startOf(s) {
		left := (in.startOf(s) - in.base - in.n*in.stepMS) / in.stepMS
		group := in.group(int(min(left, ticksPerFrame)))
		err := in.next(group)
		switch {
		case err != nil:
		case own != nil:
			err = own.append(own.history(group, 0, asked), &underWay)
		default:
			for k := range group {
				group[k].v, group[k].tMS = group[k].v[:asked], group[k].tMS[:asked]
			}
			err = e.Store(group)
		}
		if err != nil {
			return fmt.Errorf("write the past: %w", err)
		}
	}
	if own != nil {
		return own.await(&underWay, 0)
	}
	return nil
}

// writing is what goes on beside the questions.
type writing struct {
	e     engine
	in    *input
	nowMS atomic.Int64 // how far the data has come
}

// flood writes until ctx ends. A device has at most as many frames under way as the protocol lets it.
func (w *writing) flood(ctx context.Context) (err error) {
	const window = 64
	own, _ := w.e.(*telltale)
	underWay := 0
	group := w.in.group(5)
	for ctx.Err() == nil && err == nil {
		if err = w.in.next(group); err != nil {
			break
		}
		if own == nil {
			err = w.e.Store(group)
		} else {
			err = own.flood(group, &underWay, window)
		}
		w.nowMS.Store(group[len(group)-1].atMS)
	}
	if own != nil {
		err = errors.Join(err, own.await(&underWay, 0))
	}
	return err
}

func (e *telltale) flood(group []tick, underWay *int, window int) error {
	for i := range group {
		if err := e.await(underWay, (window-1)*len(e.ids)); err != nil {
			return err
		}
		for d := range e.ids {
			if err := e.append(e.frame(d, &group[i]), underWay); err != nil {
				return err
			}
		}
	}
	return nil
}

// kind is one sort of question: a span that ends some time before the newest reading.
type kind struct {
	name           string
	lengthMS, ago  int64
	scatterMS      int64 // how much earlier it may end, at random
	leastPerAnswer int64 // readings that must be in it when there are days of history
}

func kinds() []kind {
	return []kind{
		{name: "last hour", lengthMS: hourMS, leastPerAnswer: 3000},
		{name: "last day", lengthMS: dayMS, leastPerAnswer: 80_000},
		{name: "an hour a week ago", lengthMS: hourMS, ago: 6 * dayMS, scatterMS: dayMS, leastPerAnswer: 3000},
	}
}

// questions asks one after the other, kinds in turn and series at random, for s.seconds.
func questions(ctx context.Context, s spec, e engine, nowMS func() int64) (latency map[string][]time.Duration, answered int64, err error) {
	latency = map[string][]time.Duration{}
	rng := rand.New(rand.NewPCG(s.seed, 0))
	for until := time.Now().Add(time.Duration(s.seconds) * time.Second); time.Now().Before(until); {
		for _, k := range kinds() {
			q := question{series: rng.IntN(asked), points: s.points, toMS: nowMS() - k.ago}
			if k.scatterMS > 0 {
				q.toMS -= rng.Int64N(k.scatterMS)
			}
			q.fromMS = q.toMS - k.lengthMS + 1
			q.widthMS = max(1, k.lengthMS/int64(s.points))
			began := time.Now()
			c, err := e.Chart(ctx, q)
			if err != nil {
				return nil, 0, err
			}
			latency[k.name] = append(latency[k.name], time.Since(began))
			n := c.readings()
			if n < k.leastPerAnswer && s.pastHours >= wholeHistory {
				return nil, 0, fmt.Errorf("%s has %d readings, at least %d were stored", k.name, n, k.leastPerAnswer)
			}
			answered += n
		}
	}
	return latency, answered, nil
}
