package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	sqlite3 "github.com/mattn/go-sqlite3"

	"github.com/telltale-iot/telltale/hub/internal/store/ring"
)

const (
	// maxQueuedReadings bounds the readings that wait for a commit: about 25 MB in memory, and less than a second of what the writer can
	// do.
	maxQueuedReadings = 1 << 18
	// maxQueuedJobs bounds the jobs that wait, for frames that have few readings.
	maxQueuedJobs = 1 << 14
	// maxUrgentJobs is how many jobs that somebody waits for may queue beyond that: a flood of frames must not refuse commands.
	maxUrgentJobs = 1 << 10
	// commitAt is how many queued readings start a commit before its time: a larger one is no cheaper per reading.
	commitAt = 1 << 14
	// maxCommitReadings is how many readings one commit takes at most, or one job: a commit of the whole queue would take seconds on
	// a memory card, in which nobody gets an ack or room.
	maxCommitReadings = 1 << 15
)

// ErrClosed is returned after Close.
var ErrClosed = errors.New("the store is closed")

// ErrRefused is returned for a write that SQLite itself refuses, while all others of its commit succeed: trying again cannot help. It says
// Refused() true.
var ErrRefused error = refusedError{}

type refusedError struct{}

func (refusedError) Error() string { return "the database refuses it" }
func (refusedError) Refused() bool { return true }

// ErrFull is returned while the writer's queue is full: stop reading from that device for a moment. It says Temporary() true.
var ErrFull error = fullError{}

type fullError struct{}

func (fullError) Error() string   { return "the store's queue is full" }
func (fullError) Temporary() bool { return true }

// job is one thing to write.
type job struct {
	write    func(*writer) error // in the writer's transaction; may run again if the transaction failed; nil = nothing
	done     func(error)         // once, after the commit or when it failed; nil = nobody waits
	readings int                 // for the queue's bound
	bytes    int                 // of the ring, at most
	frame    bool                // a frame of a device: refused before anything is written, or written whole
	seal     bool                // done waits until all readings so far are packed
	after    func(*conn) error   // after the commit, outside a transaction; its error goes to done; nil = nothing
}

// writer owns the connection that writes. Its goroutine is the only one that touches the fields below ended, and the only one that changes head.
type writer struct {
	file     string
	every    time.Duration
	log      *slog.Logger
	now      func() time.Time
	onCommit func(CommitInfo)
	failing  atomic.Pointer[error] // why the last commit failed; nil = it did not
	noRoom   atomic.Bool           // the disk is full: frames are not stored
	trouble  chan<- struct{}       // poked when a commit failed

	mu       sync.Mutex
	queue    []job
	readings int // in queue
	closed   bool

	wake    chan struct{} // something is in the queue
	urgent  chan struct{} // somebody waits for the commit
	closing chan struct{}
	ended   chan struct{}

	life         *lineage
	conn         *conn
	sound        bool              // conn was, when it was closed
	head         *head             // what is committed and not packed
	ring         *ring.Log         // where the next frames go
	slots        int               // of the ring
	known        map[string]*known // devices, by device id; only committed truth between transactions
	touched      []*epoch          // whose ranges this transaction changed
	arrivals     []arrival         // series of this transaction
	stored       int               // readings of this transaction
	duplicates   int               // frames of this transaction that were there already
	nowMS        int64             // of this transaction
	came         ring.Run          // readings on their way
	packer       packer
	sealed       time.Time  // when the head was packed or found empty
	retrySeal    time.Time  // not before, because it failed
	lost         []lostSpan // found at the last reading of the ring, not yet told
	purgeAfter   bool       // a forgotten device may be in the ring: seal before its rows are deleted
	keepCommands int64
}

func newWriter(file string, c *conn, o Options) *writer {
	return &writer{
		keepCommands: keepCommands, head: newHead(),
		file: file, every: o.CommitEvery, log: o.Log, now: o.Now, onCommit: o.OnCommit, conn: c, known: map[string]*known{},
		wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), closing: make(chan struct{}), ended: make(chan struct{}),
	}
}

