// Package crashfs is a disk for tests that can lose its power: a file system in memory, mounted through FUSE, that real programs and
// libraries use like any other and whose "medium" holds only what was synced.
//
// What it promises about the medium is what ext4 promises, and no more:
//
//   - Written bytes reach the medium with fsync or fdatasync of their file (TestOnlyWhatWasSyncedSurvives). At a cut any subset of what was
//     not synced may have reached it all the same, sector by sector (512 bytes), in any order: torn records, later writes without
//     earlier ones, stretches of zeros (TestSectorsAreTornAndReordered).
//   - Names (create, rename, unlink, mkdir, rmdir) and truncations reach it in their order, all earlier ones together, when a file or
//     folder that they changed is synced. At a cut any number of the oldest ones may have reached it all the same
//     (TestNamesReachTheMediumInOrder).
//   - What was written behind a truncation is there only if the truncation is (TestAFileBehindALostTruncationIsTheOldOne).
//   - fdatasync of a file whose bytes were merely overwritten writes no names.
//   - A file that was renamed over another without a sync is empty, whatever its name says (ext4 would often save it).
//
// It also refuses on demand ([Disk.Fail]): a sync fails and what it should have written is lost ("fsyncgate"), the disk is full or
// read-only. Nothing here is fast or safe enough for data that anybody needs: only tests may import it.
//
// A process must not map files that it serves itself: the kernel writes a mapping back while it is taken away, with the process's memory
// locked, and the server may need memory to answer. Whoever uses SQLite here is a process of its own.
//
// Start with [Mounted]; disk.go and file.go are the model, cut.go the power cut, mount_linux.go the kernel's side.
package crashfs

import (
	"errors"
	"maps"
	"os"
	"sync"
	"syscall"
)

// Kind says what an operation does.
type Kind string

// The kinds of operations that change the disk.
const (
	Create   Kind = "create"
	Write    Kind = "write"
	Truncate Kind = "truncate"
	Rename   Kind = "rename"
	Unlink   Kind = "unlink"
	Mkdir    Kind = "mkdir"
	Rmdir    Kind = "rmdir"
	Sync     Kind = "sync" // fsync or fdatasync, of a file or folder
)

// Op is an operation that is about to change the disk.
type Op struct {
	Kind Kind
	Name string // last part of the file's path; of a rename the old one
	N    int    // operations before it on this disk
}

// ErrPowerCut as the answer of a [Disk.Fail] hook cuts the power: the operation does not happen, nor any other after it.
var ErrPowerCut = errors.New("the power is cut")

// Disk is a file system with its medium. Safe for concurrent use.
type Disk struct {
	mu       sync.Mutex
	root     *node
	journal  []change // changes of names and sizes that are not on the medium, oldest first
	hook     func(Op) error
	ops      int
	room     int64 // bytes that files may have in all; 0 = no bound
	used     int64
	keepLost bool
	dead     bool
	lastIno  uint64
}

// node is a file or a folder, with what programs see of it and what the medium has of it.
type node struct {
	ino   uint64
	name  string      // newest one
	mode  os.FileMode // with os.ModeDir for a folder
	links int         // 0 = unlinked; its bytes are there while it is open

	data    []byte
	medium  []byte
	pending []edit // what medium lacks of data, in order
	names   map[string]*node
	synced  map[string]*node

	touched bool // fsync must write the journal
	sized   bool // and so must fdatasync
}

// edit is a write, in whole sectors as they are after it, or a change of size.
type edit struct {
	off      int64
	data     []byte
	truncate *change // nil = a write
}

// change is a step of the journal: all its links or none.
type change struct {
	links []link
	size  int64 // of a truncation
	done  *bool // of a truncation: it is on the medium
}

// link gives a name in a folder to a node; nil takes the name away.
type link struct {
	dir  *node
	name string
	to   *node
}

// New returns an empty disk.
func New() *Disk {
	d := &Disk{}
	d.root = d.newNode(os.ModeDir | 0o755)
	d.root.links = 1
	return d
}

// Fail installs a hook that is asked before every operation that changes the disk; nil = none. An errno is the operation's result, and of a
// sync what it should have written is lost: programs still read it, and the next sync succeeds without it, as Linux does. [ErrPowerCut] cuts
// the power. The hook must not use the disk.
func (d *Disk) Fail(hook func(Op) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hook = hook
}

