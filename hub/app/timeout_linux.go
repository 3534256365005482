package app

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxUnacked is how long sent bytes may stay unacknowledged before the kernel gives a connection up (TCP_USER_TIMEOUT), in ms. Accepted
// connections inherit it.
const maxUnacked = 20_000

func userTimeout(_, _ string, raw syscall.RawConn) error {
	var set error
	err := raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, maxUnacked)
	})
	return errors.Join(err, set)
}