// push queues a job. Jobs commit in the order of their pushes. Errors: ErrFull, ErrClosed.
func (w *writer) push(j job, urgent bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	most := maxQueuedJobs
	if urgent {
		most += maxUrgentJobs
	}
	switch {
	case w.closed:
		return ErrClosed
	case len(w.queue) >= most, w.readings > 0 && w.readings+j.readings > maxQueuedReadings:
		return ErrFull
	}
	w.queue = append(w.queue, j)
	w.readings += j.readings
	poke(w.wake)
	if urgent || w.readings >= commitAt {
		poke(w.urgent)
	}
	return nil
}

// do runs f in the next commit, which comes at once, and waits for it. f may run again. When ctx ends first its error is returned and
// the outcome is open.
func (w *writer) do(ctx context.Context, f func(*writer) error) error {
	result := make(chan error, 1)
	if err := w.push(job{write: f, done: func(err error) { result <- err }}, true); err != nil {
		return err
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// checkpoint brings what is committed from the WAL into the file, as far as no reader is in the way, so that the file shrinks when pages were
// given back.
func (w *writer) checkpoint(ctx context.Context) error {
	result := make(chan error, 1)
	j := job{done: func(err error) { result <- err }, after: func(c *conn) error {
		var busy, frames, done int
		return c.row(`PRAGMA wal_checkpoint(PASSIVE)`).Scan(&busy, &frames, &done)
	}}
	if err := w.push(j, true); err != nil {
		return err
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is poked already
	}
}

func (w *writer) queued() (readings, jobs int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.readings, len(w.queue)
}

// take returns the jobs of the next commit, in order, as many as the ring takes at once; when some stay behind, the commit after it comes at once.
func (w *writer) take() []job {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, readings, bytes := 0, 0, 0
	maxBytes := w.slots * ring.Room / 4 // what sealing leaves free of the ring
	for n < len(w.queue) && (n == 0 || readings+w.queue[n].readings <= maxCommitReadings && bytes+w.queue[n].bytes <= maxBytes) {
		readings += w.queue[n].readings
		bytes += w.queue[n].bytes
		n++
	}
	if n == len(w.queue) {
		jobs := w.queue
		w.queue, w.readings = nil, 0
		return jobs
	}
	jobs := slices.Clone(w.queue[:n])
	w.queue = slices.Delete(w.queue, 0, n)
	w.readings -= readings
	poke(w.wake)
	poke(w.urgent)
	return jobs
}

// stop lets run write what is queued and end.
func (w *writer) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		close(w.closing)
	}
}

// run collects jobs for at most w.every and commits them together, in pieces if they are many, until stop.
func (w *writer) run() {
	defer close(w.ended)
	timer := time.NewTimer(w.every)
	defer timer.Stop()
	for {
		select {
		case <-w.wake:
		case <-w.closing:
		}
		timer.Reset(w.every)
		select {
		case <-timer.C:
		case <-w.urgent:
		case <-w.closing:
		}
		if jobs := w.take(); len(jobs) > 0 {
			w.commit(jobs)
			if w.conn != nil {
				w.life.rollIfDue(w.conn)
			}
			continue
		}
		select {
		case <-w.closing: // nothing can be pushed any more
			w.last()
			return
		default:
		}
	}
}

// last packs what is in the ring, so that the next start has nothing to read; whatever fails here is read then.
func (w *writer) last() {
	if w.conn == nil {
		return
	}
	if err := w.seal(); err != nil {
		w.log.Warn("readings stay in the log until the next start", "err", err)
		return
	}
	w.life.roll(w.conn)
}

