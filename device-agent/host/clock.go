//go:build linux

package host

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Clock implements device.Clock with the kernel's clocks.
type Clock struct {
	boot string
}

// NewClock reads the boot's id.
func NewClock() *Clock {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	id := strings.TrimSpace(string(b))
	if err != nil || id == "" {
		var raw [16]byte
		if _, err := rand.Read(raw[:]); err == nil {
			id = hex.EncodeToString(raw[:])
		}
	}
	return &Clock{boot: id}
}

// Now implements device.Clock.
func (c *Clock) Now() time.Time { return time.Now() }

// Mono implements device.Clock: CLOCK_BOOTTIME counts suspend too, so that leases and deadlines run out while the machine sleeps.
func (c *Clock) Mono() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// Synced implements device.Clock: the kernel's own flag, which every time service maintains. Source: adjtimex(2), STA_UNSYNC.
//
// A machine with a clock of its own, and a virtual machine, whose clock the hypervisor sets, is believed without the flag when the year
// makes sense: the hub compares the clocks anyway.
func (c *Clock) Synced() bool {
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	if err == nil && state != unix.TIME_ERROR && tx.Status&unix.STA_UNSYNC == 0 {
		return true
	}
	_, err = os.Stat("/sys/class/rtc/rtc0")
	return time.Now().Year() >= believableYear && (err == nil || virtual())
}

// believableYear is a year that no unset clock shows.
const believableYear = 2024

// virtual reports whether this is a virtual machine, whose clock the hypervisor sets.
func virtual() bool {
	b, err := os.ReadFile("/proc/cpuinfo")
	return err == nil && strings.Contains(string(b), "hypervisor")
}

// BootID implements device.Clock.
func (c *Clock) BootID() string { return c.boot }
