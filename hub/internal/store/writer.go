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
)

const (
	// maxQueuedReadings bounds the readings that wait for a commit: about 25 MB in memory, and more than five seconds of what the
	// writer can do.
	maxQueuedReadings = 1 << 18
	// maxQueuedJobs bounds the jobs that wait, for frames that have few readings.
	maxQueuedJobs = 1 << 14
	// maxUrgentJobs is how many jobs that somebody waits for may queue beyond that: a flood of frames must not refuse commands.
	maxUrgentJobs = 1 << 10
	// maxRefusals bounds the writes that one commit looks for and refuses, a dozen transactions each; what is left then fails together and
	// comes again.
	maxRefusals = 16
	// commitAt is how many queued readings start a commit before its time: a larger one is no cheaper per reading.
	commitAt = 1 << 14
	// maxCommitReadings is how many readings one commit takes at most, or one job: a commit of the whole queue would take many seconds on
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
	write    func(*writer) error // in the writer's transaction; may run again if the transaction failed
	done     func(error)         // once, after the commit or when it failed; nil = nobody waits
	readings int                 // for the queue's bound
	frame    bool                // a frame of a device: refused before anything is written, or written whole
}

// writer owns the connection that writes. Its goroutine is the only one that touches conn, heads, rows and the counts.
type writer struct {
	file     string
	every    time.Duration
	log      *slog.Logger
	now      func() time.Time
	onCommit func(CommitInfo)
	failing  atomic.Pointer[error] // why the last commit failed; nil = it did not

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
	heads        map[string]*head // what is known of devices, by device id; only committed truth between transactions
	touched      []*epoch         // whose ranges this transaction changed
	rows         []row            // readings of this transaction
	duplicates   int              // frames of this transaction that were there already
	keepCommands int64
	refusals     int // jobs of this commit that SQLite refused
}

func newWriter(file string, c *conn, o Options) *writer {
	return &writer{
		keepCommands: keepCommands,
		file:         file, every: o.CommitEvery, log: o.Log, now: o.Now, onCommit: o.OnCommit, conn: c, heads: map[string]*head{},
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

func poke(c chan struct{}) {
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

// take returns the jobs of the next commit, in order; when some stay behind, the commit after it comes at once.
func (w *writer) take() []job {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, readings := 0, 0
	for n < len(w.queue) && (n == 0 || readings+w.queue[n].readings <= maxCommitReadings) {
		readings += w.queue[n].readings
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
			if w.conn != nil {
				w.life.roll(w.conn)
			}
			return
		default:
		}
	}
}

// commit writes jobs together and tells each how it went.
func (w *writer) commit(jobs []job) {
	began := time.Now()
	var info CommitInfo
	w.refusals = 0
	errs := make([]error, len(jobs))
	info.Err = w.write(jobs, errs, &info)
	info.Took = time.Since(began)
	if info.Err != nil {
		w.log.Error("readings cannot be stored", "err", info.Err)
		w.failing.Store(&info.Err)
	} else {
		w.failing.Store(nil)
	}
	for i, j := range jobs {
		if j.frame {
			info.Frames++
		}
		if j.done != nil {
			j.done(errs[i])
		}
	}
	w.rows = w.rows[:0]
	if w.onCommit != nil {
		w.onCommit(info)
	}
}

// write writes jobs in one transaction, or in several where SQLite refuses one of the jobs: halves find it in few steps and keep the
// order. After any other failure the file is opened anew and all is tried once more, because one I/O error may have been the
// connection's. errs gets each job's error; the returned one says that the store cannot write.
func (w *writer) write(jobs []job, errs []error, info *CommitInfo) error {
	err := w.attempt(jobs, errs)
	if err != nil && !refused(err) {
		w.log.Warn("commit failed, opening the store again", "err", err)
		err = w.attempt(jobs, errs)
	}
	half := len(jobs) / 2
	switch {
	case err == nil:
		info.Readings += len(w.rows)
		info.Duplicates += w.duplicates
		return nil
	case w.refusals >= maxRefusals: // that many are not a frame's fault
	case refused(err) && half > 0:
		return errors.Join(w.write(jobs[:half], errs[:half], info), w.write(jobs[half:], errs[half:], info))
	case refused(err):
		w.log.Error("the database refuses a write", "err", err)
		w.refusals++
		errs[0] = fmt.Errorf("%w: %w", ErrRefused, err)
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
	w.rows, w.duplicates = w.rows[:0], 0
	if w.conn == nil {
		if w.conn, err = openConn(w.file); err != nil {
			return fmt.Errorf("open again: %w", err)
		}
	}
	err = w.conn.inTx(func() error {
		for i, j := range jobs {
			if j.frame {
				errs[i] = j.write(w)
			} else {
				errs[i] = w.conn.inSavepoint(func() error { return j.write(w) })
			}
			if errs[i] != nil && fatal(errs[i], j.frame) {
				return errs[i]
			}
		}
		if err := w.flushReceived(); err != nil {
			return err
		}
		return w.flushRows()
	})
	if err != nil {
		w.forgetHeads() // they may know what was rolled back
		_ = w.conn.close()
		w.conn = nil
		return err
	}
	w.settleReceived()
	return nil
}

// fatal reports whether an error concerns the transaction and not only the job that had it. A frame's job is not run in a savepoint:
// there only a refusal, which comes before anything is written, is the frame's own.
func fatal(err error, frame bool) bool {
	if frame {
		return !errors.Is(err, ErrUnknownDevice) && !errors.Is(err, ErrSeq) && !errors.Is(err, ErrScattered)
	}
	var e sqlite3.Error
	return errors.As(err, &e) && e.Code != sqlite3.ErrConstraint
}