// commit writes jobs together and tells each how it went.
func (w *writer) commit(jobs []job) {
	began := time.Now()
	var info CommitInfo
	errs := make([]error, len(jobs))
	info.Err = w.write(jobs, errs)
	if info.Err != nil {
		w.log.Error("readings cannot be stored", "err", info.Err)
		w.failing.Store(&info.Err)
		poke(w.trouble)
	} else {
		w.failing.Store(nil)
		info.Readings, info.Duplicates = w.stored, w.duplicates
	}
	info.Took = time.Since(began)
	for i, j := range jobs {
		if j.frame {
			info.Frames++
		}
		if j.after != nil && errs[i] == nil {
			errs[i] = j.after(w.conn)
		}
		if j.done != nil && !j.seal {
			j.done(errs[i])
		}
	}
	if w.onCommit != nil {
		w.onCommit(info)
	}
	w.sealFor(jobs)
}

// write writes jobs in one transaction. After a failure the file is opened and read anew and all is tried once more, because one I/O error
// may have been the connection's; what was committed in spite of the error is found then, and not written twice. errs gets each job's error;
// the returned one says that the store cannot write.
func (w *writer) write(jobs []job, errs []error) error {
	err := w.attempt(jobs, errs)
	if err != nil && !errors.Is(err, errRingFull) {
		w.log.Warn("commit failed, opening the store again", "err", err)
		err = w.attempt(jobs, errs)
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("commit: %w", err)
	for i := range errs {
		errs[i] = err
	}
	return err
}

// refused reports whether an error is about what was to be written and not about the disk.
func refused(err error) bool {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case sqlite3.ErrConstraint, sqlite3.ErrTooBig, sqlite3.ErrMismatch, sqlite3.ErrRange:
		return true
	}
	return false
}

// attempt runs the jobs in one transaction. errs gets the jobs' own refusals; err says that nothing was committed.
func (w *writer) attempt(jobs []job, errs []error) (err error) {
	if w.conn == nil {
		if err = w.reopen(); err != nil {
			return fmt.Errorf("open again: %w", err)
		}
	}
	if err := w.makeRoom(jobs); err != nil {
		return err
	}
	w.arrivals, w.stored, w.duplicates, w.nowMS = w.arrivals[:0], 0, 0, w.now().UnixMilli()
	err = w.conn.inTx(func() error {
		for i, j := range jobs {
			if errs[i] = w.do1(j); errs[i] != nil && fatal(errs[i]) {
				return errs[i]
			}
		}
		return w.saveSlots()
	})
	switch {
	case err == nil:
		w.settle()
	case errors.Is(err, errRingFull): // rolled back without any trouble
		w.ring.Rollback()
		w.forget()
	default:
		w.drop()
	}
	return err
}

// do1 runs one job. A frame's job needs no savepoint: it is refused before anything is written.
func (w *writer) do1(j job) error {
	var err error
	switch {
	case j.write == nil:
	case j.frame && w.noRoom.Load():
		err = ErrNoRoom
	case j.frame:
		err = j.write(w)
	default:
		err = w.conn.inSavepoint(func() error { return j.write(w) })
	}
	if err != nil && j.frame && refused(err) {
		w.log.Error("the database refuses a write", "err", err)
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// fatal reports whether an error concerns the transaction and not only the job that had it.
func fatal(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && !refused(err)
}

// settle makes the transaction's readings and ranges part of the head. It comes after the commit and before anybody is told.
func (w *writer) settle() {
	w.ring.Commit()
	w.head.mu.Lock()
	defer w.head.mu.Unlock()
	for _, a := range w.arrivals {
		m := w.head.of(a.series)
		runs(a.sent, a.t0MS, a.time, &w.came.Block, func() { m.add(&w.came.Block) })
	}
	w.head.readings += w.stored
	for _, e := range w.touched {
		e.dirty = false
		w.head.sets[e.id] = slices.Clone(e.set)
	}
	w.touched = w.touched[:0]
	clear(w.arrivals)
	if len(w.known) > maxKnown {
		w.forget()
	}
}

// drop closes a connection that failed, and forgets what may have been rolled back. The head stays: it is committed.
func (w *writer) drop() {
	w.forget()
	w.sound = w.conn.sound
	_ = w.conn.close()
	w.conn = nil
}
