package intake

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/export"
	"github.com/telltale-iot/telltale/schema"
)

const (
	// batchReadings bounds the readings of one batch: with the window below more than the store commits at once without waiting for its
	// time, and few enough that the readings of devices, which use the same queue, hardly notice.
	batchReadings = 4096
	// window is how many batches may be under way to the store.
	window = 8
	// retryAfter is how long a batch waits that found the store's queue full.
	retryAfter = 20 * time.Millisecond
)

// Store is what keeps the readings.
type Store interface {
	// Append queues a batch; done is called once, after the commit or when it failed. An error with Temporary() true: the queue is full.
	Append(b schema.Batch, done func(error)) error
	// Scan calls fn for every reading of a channel from fromMS to toMS, both included, in order of time. Error: fn's, or the store's.
	Scan(ctx context.Context, device, channel string, fromMS, toMS int64, fn func(tMS int64, v schema.Value, q schema.Quality) error) error
}

// loader collects rows into batches and stores them.
type loader struct {
	ctx    context.Context
	store  Store
	device string
	epoch  string
	dry    bool // count only
	told   func(stored, known int64)

	seq    uint64
	n      int                       // readings in pending
	low    int64                     // the earliest of them, Unix ms
	byCh   map[string]*schema.Series // in pending; DtMS holds Unix ms until it is sent
	times  map[string]schema.TimeQuality
	order  []string
	ends   chan error
	flying int
	stored int64
	known  int64
}

func newLoader(ctx context.Context, s Store, device, epoch string, dry bool) *loader {
	l := &loader{ctx: ctx, store: s, device: device, epoch: epoch, dry: dry, ends: make(chan error, window)}
	l.clear()
	return l
}

func (l *loader) clear() {
	l.n, l.order = 0, nil
	l.byCh, l.times = map[string]*schema.Series{}, map[string]schema.TimeQuality{}
}

// key is what shares a series in a batch: the store keeps the quality of the time per batch, so each has a batch of its own.
func key(r *export.Row) string { return string(r.Time) + " " + r.Channel }

// put adds a row.
func (l *loader) put(r *export.Row) error {
	if l.n == batchReadings {
		if err := l.flush(); err != nil {
			return err
		}
	}
	if l.n == 0 || r.TMS < l.low {
		l.low = r.TMS
	}
	k := key(r)
	s := l.byCh[k]
	if s == nil {
		s = &schema.Series{Ch: r.Channel}
		l.byCh[k], l.times[k] = s, r.Time
		l.order = append(l.order, k)
	}
	s.DtMS, s.V, s.Q = append(s.DtMS, r.TMS), append(s.V, r.Value), append(s.Q, r.Quality)
	l.n++
	return nil
}

// flush sends what was collected: a batch for each quality of time, always with the same numbers for the same file, whatever of it is known.
func (l *loader) flush() error {
	if l.n == 0 {
		return nil
	}
	batches := map[schema.TimeQuality]*schema.Batch{}
	var order []*schema.Batch
	for _, k := range l.order {
		tq := l.times[k]
		b := batches[tq]
		if b == nil {
			l.seq++
			b = &schema.Batch{Device: l.device, Epoch: l.epoch, Seq: l.seq, T0MS: l.low, Time: tq, Backfill: true}
			batches[tq] = b
			order = append(order, b)
		}
		s, err := l.fresh(sorted(l.byCh[k]))
		if err != nil {
			return err
		}
		if len(s.V) > 0 {
			for i := range s.DtMS {
				s.DtMS[i] -= l.low
			}
			b.Series = append(b.Series, s)
		}
	}
	l.clear()
	for _, b := range order {
		if err := l.send(b); err != nil {
			return err
		}
	}
	return nil
}

// sorted brings the readings of a series into the order of time.
func sorted(s *schema.Series) schema.Series {
	if slices.IsSorted(s.DtMS) {
		return *s
	}
	at := make([]int, len(s.DtMS))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(a, b int) int { return cmp.Compare(s.DtMS[a], s.DtMS[b]) })
	out := schema.Series{Ch: s.Ch}
	for _, i := range at {
		out.DtMS, out.V, out.Q = append(out.DtMS, s.DtMS[i]), append(out.V, s.V[i]), append(out.Q, s.Q[i])
	}
	return out
}

// errPast ends a scan that has seen enough.
var errPast = errors.New("past the last reading")

// fresh takes out the readings that the device has: the same channel, time, value and quality.
func (l *loader) fresh(s schema.Series) (schema.Series, error) {
	has := make([]bool, len(s.V))
	first, some := 0, false // the first reading that is not before the one that is scanned
	err := l.store.Scan(l.ctx, l.device, s.Ch, s.DtMS[0], s.DtMS[len(s.DtMS)-1], func(tMS int64, v schema.Value, q schema.Quality) error {
		for first < len(s.DtMS) && s.DtMS[first] < tMS {
			first++
		}
		if first == len(s.DtMS) {
			return errPast
		}
		for i := first; i < len(s.DtMS) && s.DtMS[i] == tMS; i++ {
			if !has[i] && s.V[i] == v && same(s.Q[i], q) {
				has[i], some = true, true
				break
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errPast) {
		return s, err
	}
	if !some {
		return s, nil
	}
	out := schema.Series{Ch: s.Ch}
	for i := range has {
		if has[i] {
			l.known++
			continue
		}
		out.DtMS, out.V, out.Q = append(out.DtMS, s.DtMS[i]), append(out.V, s.V[i]), append(out.Q, s.Q[i])
	}
	return out, nil
}

func same(a, b schema.Quality) bool {
	return a == b || (a == "" || a == schema.QualityOK) && (b == "" || b == schema.QualityOK)
}

// send hands a batch to the store, and waits while as many as may be are under way, or the store's queue is full.
func (l *loader) send(b *schema.Batch) error {
	if len(b.Series) == 0 || l.dry {
		return l.tell()
	}
	n := int64(0)
	for i := range b.Series {
		n += int64(len(b.Series[i].V))
	}
	for l.flying == window {
		if err := l.wait(nil); err != nil {
			return err
		}
	}
	for {
		err := l.store.Append(*b, func(err error) { l.ends <- err })
		if err == nil {
			l.flying++
			l.stored += n
			return l.tell()
		}
		if t, ok := err.(interface{ Temporary() bool }); !ok || !t.Temporary() {
			return err
		}
		timer := time.NewTimer(retryAfter)
		err = l.wait(timer.C)
		timer.Stop()
		if err != nil {
			return err
		}
	}
}

func (l *loader) tell() error {
	if l.told != nil {
		l.told(l.stored, l.known)
	}
	return l.ctx.Err()
}

// wait returns when a batch was committed (its error), the timer fired or ctx ended.
func (l *loader) wait(timer <-chan time.Time) error {
	select {
	case err := <-l.ends:
		l.flying--
		return err
	case <-timer:
		return nil
	case <-l.ctx.Done():
		return l.ctx.Err()
	}
}

// end sends the rest and waits until all of it is committed.
func (l *loader) end() error {
	if err := l.flush(); err != nil {
		return err
	}
	for l.flying > 0 {
		if err := l.wait(nil); err != nil {
			return err
		}
	}
	return l.tell()
}
