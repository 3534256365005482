//go:build !linux

package app

import "syscall"

// userTimeout does nothing where the system has no TCP_USER_TIMEOUT: the hub's own time limits stay.
func userTimeout(_, _ string, _ syscall.RawConn) error { return nil }
