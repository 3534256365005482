package chip

import (
	"fmt"
	"math"
	"sync"
	"time"
)

// Figures of the modelled computer, a Raspberry Pi 4 with a household's work to do.
const (
	cores       = 4
	ticksPerSec = 100
	ramKB       = 3_884_000
	diskBytes   = 31_000_000_000
	hotter      = 24.0 // K, chip above the air when idle
	perLoad     = 30.0 // K more at full load
)

// Computer models what Linux tells of the machine itself: load, memory, network and the processor's temperature, as files.
type Computer struct {
	mono Mono
	air  Signal // °C around it

	mu     sync.Mutex
	last   time.Duration
	busy   float64 // s of processor time
	rx, tx float64 // bytes
	phase  float64
}

// NewComputer adds the files under proc and sys to a file system.
func NewComputer(f *Files, air Signal, mono Mono, seed uint64) *Computer {
	c := &Computer{mono: mono, air: air, phase: float64(seed % 1000)}
	file := func(name string, text func() string) {
		f.Put(name, func() (string, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.run()
			return text(), nil
		})
	}
	file("proc/stat", func() string {
		busy, total := uint64(c.busy*ticksPerSec), uint64(c.last.Seconds()*cores*ticksPerSec)
		return fmt.Sprintf("cpu  %d 0 %d %d 0 0 0 0 0 0\n", busy*7/10, busy-busy*7/10, total-min(busy, total))
	})
	file("proc/loadavg", func() string {
		l := c.load(c.last) * cores
		return fmt.Sprintf("%.2f %.2f %.2f 1/180 4321\n", l, l*0.9, l*0.85)
	})
	file("proc/meminfo", func() string {
		free := ramKB * (0.62 - 0.1*c.load(c.last))
		return fmt.Sprintf("MemTotal:       %d kB\nMemFree:        %.0f kB\nMemAvailable:   %.0f kB\n", ramKB, free*0.6, free)
	})
	file("proc/net/dev", func() string {
		return fmt.Sprintf("Inter-|   Receive                                                |  Transmit\n"+
			" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"+
			"  eth0: %.0f %.0f 0 0 0 0 0 0 %.0f %.0f 0 0 0 0 0 0\n", c.rx, c.rx/700, c.tx, c.tx/400)
	})
	file("proc/uptime", func() string { return fmt.Sprintf("%.2f %.2f\n", c.last.Seconds(), c.last.Seconds()*cores-c.busy) })
	file("sys/class/thermal/thermal_zone0/temp", func() string {
		return fmt.Sprintf("%.0f\n", 1000*(c.air(c.last)+hotter+perLoad*c.load(c.last)))
	})
	return c
}

// load is the part of the processors in use: a slow course, busy quarter hours and a little noise.
func (c *Computer) load(at time.Duration) float64 {
	t := at.Seconds() + 37*c.phase
	slow := 0.10 + 0.05*math.Sin(t/311) + 0.04*math.Sin(t/47)
	if math.Sin(t/1431) > 0.8 {
		slow += 0.35
	}
	return min(0.98, slow+0.03*math.Abs(math.Sin(t*1.7)))
}

// run brings the counters up to now.
func (c *Computer) run() {
	now := c.mono()
	dt := (now - c.last).Seconds()
	l := c.load(now)
	c.busy += l * cores * dt
	c.rx += (400 + 9000*l) * dt
	c.tx += (900 + 4000*l) * dt
	c.last = now
}

// DiskUsage implements device.DiskMeter: the card of the modelled computer.
func (m *Machine) DiskUsage(string) (used, total uint64, err error) {
	grown := m.board.mono().Seconds() * 120
	return 4_100_000_000 + uint64(grown), diskBytes, m.alive()
}
