// Package hostinfo measures the machine the agent runs on: CPU load, memory, disk, network, temperatures and uptime. Real input on any
// Linux, without hardware. All of it is diagnostic: people watch what a device measures, and look at the computer behind it when
// something is odd.
//
// It reads the kernel's own files under /proc and /sys through device.Host, so that tests give it a folder. It guarantees that a file
// that is missing or odd costs only its own value, and that rates (CPU, network) begin with the second reading. It refuses nothing.
package hostinfo

import (
	"context"
	"io/fs"
	"path"
	"time"
	"unicode"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/schema"
)

// maxZones bounds the temperatures reported: a server has dozens of sensors, people look at a few.
const maxZones = 4

// Sensor implements device.Sensor.
type Sensor struct {
	root  fs.FS
	disks device.DiskMeter // nil = unknown
	cfg   config.Sensor
	zones []zone

	cpuBusy, cpuAll float64
	rx, tx          float64
	at              time.Time

	cpu, load, mem, disk, down, up, uptime device.Quantity
}

type zone struct {
	file string
	q    device.Quantity
}

// Open looks which temperatures the machine has; everything else exists on every Linux.
func Open(host device.Host, c config.Sensor) *Sensor {
	s := &Sensor{root: host.FS(), cfg: c}
	s.disks, _ = host.(device.DiskMeter)
	s.cpu = s.quantity("cpu", "CPU load", "", "%", 0, 100, 0)
	s.load = s.quantity("load", "Load average", "", "", 0, 1e6, 2)
	s.mem = s.quantity("memory", "Memory used", "", "%", 0, 100, 0)
	s.disk = s.quantity("disk", "Disk used", "", "%", 0, 100, 0)
	s.down = s.quantity("network_in", "Network in", "data_rate", "B/s", 0, 1e12, 0)
	s.up = s.quantity("network_out", "Network out", "data_rate", "B/s", 0, 1e12, 0)
	s.uptime = s.quantity("uptime", "Uptime", "duration", "s", 0, 1e11, 0)
	s.findZones()
	return s
}

func (s *Sensor) quantity(what, name, class, unit string, lo, hi float64, decimals int) device.Quantity {
	q := s.cfg.Quantity(what, class, unit, lo, hi, decimals)
	q.Name, q.Category = name, "diagnostic"
	if s.cfg.Name != "" {
		if !unicode.IsUpper(rune(name[1])) { // CPU stays CPU
			name = string(unicode.ToLower(rune(name[0]))) + name[1:]
		}
		q.Name = s.cfg.Name + " " + name
	}
	return q
}

func (s *Sensor) findZones() {
	files, _ := fs.Glob(s.root, "sys/class/thermal/thermal_zone*/temp")
	if len(files) == 0 {
		files, _ = fs.Glob(s.root, "sys/class/hwmon/hwmon*/temp1_input")
	}
	for _, f := range files {
		if len(s.zones) == maxZones {
			return
		}
		if _, err := number(s.root, f); err != nil {
			continue
		}
		what, name := "temperature", "Temperature"
		if n := len(s.zones); n > 0 {
			what += "_" + string(rune('1'+n))
			name += " " + string(rune('1'+n))
		}
		if kind, err := text(s.root, path.Join(path.Dir(f), "type")); err == nil && kind != "" {
			name += " (" + kind + ")"
		}
		s.zones = append(s.zones, zone{file: f, q: s.quantity(what, name, "temperature", "°C", -50, 150, 1)})
	}
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity {
	every := s.cfg.Interval
	all := []schema.Entity{s.cpu.Entity(every), s.load.Entity(every), s.mem.Entity(every)}
	if s.disks != nil {
		all = append(all, s.disk.Entity(every))
	}
	all = append(all, s.down.Entity(every), s.up.Entity(every), s.uptime.Entity(every))
	for i := range s.zones {
		all = append(all, s.zones[i].q.Entity(every))
	}
	return all
}

// Sense implements device.Sensor.
func (s *Sensor) Sense(context.Context) ([]device.Reading, error) {
	var out []device.Reading
	out = s.senseCPU(out)
	out = s.one(out, &s.load, s.loadAverage)
	out = s.one(out, &s.mem, s.memoryUsed)
	if s.disks != nil {
		out = s.one(out, &s.disk, s.diskUsed)
	}
	out = s.senseNetwork(out)
	out = s.one(out, &s.uptime, func() (float64, error) { return firstField(s.root, "proc/uptime") })
	for i := range s.zones {
		z := &s.zones[i]
		out = s.one(out, &z.q, func() (float64, error) {
			milli, err := number(s.root, z.file)
			return milli / 1000, err
		})
	}
	return out, nil
}

// Close implements device.Sensor.
func (s *Sensor) Close() error { return nil }

func (s *Sensor) one(out []device.Reading, q *device.Quantity, measure func() (float64, error)) []device.Reading {
	v, err := measure()
	if err != nil {
		return append(out, q.Missing(schema.QualityFault))
	}
	return append(out, q.Reading(v))
}

func (s *Sensor) senseCPU(out []device.Reading) []device.Reading {
	busy, all, err := cpuTimes(s.root)
	if err != nil {
		return append(out, s.cpu.Missing(schema.QualityFault))
	}
	if s.cpuAll > 0 && all > s.cpuAll {
		out = append(out, s.cpu.Reading(min(max(100*(busy-s.cpuBusy)/(all-s.cpuAll), 0), 100)))
	}
	s.cpuBusy, s.cpuAll = busy, all
	return out
}

func (s *Sensor) senseNetwork(out []device.Reading) []device.Reading {
	rx, tx, err := networkBytes(s.root)
	if err != nil {
		return append(out, s.down.Missing(schema.QualityFault), s.up.Missing(schema.QualityFault))
	}
	now := time.Now()
	if sec := now.Sub(s.at).Seconds(); !s.at.IsZero() && sec > 0 && rx >= s.rx && tx >= s.tx {
		out = append(out, s.down.Reading((rx-s.rx)/sec), s.up.Reading((tx-s.tx)/sec))
	}
	s.rx, s.tx, s.at = rx, tx, now
	return out
}

func (s *Sensor) loadAverage() (float64, error) { return firstField(s.root, "proc/loadavg") }

func (s *Sensor) memoryUsed() (float64, error) {
	total, available, err := memory(s.root)
	if err != nil {
		return 0, err
	}
	return 100 * (1 - available/total), nil
}

func (s *Sensor) diskUsed() (float64, error) {
	used, total, err := s.disks.DiskUsage(s.cfg.Disk)
	if err != nil || total == 0 {
		return 0, err
	}
	return 100 * float64(used) / float64(total), nil
}
