//go:build unix

package store

import "golang.org/x/sys/unix"

// diskRoom returns the bytes that this process may still write to the disk of a folder, and the disk's size.
func diskRoom(dir string) (free, size int64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	block := int64(s.Bsize)
	return int64(s.Bavail) * block, int64(s.Blocks) * block, nil
}
