//go:build linux

package main

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/schema"
)

// epochName is the outbox of every device here.
const epochName = "00000000000000aa"

// oneByOne is a window that ends as soon as the goroutine that appends waits, if there is one core: with it, frames that are appended together
// and then waited for are one commit, and nobody sleeps. Whether they were is counted.
const oneByOne = time.Microsecond

// timing says when the hub's store commits.
type timing struct {
	window time.Duration // 0 = as the hub does
}

// telltale is the hub's store.
type telltale struct {
	store    *store.Store
	dir      string
	nowMS    atomic.Int64 // of the data: the store must not wonder about readings from the future
	ids      []string
	channels []string
	seq      []uint64
	acks     chan error

	mu      sync.Mutex
	commits int // with frames in them
	took    []time.Duration
}

func openTelltale(ctx context.Context, s spec, o timing) (*telltale, error) {
	const mostUnderWay = 1 << 16 // acks that nobody has taken: more than any workload here has under way
	e := &telltale{dir: s.dir, seq: make([]uint64, s.devices), acks: make(chan error, mostUnderWay)}
	e.nowMS.Store(time.Now().UnixMilli())
	var err error
	e.store, err = store.Open(ctx, store.Options{Dir: s.dir, CommitEvery: o.window, OnCommit: e.note,
		Now: func() time.Time { return time.UnixMilli(e.nowMS.Load()) }})
	if err != nil {
		return nil, err
	}
	for i := range s.wide / s.devices {
		e.channels = append(e.channels, fmt.Sprintf("s%d.state", i))
	}
	for d := range s.devices {
		var seed [ed25519.SeedSize]byte
		binary.LittleEndian.PutUint64(seed[:], uint64(d))
		public, ok := ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)
		if !ok {
			return nil, errors.Join(errors.New("the key has no public half"), e.store.Close())
		}
		id, err := e.store.PairDevice(ctx, fmt.Sprintf("d-%d", d), "", public)
		if err != nil {
			return nil, errors.Join(err, e.store.Close())
		}
		e.ids = append(e.ids, id)
	}
	return e, nil
}

// note counts commits, on the writer's goroutine.
func (e *telltale) note(i store.CommitInfo) {
	if i.Frames == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.commits++
	e.took = append(e.took, i.Took)
}

// counted returns the commits since it was last asked, and how long each took.
func (e *telltale) counted() (commits int, took []time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	commits, took = e.commits, e.took
	e.commits, e.took = 0, nil
	return commits, took
}

// frame makes the next frame of a device from one tick.
func (e *telltale) frame(device int, t *tick) schema.Batch {
	n := len(e.channels)
	b := schema.Batch{Device: e.ids[device], Epoch: epochName, T0MS: t.atMS, Series: make([]schema.Series, n)}
	e.seq[device]++
	b.Seq = e.seq[device]
	values := make(schema.Values, n)
	var late []int64
	for i := range n {
		k := device*n + i
		values[i] = schema.Number(t.v[k])
		b.Series[i] = schema.Series{Ch: e.channels[i], V: values[i : i+1 : i+1]}
		if dt := t.tMS[k] - t.atMS; dt != 0 {
			if late == nil {
				late = make([]int64, n)
			}
			late[i] = dt
			b.Series[i].DtMS = late[i : i+1 : i+1]
		}
	}
	e.nowMS.Store(max(e.nowMS.Load(), t.atMS+1000))
	return b
}

// history makes one frame of many ticks of the first series of a device, a column each.
func (e *telltale) history(ticks []tick, device, series int) schema.Batch {
	b := schema.Batch{Device: e.ids[device], Epoch: epochName, T0MS: ticks[0].atMS, Backfill: true}
	e.seq[device]++
	b.Seq = e.seq[device]
	for i := range series {
		values, dt := make(schema.Values, len(ticks)), make([]int64, len(ticks))
		for k := range ticks {
			values[k], dt[k] = schema.Number(ticks[k].v[i]), ticks[k].tMS[i]-b.T0MS
		}
		b.Series = append(b.Series, schema.Series{Ch: e.channels[i], V: values, DtMS: dt})
	}
	e.nowMS.Store(max(e.nowMS.Load(), ticks[len(ticks)-1].atMS+1000))
	return b
}

// append hands a frame to the store; while that is full it waits for acks, which it counts down from underWay.
func (e *telltale) append(b schema.Batch, underWay *int) error {
	for {
		err := e.store.Append(b, func(err error) { e.acks <- err })
		if err == nil {
			*underWay++
			return nil
		}
		if !errors.Is(err, store.ErrFull) || *underWay == 0 {
			return err
		}
		if err := e.await(underWay, *underWay-1); err != nil {
			return err
		}
	}
}

// await waits until at most left frames are under way.
func (e *telltale) await(underWay *int, left int) error {
	for *underWay > left {
		*underWay--
		if err := <-e.acks; err != nil {
			return err
		}
	}
	return nil
}

// Store implements engine. That it is one commit follows from the window; ingest counts them.
func (e *telltale) Store(ticks []tick) error {
	underWay := 0
	for i := range ticks {
		for d := range e.ids {
			if err := e.append(e.frame(d, &ticks[i]), &underWay); err != nil {
				return err
			}
		}
	}
	return e.await(&underWay, 0)
}

// Chart implements engine.
func (e *telltale) Chart(ctx context.Context, q question) (curve, error) {
	h, err := e.store.History(ctx, e.ids[q.series/len(e.channels)], store.HistoryQuery{
		Channels: []string{e.channels[q.series%len(e.channels)]}, FromMS: q.fromMS, ToMS: q.toMS, Points: q.points})
	if err != nil {
		return curve{}, err
	}
	s := h.Series[0]
	return curve{widthMS: h.BucketMS, tMS: s.TMS, min: s.Min, max: s.Max, mean: s.Mean, count: s.Count}, nil
}

// Close implements engine.
func (e *telltale) Close() error { return e.store.Close() }

// Size implements engine. The ring has a fixed size and is counted in the file only; readings that are still in it are not counted.
func (e *telltale) Size() (size, error) {
	return fileSize(filepath.Join(e.dir, "telltale.db"), sizeOf{ring: "ring", readings: map[string]string{"chunk": "sum(n)", "reading": "count(*)"}})
}