// KeepAfterFailedSync makes a sync that fails keep what it should have written for the next one.
func (d *Disk) KeepAfterFailedSync() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keepLost = true
}

// Room is how large the disk is: it bounds the bytes of all files together; 0 = no bound. Beyond it writes get ENOSPC. What a cut leaves has the
// same room.
func (d *Disk) Room(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = bytes
}

// Used returns the bytes of all files together.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}

// Ops returns how many operations have changed the disk, or tried to.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

// ReadOnly is a hook for [Disk.Fail]: a disk that the kernel has turned read-only.
func ReadOnly(Op) error { return syscall.EROFS }

// begin asks the hook; the caller holds mu.
func (d *Disk) begin(kind Kind, name string) syscall.Errno {
	if d.dead {
		return syscall.EIO
	}
	op := Op{Kind: kind, Name: name, N: d.ops}
	d.ops++
	if d.hook == nil {
		return 0
	}
	err := d.hook(op)
	var no syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrPowerCut):
		d.dead = true
	case errors.As(err, &no):
		return no
	}
	return syscall.EIO
}

func (d *Disk) newNode(mode os.FileMode) *node {
	d.lastIno++
	n := &node{ino: d.lastIno, mode: mode, touched: true, sized: true}
	if mode.IsDir() {
		n.names, n.synced = map[string]*node{}, map[string]*node{}
	}
	return n
}

// relink changes names, for programs at once and for the medium by the journal.
func (d *Disk) relink(links ...link) {
	for _, l := range links {
		if l.to == nil {
			delete(l.dir.names, l.name)
		} else {
			l.dir.names[l.name] = l.to
			l.to.name, l.to.touched = l.name, true
		}
		l.dir.touched, l.dir.sized = true, true
	}
	d.journal = append(d.journal, change{links: links})
}

// drop takes a node's only name. Its bytes are no longer counted, though it may be open.
func (d *Disk) drop(n *node) {
	n.links = 0
	d.used -= int64(len(n.data))
}

// make creates a file or folder.
func (d *Disk) make(dir *node, name string, mode os.FileMode) (*node, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	kind := Create
	if mode.IsDir() {
		kind = Mkdir
	}
	if no := d.begin(kind, name); no != 0 {
		return nil, no
	}
	if dir.names[name] != nil {
		return nil, syscall.EEXIST
	}
	n := d.newNode(mode)
	n.links = 1
	d.relink(link{dir, name, n})
	return n, 0
}

func (d *Disk) unlink(dir *node, name string, folder bool) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	kind := Unlink
	if folder {
		kind = Rmdir
	}
	if no := d.begin(kind, name); no != 0 {
		return no
	}
	n := dir.names[name]
	switch {
	case n == nil:
		return syscall.ENOENT
	case len(n.names) > 0:
		return syscall.ENOTEMPTY
	}
	d.drop(n)
	d.relink(link{dir, name, nil})
	return 0
}

func (d *Disk) rename(from *node, name string, to *node, newName string) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if no := d.begin(Rename, name); no != 0 {
		return no
	}
	n, over := from.names[name], to.names[newName]
	switch {
	case n == nil:
		return syscall.ENOENT
	case over == n:
		return 0
	case over != nil && over.mode.IsDir() != n.mode.IsDir():
		return syscall.EINVAL
	case over != nil && len(over.names) > 0:
		return syscall.ENOTEMPTY
	}
	if over != nil {
		d.drop(over)
	}
	d.relink(link{from, name, nil}, link{to, newName, n})
	return 0
}

// unbounded is the room that a disk without a bound claims to have.
const unbounded = 1 << 40

func (d *Disk) space() (room, used int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.room == 0 {
		return unbounded, d.used
	}
	return d.room, d.used
}

func (d *Disk) alive() syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return syscall.EIO
	}
	return 0
}

func (d *Disk) lookup(dir *node, name string) (*node, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := dir.names[name]
	switch {
	case d.dead:
		return nil, syscall.EIO
	case n == nil:
		return nil, syscall.ENOENT
	}
	return n, 0
}

func (d *Disk) list(dir *node) (map[string]*node, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return nil, syscall.EIO
	}
	return maps.Clone(dir.names), 0
}

func (d *Disk) chmod(n *node, mode os.FileMode) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n.mode = n.mode&os.ModeDir | mode&os.ModePerm
}
