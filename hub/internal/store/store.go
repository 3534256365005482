// Package store keeps devices, readings, gaps, events and commands in one SQLite file. Nothing else in the hub knows SQL.
//
// It guarantees: what was acknowledged (done(nil), or a nil error) is on the disk, committed with synchronous=FULL; a frame
// (device, epoch, seq) is stored at most once, however often it is sent; a command's state only follows the table of
// [schema.CommandState.Next] and every transition is kept with it. It refuses a file that a newer program wrote, a folder that another hub
// uses, and frames beyond its bounded queue ([ErrFull]). When a commit fails (disk full, I/O error) nothing of it is acknowledged, the
// file is opened anew, and the store works again as soon as the disk does. It never deletes a damaged file.
//
// One goroutine writes, on one connection, many frames per transaction, into a ring of slots; from there readings are packed into chunks, each half
// hour. A small pool of read-only connections answers questions from chunks and memory.
// Why it is built this way stands in DESIGN.md. Start reading at [Store.Append], then writer.run.
package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultCommitEvery is how long readings are collected before a commit when Options say nothing: an ack may wait this long, and a
// card sees at most one commit a second.
const DefaultCommitEvery = time.Second

// fileName of the database in the data folder.
const fileName = "telltale.db"

// maxReaders bounds the connections that answer questions: more would only compete for the same two to four cores.
const maxReaders = 4

// Options says where the store lives and how it behaves.
type Options struct {
	// Dir is the data folder; it is made when it does not exist.
	Dir string
	// CommitEvery is how long readings may be collected before a durable commit; 0 = DefaultCommitEvery.
	CommitEvery time.Duration
	// Log receives what a person should know; nil = nothing is logged.
	Log *slog.Logger
	// Budget is how many bytes the store's files may take before the oldest readings go; 0 = as many as the disk has.
	Budget int64
	// Now is the hub's clock; nil = time.Now.
	Now func() time.Time
	// OnCommit is told about every commit, from the writer's goroutine; it must not block. nil = nobody listens.
	OnCommit func(CommitInfo)

	slots int // of a new store's ring; 0 = ringSlots
}

// CommitInfo describes one group commit, for metrics.
type CommitInfo struct {
	Frames     int           // frames in it: readings, gaps, events
	Readings   int           // rows of readings written
	Duplicates int           // frames that were there already
	Took       time.Duration // from begin to durable, with retries
	Err        error         // nil = committed
}

// Store is the open database. All methods are safe for concurrent use.
type Store struct {
	log        *slog.Logger
	now        func() time.Time
	hubID      string
	generation string
	unlock     func() error
	writer     *writer
	head       *head // what is committed and not packed; the writer changes it
	read       *sql.DB
	window     int // chunks of a read transaction
	room       atomic.Pointer[Room]
	shed       shedder
	stopKeeper context.CancelFunc
	keeping    sync.WaitGroup
	purging    sync.WaitGroup // what deletes in small steps
	closeOnce  sync.Once
	closeErr   error
}

// Open opens the store in o.Dir or makes a new one, and brings an older file to today's shape.
//
// Errors are for people: the folder cannot be made or written, another hub uses it ([ErrInUse]), the file was written by a newer
// program ([ErrNewer]), the file is damaged or not a database. The file is left as it is in all these cases.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.CommitEvery <= 0 {
		o.CommitEvery = DefaultCommitEvery
	}
	unlock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{log: o.Log, now: o.Now, window: windowChunks, unlock: unlock, shed: shedder{wake: make(chan struct{}, 1)}}
	if err := s.open(ctx, o); err != nil {
		_ = unlock() // the first error is the one to tell
		return nil, fmt.Errorf("open store %s: %w", filepath.Join(o.Dir, fileName), err)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, o Options) error {
	file := filepath.Join(o.Dir, fileName)
	conn, err := openConn(file)
	if err != nil {
		return err
	}
	if err := conn.renewLog(); err != nil {
		o.Log.Warn("the store can be read and not yet written", "err", err) // the first transaction tries again
	}
	freed, err := s.start(ctx, o, file, conn)
	if err != nil {
		_ = conn.close()
		return err
	}
	if s.read, err = openReaders(file); err != nil {
		_ = conn.close()
		return err
	}
	forgotten, err := s.anyForgotten(ctx)
	if err != nil {
		_ = conn.close()
		_ = s.read.Close()
		return err
	}
	go s.writer.run()
	ctx, s.stopKeeper = context.WithCancel(context.WithoutCancel(ctx))
	s.keeping.Go(func() { (&keeper{s: s, dir: o.Dir, budget: o.Budget}).run(ctx) })
	poke(s.shed.wake)
	if forgotten || freed {
		s.purging.Go(s.purgeForgotten)
	}
	return nil
}

// start brings the file to today's shape and reads what its last process left in the log. freed: pages of the file became empty.
func (s *Store) start(ctx context.Context, o Options, file string, c *conn) (freed bool, err error) {
	life := &lineage{marker: filepath.Join(o.Dir, markerName), log: o.Log}
	if err := prepareFile(ctx, c, s, life); err != nil {
		return false, err
	}
	s.writer = newWriter(file, c, o)
	s.writer.life, s.writer.trouble, s.head = life, s.shed.wake, s.writer.head
	if err := s.writer.makeRing(cmp.Or(o.slots, ringSlots)); err != nil {
		return false, inWords(err)
	}
	if err := s.writer.load(); err != nil {
		return false, inWords(err)
	}
	return s.writer.packLegacy(ctx)
}

// HubID names this hub for life, 32 hex digits.
func (s *Store) HubID() string { return s.hubID }

// Generation names this line of history, 16 hex digits: a database file that was put back from a copy gets another one at its first
// start. Copies that cannot be told apart stand in DESIGN.md.
func (s *Store) Generation() string { return s.generation }

// Health returns nil while commits succeed, else why the last one did not; [ErrNoRoom] while the disk is full.
func (s *Store) Health() error {
	if s.writer.noRoom.Load() {
		return ErrNoRoom
	}
	if p := s.writer.failing.Load(); p != nil {
		return *p
	}
	return nil
}

// Queued returns how many readings and jobs wait for a commit.
func (s *Store) Queued() (readings, jobs int) { return s.writer.queued() }

// Close commits what is queued, answers every done, and closes the file. Later writes return [ErrClosed], later
// questions an error.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.stopKeeper()
		s.writer.stop()
		s.keeping.Wait()
		s.purging.Wait()
		<-s.writer.ended
		s.head.close()
		s.closeErr = s.read.Close()
		if err := s.writer.conn.close(); s.closeErr == nil {
			s.closeErr = err
		}
		if err := s.unlock(); s.closeErr == nil {
			s.closeErr = err
		}
	})
	return s.closeErr
}
