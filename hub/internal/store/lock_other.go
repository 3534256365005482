//go:build !unix

package store

import (
	"fmt"
	"os"
)

// lockDir makes the data folder. Locking it is only done where flock exists.
func lockDir(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	return func() error { return nil }, nil
}
