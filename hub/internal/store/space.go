package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// ErrNoRoom is what a frame hears while the disk is full: it was not stored and can come again later.
var ErrNoRoom = errors.New("the disk is full")

const (
	// spaceEvery is how often the disk is looked at.
	spaceEvery = 10 * time.Second
	// ballastName is a file that only takes up room: deleting it lets a full store delete readings, which needs room itself.
	ballastName = "ballast"
	// mostBallast is its size on a disk of a GiB or more; smaller ones have a 64th of the disk.
	mostBallast = 16 << 20
)

// Room says how much room there is for the store.
type Room struct {
	// State: there is room, the oldest readings go, or nothing is stored.
	State RoomState
	// FreeBytes and DiskBytes of the disk, FileBytes that the store's files take, BudgetBytes that they may (0 = as the disk allows).
	FreeBytes, DiskBytes, FileBytes, BudgetBytes int64
	// GoneBeforeMS: readings before this time were deleted for lack of room since the start, Unix ms; 0 = none.
	GoneBeforeMS int64
	// dbBytes is the database alone, without what waits beside it.
	dbBytes int64
	// Stuck: only the newest day is left, and there is still too little room.
	Stuck bool
}

// RoomState is how much room there is.
type RoomState string

// The states of room.
const (
	RoomOK    RoomState = "ok"
	RoomTight RoomState = "tight" // nearly full: the store grows no more, its oldest readings make room for new ones
	RoomFull  RoomState = "full"  // nothing is acked until there is room
)

// Below these marks of free room the disk is tight or full. On a small disk a share of it counts.
const (
	tightBytes, tightShare = 512 << 20, 20 // at most a 20th
	fullBytes, fullShare   = 128 << 20, 50
)

func tightMark(disk int64) int64 { return min(tightBytes, disk/tightShare) }
func fullMark(disk int64) int64  { return min(fullBytes, disk/fullShare) }

// keeper watches the room and keeps the store within it.
type keeper struct {
	s       *Store
	dir     string
	budget  int64
	ceiling int64 // size of the database when the disk became tight; 0 = it is not
}

// Room returns what was last seen of the disk.
func (s *Store) Room() Room {
	if r := s.room.Load(); r != nil {
		return *r
	}
	return Room{State: RoomOK}
}

// run looks at the disk every spaceEvery and at the retention rules every shedEvery, until ctx ends.
func (k *keeper) run(ctx context.Context) {
	look := time.NewTicker(spaceEvery)
	defer look.Stop()
	rules := time.NewTicker(shedEvery)
	defer rules.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			err = k.look(ctx)
		case <-rules.C:
			err = k.s.keepToRules(ctx)
		case <-k.s.shed.wake:
			err = errors.Join(k.look(ctx), k.s.keepToRules(ctx))
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, ErrClosed) {
			k.s.log.Warn("old readings could not be deleted", "err", err)
		}
	}
}

// look measures, and makes room while there is too little: on a full disk, and where the store is beyond its budget. On a tight disk it only
// keeps the store from growing, because what fills the disk may be somebody else's, and history once deleted does not come back.
// Held by TestAFullDiskIsSurvivedAlone, TestATightDiskCostsNoHistory, TestTheBudgetIsKept.
func (k *keeper) look(ctx context.Context) error {
	for {
		r, err := k.measure()
		if err != nil {
			return err
		}
		before := k.s.Room()
		r.GoneBeforeMS = before.GoneBeforeMS
		k.tell(before, r)
		if r.State == RoomOK {
			k.ceiling = 0
			return k.ensureBallast(r)
		}
		if r.State == RoomFull {
			k.dropBallast()
		}
		if r.State == RoomTight && !k.grows(r) {
			return nil
		}
		gone, err := k.s.dropOldestDay(ctx)
		if gone == 0 || err != nil {
			r.Stuck = err == nil
			k.s.room.Store(&r)
			return err
		}
		r.GoneBeforeMS = gone
		k.s.room.Store(&r)
		k.s.log.Warn("the oldest readings were deleted for lack of room; their hourly values stay", "until", time.UnixMilli(gone).UTC().Format(time.RFC3339))
	}
}

// grows reports whether the store is larger than it may be on a tight disk.
func (k *keeper) grows(r Room) bool {
	if k.ceiling == 0 {
		k.ceiling = r.dbBytes
	}
	return r.dbBytes > k.ceiling || k.budget > 0 && r.FileBytes > k.budget
}

// tell makes a new state known, to the writer first.
func (k *keeper) tell(before, now Room) {
	k.s.writer.noRoom.Store(now.State == RoomFull)
	k.s.room.Store(&now)
	if before.State == now.State {
		return
	}
	switch now.State {
	case RoomFull:
		k.s.log.Error("the disk is full: nothing is stored until there is room; devices keep their readings meanwhile", "free", now.FreeBytes)
	case RoomTight:
		k.s.log.Warn("there is little room: the oldest readings make room for new ones", "free", now.FreeBytes, "size", now.FileBytes)
	case RoomOK:
		k.s.log.Info("there is room again", "free", now.FreeBytes)
	}
}

// measure asks the disk. The ballast counts as free: it goes before anything else.
func (k *keeper) measure() (Room, error) {
	r := Room{BudgetBytes: k.budget}
	var err error
	if r.FreeBytes, r.DiskBytes, err = diskRoom(k.dir); err != nil {
		return r, fmt.Errorf("look at the disk: %w", err)
	}
	for _, name := range []string{fileName, fileName + "-wal"} {
		if info, err := os.Stat(filepath.Join(k.dir, name)); err == nil {
			r.FileBytes += info.Size()
			if name == fileName {
				r.dbBytes = info.Size()
			}
		}
	}
	if info, err := os.Stat(filepath.Join(k.dir, ballastName)); err == nil {
		r.FreeBytes += info.Size()
	}
	full := fullMark(r.DiskBytes)
	if k.s.Room().State == RoomFull {
		full += full / 4 // not back and forth at the mark
	}
	switch {
	case r.FreeBytes < full:
		r.State = RoomFull
	case r.FreeBytes < tightMark(r.DiskBytes), k.budget > 0 && r.FileBytes > k.budget:
		r.State = RoomTight
	default:
		r.State = RoomOK
	}
	return r, nil
}

func ballastSize(disk int64) int64 { return min(mostBallast, disk/64) }

// ensureBallast lays the ballast down again when there is ample room for it.
func (k *keeper) ensureBallast(r Room) error {
	want := ballastSize(r.DiskBytes)
	name := filepath.Join(k.dir, ballastName)
	info, err := os.Stat(name)
	if err == nil && info.Size() >= want || r.FreeBytes-want < tightMark(r.DiskBytes) {
		return nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("lay down ballast: %w", err)
	}
	err = reserve(f, want)
	if err = errors.Join(err, f.Close()); err != nil {
		k.dropBallast()
		return fmt.Errorf("lay down ballast: %w", err)
	}
	return nil
}

// writeZeros takes up room where the file system cannot reserve it.
func writeZeros(f *os.File, size int64) error {
	zeros := make([]byte, 1<<16)
	for left := size; left > 0; left -= int64(len(zeros)) {
		if _, err := f.Write(zeros[:min(left, int64(len(zeros)))]); err != nil {
			return err
		}
	}
	return nil
}

func (k *keeper) dropBallast() {
	if err := os.Remove(filepath.Join(k.dir, ballastName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.s.log.Warn("the ballast could not be dropped", "err", err)
	}
}
