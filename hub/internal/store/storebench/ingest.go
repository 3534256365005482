//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// ingest stores ticks, each group of them in exactly one durable commit, as fast as commits allow: an hour of data takes seconds.
func ingest(ctx context.Context, s spec, r *report) (err error) {
	e, in, err := prefilled(ctx, s)
	if err != nil {
		return err
	}
	closed := false
	defer func() {
		if !closed {
			err = errors.Join(err, e.Close())
		}
		err = errors.Join(err, in.close())
	}()
	own, _ := e.(*telltale)
	if own != nil {
		own.counted() // those before do not count
	}
	if err := r.phase("begin"); err != nil {
		return err
	}
	var took []time.Duration
	group := in.group(s.perCommit)
	for range s.ticks / s.perCommit {
		if err := in.next(group); err != nil {
			return err
		}
		began := time.Now()
		if err := e.Store(group); err != nil {
			return err
		}
		took = append(took, time.Since(began))
	}
	if err := r.phase("end"); err != nil {
		return err
	}
	commits, longest := len(took), quantile(took, 1)
	if own != nil {
		commits, took = own.counted() // without the window that nobody waits for here
	}
	r.figure("readings", "", float64(s.ticks/s.perCommit*s.perCommit*s.wide))
	r.figure("commits", "", float64(commits))
	r.figure("commit p50", "ms", quantile(took, 0.5))
	r.figure("commit p99", "ms", quantile(took, 0.99))
	r.figure("longest wait", "ms", longest) // for a group; the hub's store sometimes packs what it has in its log
	closed = true
	if err := e.Close(); err != nil {
		return err
	}
	z, err := e.Size()
	if err != nil {
		return err
	}
	if z.readings > 0 { // none while all of them are still in a log
		r.figure("disk bytes per reading", "B", float64(z.dataBytes)/float64(z.readings))
	}
	r.figure("readings at rest", "", float64(z.readings))
	r.figure("file", "MiB", float64(z.fileBytes)/(1<<20))
	r.figure("file bytes per reading", "B", float64(z.fileBytes)/float64((s.prefill+s.ticks)*s.wide))
	return r.end()
}

// prefilled opens an engine and stores the first ticks in large commits, so that what is measured begins with tables that have a depth
// and a log that has its length.
func prefilled(ctx context.Context, s spec) (engine, *input, error) {
	runtime.GOMAXPROCS(1)     // see oneByOne; for every engine, so that they are equal in this too
	const ticksPerCommit = 20 // 10,000 readings of 500 series: below where the hub's store begins a commit by itself
	in, err := openInput(s)
	if err != nil {
		return nil, nil, err
	}
	e, err := open(ctx, s, timing{window: oneByOne})
	if err != nil {
		return nil, nil, errors.Join(err, in.close())
	}
	for left := s.prefill; left > 0; left -= ticksPerCommit {
		group := in.group(min(left, ticksPerCommit))
		if err = in.next(group); err == nil {
			err = e.Store(group)
		}
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("prefill: %w", err), e.Close(), in.close())
		}
	}
	return e, in, nil
}

// stream stores ticks when they are due, second after second. Devices send at moments of their own; the hub's store commits when it thinks
// right, the others once a second.
func stream(ctx context.Context, s spec, r *report) (err error) {
	e, in, err := prefilled(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close(), in.close()) }()
	own, _ := e.(*telltale)
	runtime.GOMAXPROCS(runtime.NumCPU())
	if own != nil { // again, with the window that the hub has
		if err := e.Close(); err != nil {
			return err
		}
		seq := own.seq
		if own, err = openTelltale(ctx, s, timing{}); err != nil {
			return err
		}
		e, own.seq = own, seq
	}
	const warmTicks = 2
	if err := streamTicks(e, in, warmTicks); err != nil {
		return err
	}
	if own != nil {
		own.counted()
	}
	if err := r.phase("begin"); err != nil {
		return err
	}
	if err := streamTicks(e, in, s.ticks); err != nil {
		return err
	}
	if err := r.phase("end"); err != nil {
		return err
	}
	commits := s.ticks
	if own != nil {
		commits, _ = own.counted()
	}
	r.figure("readings", "", float64(s.ticks*s.wide))
	r.figure("commits", "", float64(commits))
	return r.end()
}

// streamTicks returns when all of them are durable.
func streamTicks(e engine, in *input, ticks int) error {
	group := in.group(1)
	own, _ := e.(*telltale)
	underWay, due := 0, time.Now()
	for range ticks {
		err := in.next(group)
		switch {
		case err != nil:
		case own != nil:
			err = own.spread(&group[0], due, &underWay)
		default:
			time.Sleep(time.Until(due.Add(time.Second)))
			err = e.Store(group)
		}
		if err != nil {
			return err
		}
		due = due.Add(time.Second)
	}
	if own != nil {
		return own.await(&underWay, 0)
	}
	return nil
}

// spread sends a tick device by device over the second that begins at due.
func (e *telltale) spread(t *tick, due time.Time, underWay *int) error {
	for d := range e.ids {
		time.Sleep(time.Until(due.Add(time.Second * time.Duration(d) / time.Duration(len(e.ids)))))
		if err := e.append(e.frame(d, t), underWay); err != nil {
			return err
		}
		for len(e.acks) > 0 {
			if err := e.await(underWay, *underWay-1); err != nil {
				return err
			}
		}
	}
	return nil
}
