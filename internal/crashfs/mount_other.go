//go:build !linux

package crashfs

import "errors"

func mount(*Disk, string) (func() error, error) {
	return nil, errors.New("crashfs is for Linux")
}
