package crashfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// mount serves the disk in a folder until the returned function ends it.
//
// Only this kernel touches the files, so it may keep names and pages as long as it likes. Writes come here at once (no writeback cache), as
// mapped memory does when the kernel thinks fit; SQLite's shared memory needs the mapping, which is why the page cache is on.
func mount(d *Disk, dir string) (unmount func() error, err error) {
	forever := 24 * time.Hour
	server, err := fs.Mount(dir, &inode{disk: d, node: d.root}, &fs.Options{
		EntryTimeout: &forever,
		AttrTimeout:  &forever,
		UID:          uint32(os.Getuid()),
		GID:          uint32(os.Getgid()),
		MountOptions: fuse.MountOptions{
			Name: "crashfs", FsName: "crashfs",
			DirectMountStrict:        os.Geteuid() == 0, // others need fusermount3
			DisableXAttrs:            true,
			ExplicitDataCacheControl: true,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("mount a crashfs: %w", err)
	}
	return func() error {
		err := server.Unmount()
		for tries := 0; errors.Is(err, syscall.EBUSY) && tries < unmountTries; tries++ {
			err = server.Unmount() // it waits some milliseconds
		}
		if err != nil { // a file is still open: take at least the folder out of its way
			err = errors.Join(err, syscall.Unmount(dir, syscall.MNT_DETACH))
		}
		return err
	}, nil
}

// unmountTries is how often a busy file system is waited for: the kernel closes files of a process that has ended when it finds the time.
const unmountTries = 20

// inode is a node as the kernel knows it.
type inode struct {
	fs.Inode
	disk *Disk
	node *node
}

// openFlags keep pages over closing and opening, and spare a request at every close: a process that has just been forked closes our files
// before it runs, and must not wait for us then, because we may be waiting for it.
const openFlags = fuse.FOPEN_KEEP_CACHE | fuse.FOPEN_NOFLUSH

func (i *inode) child(ctx context.Context, n *node, out *fuse.EntryOut) *fs.Inode {
	i.disk.attr(n, &out.Attr)
	return i.NewInode(ctx, &inode{disk: i.disk, node: n}, fs.StableAttr{Mode: modeOf(n) & syscall.S_IFMT, Ino: n.ino})
}

func modeOf(n *node) uint32 {
	if n.mode.IsDir() {
		return syscall.S_IFDIR | uint32(n.mode.Perm())
	}
	return syscall.S_IFREG | uint32(n.mode.Perm())
}

func (d *Disk) attr(n *node, out *fuse.Attr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out.Ino, out.Mode, out.Nlink = n.ino, modeOf(n), uint32(n.links)
	out.Size = uint64(len(n.data))
	out.Blocks, out.Blksize = (out.Size+sector-1)/sector, 4096
	out.Uid, out.Gid = uint32(os.Getuid()), uint32(os.Getgid())
}

func (i *inode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n, no := i.disk.lookup(i.node, name)
	if no != 0 {
		return nil, no
	}
	return i.child(ctx, n, out), 0
}

func (i *inode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	i.disk.attr(i.node, &out.Attr)
	return 0
}

func (i *inode) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, ok := in.GetSize(); ok {
		if no := i.disk.truncate(i.node, int64(size)); no != 0 {
			return no
		}
	}
	if mode, ok := in.GetMode(); ok {
		i.disk.chmod(i.node, os.FileMode(mode))
	}
	i.disk.attr(i.node, &out.Attr)
	return 0
}

func (i *inode) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	nodes, no := i.disk.list(i.node)
	if no != 0 {
		return nil, no
	}
	var all []fuse.DirEntry
	for name, n := range nodes {
		all = append(all, fuse.DirEntry{Name: name, Mode: modeOf(n), Ino: n.ino})
	}
	return fs.NewListDirStream(all), 0
}

func (i *inode) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n, no := i.disk.make(i.node, name, os.ModeDir|os.FileMode(mode)&os.ModePerm)
	if no != 0 {
		return nil, no
	}
	return i.child(ctx, n, out), 0
}

func (i *inode) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	n, no := i.disk.make(i.node, name, os.FileMode(mode)&os.ModePerm)
	if no != 0 {
		return nil, nil, 0, no
	}
	return i.child(ctx, n, out), nil, openFlags, 0
}

func (i *inode) Unlink(_ context.Context, name string) syscall.Errno {
	return i.disk.unlink(i.node, name, false)
}

func (i *inode) Rmdir(_ context.Context, name string) syscall.Errno {
	return i.disk.unlink(i.node, name, true)
}

func (i *inode) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	target, ok := to.(*inode)
	if !ok || flags != 0 {
		return syscall.EINVAL
	}
	return i.disk.rename(i.node, name, target.node, newName)
}

func (i *inode) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, openFlags, i.disk.alive()
}

func (i *inode) Read(_ context.Context, _ fs.FileHandle, p []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n, no := i.disk.read(i.node, p, off)
	return fuse.ReadResultData(p[:n]), no
}

func (i *inode) Write(_ context.Context, _ fs.FileHandle, p []byte, off int64) (uint32, syscall.Errno) {
	if no := i.disk.write(i.node, p, off); no != 0 {
		return 0, no
	}
	return uint32(len(p)), 0
}

// Allocate makes a file longer; its zeros are no writes. What else fallocate can do, few disks do.
func (i *inode) Allocate(_ context.Context, _ fs.FileHandle, off, size uint64, mode uint32) syscall.Errno {
	if mode != 0 {
		return syscall.ENOTSUP
	}
	return i.disk.extend(i.node, int64(off+size))
}

// Flush says that it is not needed, to kernels that do not know FOPEN_NOFLUSH.
func (i *inode) Flush(context.Context, fs.FileHandle) syscall.Errno { return syscall.ENOSYS }

// fdatasyncFlag is FUSE_FSYNC_FDATASYNC of linux/fuse.h.
const fdatasyncFlag = 1

func (i *inode) Fsync(_ context.Context, _ fs.FileHandle, flags uint32) syscall.Errno {
	return i.disk.sync(i.node, flags&fdatasyncFlag != 0)
}

func (i *inode) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	const block = 4096
	room, used := i.disk.space()
	out.Bsize, out.Frsize, out.NameLen = block, block, 255
	out.Blocks, out.Bfree = uint64(room/block), uint64(max(room-used, 0)/block)
	out.Bavail = out.Bfree
	return 0
}
