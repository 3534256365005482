package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers"
	"github.com/telltale-iot/telltale/schema"
)

const (
	// senseWithin is how long a driver may take for one round before its channels count as faulty: the slowest chip takes 1 s.
	senseWithin = 5 * time.Second
	// lostAfter is how many rounds in a row must fail before people hear of it.
	lostAfter = 3
	// waveRetry is how long a failed waveform is left alone.
	waveRetry = 2 * time.Second
)

var errStuck = errors.New("the driver does not come back")

// sampler reads one sensor at its ticks. Its driver is called from a goroutine of its own, so that a call that never returns blocks
// nothing else: it costs that goroutine until the process ends.
type sampler struct {
	a        *Agent
	cfg      config.Sensor
	sensor   device.Sensor
	wave     device.WaveSensor // nil = none
	entities []schema.Entity
	stuck    atomic.Bool // a call of the driver has not come back

	answers chan answer
	failed  int
	lost    bool
}

type answer struct {
	readings []device.Reading
	blocks   []device.Block
	at       time.Duration // mono at the return
	err      error
}

func newSampler(a *Agent, c config.Sensor, s device.Sensor) *sampler {
	return &sampler{a: a, cfg: c, sensor: s, wave: drivers.Waves(s), entities: s.Describe(), answers: make(chan answer, 1)}
}

// run samples until ctx ends. It waits at most stuckWithin for a driver that hangs.
func (s *sampler) run(ctx context.Context) {
	if s.wave != nil {
		s.runWave(ctx)
	} else {
		s.runTicks(ctx)
	}
	if !s.stuck.Load() {
		return
	}
	t := time.NewTimer(stuckWithin)
	defer t.Stop()
	select {
	case <-s.answers:
		s.stuck.Store(false)
	case <-t.C:
		s.a.log.Error("a driver hangs and is left behind", "entity", s.cfg.ID)
	}
}

func (s *sampler) runTicks(ctx context.Context) {
	a := s.a
	phase := a.phase % s.cfg.Interval
	at := a.clock.Mono()
	for {
		at = a.time.nextTick(max(a.clock.Mono(), at), s.cfg.Interval, phase)
		if !sleep(ctx, at-a.clock.Mono()) {
			return
		}
		got := s.round(ctx, func() answer {
			r, err := s.sensor.Sense(ctx)
			return answer{readings: r, err: err}
		})
		if ctx.Err() != nil {
			return
		}
		s.judge(got.err)
		if got.err != nil {
			got.readings = s.faults()
		}
		a.latest.put(at, got.readings)
		if len(got.readings) > 0 {
			a.batch.add(at, got.readings)
		}
	}
}

func (s *sampler) runWave(ctx context.Context) {
	a := s.a
	var end time.Duration // mono, where the next block begins if it follows
	for ctx.Err() == nil {
		got := s.round(ctx, func() answer {
			b, err := s.wave.SenseWave(ctx)
			return answer{blocks: b, err: err}
		})
		if ctx.Err() != nil {
			return
		}
		s.judge(got.err)
		if got.err != nil {
			a.batch.add(a.clock.Mono(), s.faults())
			end = 0
			sleep(ctx, waveRetry)
			continue
		}
		end = s.placeBlocks(got, end)
	}
}

// placeBlocks puts blocks on the time axis: after the one before, unless samples were lost or the chip's clock has drifted away.
func (s *sampler) placeBlocks(got answer, end time.Duration) time.Duration {
	next := end
	for _, b := range got.blocks {
		if len(b.Values) == 0 {
			continue
		}
		span := time.Duration(len(b.Values)) * b.Step
		start := end
		if off := got.at - span - end; end == 0 || b.Lost > 0 || off.Abs() > max(4*b.Step, 50*time.Millisecond) {
			start = got.at - span
		}
		s.a.batch.addWave(start, b)
		next = start + span
	}
	return next
}

// round calls the driver in its own goroutine and waits at most senseWithin. While a call is out, further rounds fail at once.
func (s *sampler) round(ctx context.Context, call func() answer) answer {
	if s.stuck.Load() {
		select {
		case <-s.answers: // it came back; what it says is old
			s.stuck.Store(false)
		default:
			return answer{err: errStuck}
		}
	}
	go func() {
		got := answer{err: errors.New("driver panicked")}
		defer func() {
			if r := recover(); r != nil {
				s.a.log.Error("driver panicked", "entity", s.cfg.ID, "err", r, "stack", string(debug.Stack()))
				got.err = fmt.Errorf("driver panicked: %v", r)
			}
			got.at = s.a.clock.Mono()
			s.answers <- got
		}()
		got = call()
	}()
	t := time.NewTimer(senseWithin)
	defer t.Stop()
	select {
	case got := <-s.answers:
		return got
	case <-t.C:
		s.stuck.Store(true)
		return answer{err: fmt.Errorf("no answer within %s", senseWithin)}
	case <-ctx.Done():
		s.stuck.Store(true) // run waits for it
		return answer{err: ctx.Err()}
	}
}

// judge keeps count of failures and tells people once when a sensor goes and once when it is back.
func (s *sampler) judge(err error) {
	if err == nil {
		s.failed = 0
		if s.lost {
			s.lost = false
			s.a.log.Info("sensor is back", "entity", s.cfg.ID)
			s.a.event("sensor_back", s.entity(), s.cfg.Title()+" answers again")
		}
		return
	}
	s.failed++
	if s.failed == 1 {
		s.a.log.Warn("sensor did not answer", "entity", s.cfg.ID, "driver", s.cfg.Driver, "err", err)
	}
	if s.failed == lostAfter && !s.lost {
		s.lost = true
		s.a.event("sensor_lost", s.entity(), fmt.Sprintf("%s does not answer: %v", s.cfg.Title(), err))
	}
}

// entity is the id that events about the sensor name.
func (s *sampler) entity() string {
	if len(s.entities) == 0 {
		return ""
	}
	return s.entities[0].ID
}

// faults is a round in which nothing answered.
func (s *sampler) faults() []device.Reading {
	var out []device.Reading
	for _, e := range s.entities {
		for _, c := range e.Channels {
			out = append(out, device.Reading{Entity: e.ID, Measurement: device.Measurement{Channel: c.Name, Quality: schema.QualityFault}})
		}
	}
	return out
}

// sleep waits and reports whether the wait ended before ctx did.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
