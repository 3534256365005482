//go:build linux

package target

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// sector is the unit of the kernel's counts of block devices, whatever the device's own is (Documentation/block/stat.rst).
const sector = 512

// ErrNoDevice is returned for a folder whose file system does not name one block device whose counts could be read.
var ErrNoDevice = errors.New("the folder's file system names no block device of its own")

// Device is the block device under a folder.
type Device struct {
	// Name is its number, "254:0".
	Name string
	// Own reports whether the root file system is on another one: only then is what is written there ours alone.
	Own bool

	stat string
}

// DeviceOf finds the block device under a folder. Errors: ErrNoDevice for tmpfs, overlay, btrfs and others that are spread over devices.
func DeviceOf(dir string) (d Device, err error) {
	at, err := deviceNumber(dir)
	if err != nil {
		return d, err
	}
	root, err := deviceNumber("/")
	if err != nil {
		return d, err
	}
	d.Name = fmt.Sprintf("%d:%d", unix.Major(at), unix.Minor(at))
	d.Own = at != root
	d.stat = "/sys/dev/block/" + d.Name + "/stat"
	if _, err := d.Written(); err != nil {
		return d, fmt.Errorf("%w: %w", ErrNoDevice, err)
	}
	return d, nil
}

func deviceNumber(dir string) (uint64, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return 0, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("%s has no device number", dir)
	}
	return st.Dev, nil
}

// Written returns the bytes written to the device so far, by everybody.
func (d Device) Written() (int64, error) {
	b, err := os.ReadFile(d.stat)
	if err != nil {
		return 0, err
	}
	const sectorsWritten = 6 // after read I/Os, merges, sectors, ticks; write I/Os, merges
	fields := strings.Fields(string(b))
	if len(fields) <= sectorsWritten {
		return 0, fmt.Errorf("%s has %d fields", d.stat, len(fields))
	}
	n, err := strconv.ParseInt(fields[sectorsWritten], 10, 64)
	return n * sector, err
}

func syncFS(dir *os.File) error {
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", dir.Name(), err)
	}
	return nil
}
