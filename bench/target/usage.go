//go:build linux

package target

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of processor time in /proc/<pid>/stat: USER_HZ is 100 on every Linux that Go runs on (proc(5)).
const tick = 10 * time.Millisecond

// Usage is what a process has used so far.
type Usage struct {
	// At is when it was read.
	At time.Time
	// CPU is user and system time; the kernel counts it in steps of 10 ms.
	CPU time.Duration
	// Written is the number of bytes it caused to be written to a block device.
	Written int64
	// RSS is its resident memory, in bytes.
	RSS int64
	// Peak is the most that RSS ever was, in bytes.
	Peak int64
}

// Usage reads what the program has used so far.
func (t *Target) Usage() (Usage, error) { return usage(t.PID) }

// Self reads what this process, the load generator, has used so far.
func Self() (Usage, error) { return usage(os.Getpid()) }

func usage(pid int) (Usage, error) {
	u := Usage{At: time.Now()}
	dir := fmt.Sprintf("/proc/%d/", pid)
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return u, fmt.Errorf("read processor time: %w", err)
	}
	// The name in brackets may hold spaces; after it field 3 comes first, utime and stime are 14 and 15 (proc(5)).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return u, fmt.Errorf("%sstat has %d fields", dir, len(fields))
	}
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return u, fmt.Errorf("%sstat: %w", dir, err)
		}
		u.CPU += time.Duration(n) * tick
	}
	written, err1 := colonValue(dir+"io", "write_bytes")
	rss, err2 := colonValue(dir+"status", "VmRSS")
	peak, err3 := colonValue(dir+"status", "VmHWM")
	u.Written, u.RSS, u.Peak = written, rss<<10, peak<<10
	return u, errors.Join(err1, err2, err3)
}

// Footprint is the highest and the median resident memory over a time, in bytes.
type Footprint struct{ Peak, Median int64 }

// Watch reads the program's memory until the returned function is called.
func (t *Target) Watch(every time.Duration) (stop func() Footprint) { return watch(t.Usage, every) }

func watch(read func() (Usage, error), every time.Duration) (stop func() Footprint) {
	quit, result := make(chan struct{}), make(chan Footprint)
	go func() {
		var all []int64
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			if u, err := read(); err == nil { // a program that is gone has no memory
				all = append(all, u.RSS)
			}
			select {
			case <-ticker.C:
				continue
			case <-quit:
			}
			if len(all) == 0 {
				all = []int64{0}
			}
			slices.Sort(all)
			result <- Footprint{Peak: all[len(all)-1], Median: all[len(all)/2]}
			return
		}
	}()
	return func() Footprint { close(quit); return <-result }
}

// Busy is the processor time that the whole machine has spent on anything so far, in kernel and programs: who measures beside others
// should know.
func Busy() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("read the machine's processor time: %w", err)
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return 0, fmt.Errorf("the first line of /proc/stat has %d fields", len(fields))
	}
	var busy time.Duration
	for i, f := range fields[1:9] { // user nice system idle iowait irq softirq steal (proc(5))
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		if i != 3 && i != 4 {
			busy += time.Duration(n) * tick
		}
	}
	return busy, nil
}

// colonValue reads "name: number unit" from a file of /proc.
func colonValue(file, name string) (int64, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			return strconv.ParseInt(number, 10, 64)
		}
	}
	return 0, fmt.Errorf("no %s in %s", name, file)
}

// Metric reads one unlabelled number from /metrics; NaN when it is not there.
func (t *Target) Metric(ctx context.Context, name string) float64 {
	body, err := t.Get(ctx, "/metrics")
	if err != nil {
		return math.NaN()
	}
	lines := bufio.NewScanner(bytes.NewReader(body))
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			if v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64); err == nil {
				return v
			}
		}
	}
	return math.NaN()
}

// OnDisk says what file system a folder is on and whether what is written there reaches a device at all.
func OnDisk(dir string) (name string, real bool, err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return "", false, fmt.Errorf("file system of %s: %w", dir, err)
	}
	switch int64(fs.Type) {
	case unix.TMPFS_MAGIC:
		return "tmpfs", false, nil
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlay", true, nil
	case unix.EXT4_SUPER_MAGIC:
		return "ext4", true, nil
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs", true, nil
	case unix.XFS_SUPER_MAGIC:
		return "xfs", true, nil
	}
	return fmt.Sprintf("type %#x", fs.Type), true, nil
}
