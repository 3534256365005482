package fault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"sync"
	"time"
)

// MaxFaults bounds the faults that wait or last: an experiment with more is a different experiment.
const MaxFaults = 1024

// ErrTooMany is returned when MaxFaults wait or last.
var ErrTooMany = fmt.Errorf("fault: there are %d faults already; clear some", MaxFaults)

// Target breaks what a Spec says and returns what heals it. It must not block. Check reports what Inject would refuse.
type Target interface {
	Check(Spec) error
	Inject(Spec) (heal func(), err error)
}

// Status is what becomes of a fault.
type Status struct {
	ID     int    `json:"id"`
	Fault  string `json:"fault"`
	Active bool   `json:"active"`  // false: it waits for its start
	LeftMS int64  `json:"left_ms"` // ms until it starts, or while active until it ends; 0 while active: until it is cleared
}

// Injector carries faults out at their time. Safe for concurrent use; Run does the work.
type Injector struct {
	target Target
	log    *slog.Logger

	mu     sync.Mutex
	nextID int
	faults []*pending
	wake   chan struct{}
}

type pending struct {
	id   int
	spec Spec
	due  time.Time // of the start, then of the end; zero for none
	heal func()
}

// NewInjector returns an injector without faults.
func NewInjector(target Target, log *slog.Logger) *Injector {
	return &Injector{target: target, log: log, wake: make(chan struct{}, 1)}
}

// Add takes a fault; its start counts from now. One without a start is injected before Add returns. Errors: what the Target cannot
// do, ErrTooMany.
func (i *Injector) Add(s Spec) (id int, err error) {
	if err := i.target.Check(s); err != nil {
		return 0, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.faults) >= MaxFaults {
		return 0, ErrTooMany
	}
	f := &pending{id: i.nextID + 1, spec: s, due: time.Now().Add(s.Start)}
	if s.Start <= 0 {
		if err := i.begin(f); err != nil {
			return 0, err
		}
	}
	i.nextID++
	i.faults = append(i.faults, f)
	i.poke()
	return f.id, nil
}

// begin injects a fault and notes when it ends. Call with mu held.
func (i *Injector) begin(f *pending) error {
	heal, err := i.target.Inject(f.spec)
	if err != nil {
		return err
	}
	i.log.Info("fault injected", "fault", f.spec.String())
	f.heal, f.due = heal, time.Time{}
	if f.spec.Length > 0 {
		f.due = time.Now().Add(f.spec.Length)
	}
	return nil
}

func (i *Injector) poke() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// Clear heals the faults with these numbers, all of them when none is given, and returns how many there were.
func (i *Injector) Clear(ids ...int) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	kept, n := i.faults[:0], 0
	for _, f := range i.faults {
		if !selected(ids, f.id) {
			kept = append(kept, f)
			continue
		}
		n++
		i.end(f)
	}
	clear(i.faults[len(kept):])
	i.faults = kept
	return n
}

func selected(ids []int, id int) bool {
	for _, x := range ids {
		if x == id {
			return true
		}
	}
	return len(ids) == 0
}

// List tells what waits and what lasts, oldest first.
func (i *Injector) List() []Status {
	i.mu.Lock()
	defer i.mu.Unlock()
	list := make([]Status, 0, len(i.faults))
	for _, f := range i.faults {
		s := Status{ID: f.id, Fault: f.spec.String(), Active: f.heal != nil}
		if !f.due.IsZero() {
			s.LeftMS = max(0, time.Until(f.due).Milliseconds())
		}
		list = append(list, s)
	}
	sort.Slice(list, func(a, b int) bool { return list[a].ID < list[b].ID })
	return list
}

// Run injects and heals until ctx ends; then it heals everything that lasts.
func (i *Injector) Run(ctx context.Context) error {
	defer i.Clear()
	for {
		timer := time.NewTimer(i.due())
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-i.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// due does what is due and returns how long there is nothing to do.
func (i *Injector) due() time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	next := time.Hour
	kept := i.faults[:0]
	for _, f := range i.faults {
		if left := time.Until(f.due); !f.due.IsZero() && left <= 0 && !i.advance(f) {
			continue
		}
		kept = append(kept, f)
		if !f.due.IsZero() {
			next = min(next, max(0, time.Until(f.due)))
		}
	}
	clear(i.faults[len(kept):])
	i.faults = kept
	return next
}

// advance starts a fault or ends it; false when it is over.
func (i *Injector) advance(f *pending) bool {
	if f.heal != nil {
		i.end(f)
		return false
	}
	if err := i.begin(f); err != nil {
		i.log.Warn("fault not injected", "fault", f.spec.String(), "err", err)
		return false
	}
	return true
}

func (i *Injector) end(f *pending) {
	if f.heal == nil {
		return
	}
	f.heal()
	f.heal = nil
	i.log.Info("fault healed", "fault", f.spec.String())
}

// ParseAll parses several specs and reports every mistake.
func ParseAll(texts []string) ([]Spec, error) {
	var specs []Spec
	var errs []error
	for _, t := range texts {
		s, err := Parse(t)
		specs, errs = append(specs, s), append(errs, err)
	}
	return specs, errors.Join(errs...)
}
