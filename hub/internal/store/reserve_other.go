//go:build !linux

package store

import "os"

// reserve takes up room for a file.
func reserve(f *os.File, size int64) error { return writeZeros(f, size) }
