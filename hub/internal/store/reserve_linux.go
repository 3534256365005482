package store

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// reserve takes up room for a file without writing to it, where the file system can.
func reserve(f *os.File, size int64) error {
	err := unix.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return writeZeros(f, size)
	}
	return err
}
