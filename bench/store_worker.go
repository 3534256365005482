//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/telltale-iot/telltale/bench/figure"
	"github.com/telltale-iot/telltale/bench/target"
)

// The names of figures that targets look for.
const (
	figureDevice  = "device bytes per reading"
	figureWritten = "bytes written per reading"
	figureDisk    = "disk bytes per reading"
	figureSpeed   = "readings per CPU second"
)

// job is one run of storebench.
type job struct {
	work, engine string
	input        string
	dir          string // "" = a folder of its own, which is removed
	args         []string
	killIn       string // phase in which it is killed; "" = none
}

// outcome is what one run of storebench said and used between its phases begin and end.
type outcome struct {
	lines  map[string]target.Line
	spent  spent
	device float64 // bytes, NaN when not known
	memory target.Footprint
}

func (o *outcome) value(name string) float64 {
	if l, ok := o.lines[name]; ok {
		return l.V
	}
	return math.NaN()
}

// same copies figures that the program measured in itself.
func (o *outcome) same(names ...string) (all []figure.Value) {
	for _, n := range names {
		all = append(all, figure.Value{Name: n, Unit: o.lines[n].Unit, V: o.value(n)})
	}
	return all
}

// run runs storebench to its end.
func (c *storeCommand) run(ctx context.Context, j job) (o outcome, err error) {
	if j.dir == "" {
		if j.dir, err = os.MkdirTemp(c.TempDir, "telltale-bench-"); err != nil {
			return o, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(j.dir)) }()
	}
	args := append([]string{"--work", j.work, "--engine", j.engine, "--dir", j.dir, "--input", j.input, "--seed", strconv.FormatUint(c.Seed, 10)}, j.args...)
	w, err := target.StartWorker(c.bin, args...)
	if err != nil {
		return o, err
	}
	stop := context.AfterFunc(ctx, func() { _ = w.Interrupt() }) // it may have ended meanwhile
	defer stop()
	if o, err = c.follow(w, j); err != nil {
		return o, errors.Join(ctx.Err(), w.Kill(), w.Explain(err))
	}
	return o, errors.Join(w.Wait(), ctx.Err())
}

// follow reads what the program prints, and measures it at its phases.
func (c *storeCommand) follow(w *target.Worker, j job) (o outcome, err error) {
	o.lines, o.device = map[string]target.Line{}, math.NaN()
	var begin probe
	var watched func() target.Footprint // set from begin to end
	defer func() {
		if watched != nil {
			watched()
		}
	}()
	for {
		l, err := w.Next()
		if errors.Is(err, io.EOF) {
			return o, nil
		}
		if err != nil {
			return o, err
		}
		switch l.Phase {
		case "":
			o.lines[l.Name] = l
			continue
		case j.killIn:
			return o, w.Kill()
		case "begin":
			if begin, err = c.probe(w, j.dir); err != nil {
				return o, err
			}
			watched = w.Watch(50 * time.Millisecond)
		case "end":
			if watched == nil {
				return o, errors.New("storebench ends what it never began")
			}
			o.memory, watched = watched(), nil
			end, err := c.probe(w, j.dir)
			if err != nil {
				return o, err
			}
			o.spent, o.device = between(begin.moment, end.moment), end.device-begin.device
		}
		if err := w.Resume(); err != nil {
			return o, err
		}
	}
}

// probe is what a worker and the device had used at a time.
type probe struct {
	moment
	device float64
}

func (c *storeCommand) probe(w *target.Worker, dir string) (p probe, err error) {
	var errs [3]error
	p.hub, errs[0] = w.Usage()
	p.self, errs[1] = target.Self()
	p.busy, errs[2] = target.Busy()
	if err := errors.Join(errs[:]...); err != nil {
		return p, err
	}
	p.device = math.NaN()
	if c.device == nil {
		return p, nil
	}
	if err := target.Sync(dir); err != nil { // what waits in memory is written because of the worker, too
		return p, err
	}
	n, err := c.device.Written()
	p.device = float64(n)
	return p, err
}

// costs are the figures that every run of a writing engine has.
func (o *outcome) costs() []figure.Value {
	readings := o.value("readings")
	return []figure.Value{
		{Name: figureDevice, Unit: "B", V: o.device / readings},
		{Name: figureWritten, Unit: "B", V: o.spent.written / readings},
		{Name: figureSpeed, Unit: "1/s", V: readings / o.spent.cpu.Seconds()},
		{Name: "CPU per reading", Unit: "µs", V: per(o.spent.cpu, readings)},
		{Name: "readings per commit", Unit: "", V: readings / o.value("commits")},
		{Name: "RSS, median", Unit: "MiB", V: float64(o.memory.Median) / (1 << 20)},
		{Name: "RSS, peak", Unit: "MiB", V: float64(o.memory.Peak) / (1 << 20)},
		{Name: "other programs' CPU", Unit: "cores", V: o.spent.others.Seconds() / o.spent.wall.Seconds()},
	}
}

// commits makes sure that an engine committed as often as it was meant to: fewer would be cheaper than what is compared.
func (o *outcome) commits(want int) error {
	const tolerance = 0.05 // a group that a busy machine split costs one more
	if got := o.value("commits"); !(got >= float64(want) && got <= float64(want)*(1+tolerance)+1) {
		return fmt.Errorf("%.0f commits, %d were meant: the machine is too busy, or the store commits by itself", got, want)
	}
	return nil
}
