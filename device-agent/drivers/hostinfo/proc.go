package hostinfo

import (
	"bytes"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// text returns a small file of the kernel, trimmed.
func text(root fs.FS, name string) (string, error) {
	b, err := fs.ReadFile(root, name)
	return strings.TrimSpace(string(b)), err
}

// number returns a file that holds one number.
func number(root fs.FS, name string) (float64, error) {
	s, err := text(root, name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(s, 64)
}

// firstField returns the first number of a file.
func firstField(root fs.FS, name string) (float64, error) {
	s, err := text(root, name)
	if err != nil {
		return 0, err
	}
	f := strings.Fields(s)
	if len(f) == 0 {
		return 0, fmt.Errorf("%s is empty", name)
	}
	return strconv.ParseFloat(f[0], 64)
}

// cpuTimes returns busy and total time of all processors in ticks. Source: proc_stat(5); idle and iowait are not busy, guest time is
// part of user time.
func cpuTimes(root fs.FS) (busy, all float64, err error) {
	b, err := fs.ReadFile(root, "proc/stat")
	if err != nil {
		return 0, 0, err
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) < 6 || fields[0] != "cpu" {
		return 0, 0, fmt.Errorf("proc/stat begins with %q", clip(string(line)))
	}
	for i, f := range fields[1:min(len(fields), 9)] {
		v, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("proc/stat: %w", err)
		}
		all += v
		if i != 3 && i != 4 {
			busy += v
		}
	}
	return busy, all, nil
}

// memory returns total and available memory in KiB. Source: proc_meminfo(5).
func memory(root fs.FS) (total, available float64, err error) {
	b, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		name, rest, ok := strings.Cut(line, ":")
		f := strings.Fields(rest)
		if !ok || len(f) == 0 {
			continue
		}
		v, err := strconv.ParseFloat(f[0], 64)
		if err != nil {
			continue
		}
		switch name {
		case "MemTotal":
			total = v
		case "MemAvailable":
			available = v
		}
	}
	if total <= 0 || available < 0 || available > total {
		return 0, 0, fmt.Errorf("proc/meminfo makes no sense: total %g, available %g", total, available)
	}
	return total, available, nil
}

// networkBytes returns bytes received and sent over all interfaces but loopback. Source: proc_pid_net(5), "dev".
func networkBytes(root fs.FS) (rx, tx float64, err error) {
	b, err := fs.ReadFile(root, "proc/net/dev")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		name, rest, ok := strings.Cut(line, ":")
		f := strings.Fields(rest)
		if !ok || strings.TrimSpace(name) == "lo" || len(f) < 9 {
			continue
		}
		in, err1 := strconv.ParseFloat(f[0], 64)
		out, err2 := strconv.ParseFloat(f[8], 64)
		if err1 == nil && err2 == nil {
			rx += in
			tx += out
		}
	}
	return rx, tx, nil
}

func clip(s string) string { return s[:min(len(s), 40)] }
