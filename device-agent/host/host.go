//go:build linux

// Package host is the machine the agent really runs on: I2C through periph's sysfs bus, GPIO through the kernel's character device,
// PWM and files through sysfs.
//
// GPIO does not use periph's own ioctl driver: there a status read turns an output into an input, and the first high level is preceded by
// a low one, which makes active-low relays click at every start. go-gpiocdev, wrapped as periph's gpio.PinIO, does neither. It guarantees
// that a bus opened twice is one bus with one lock. It refuses to take over a pin that another program holds: the kernel says so.
package host

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/warthog618/go-gpiocdev"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/host/v3/sysfs"
)

// Machine implements device.Host, device.DiskMeter and device.BusLister.
type Machine struct {
	mu    sync.Mutex
	buses map[int]*bus
}

// New returns this machine. Nothing is opened before it is asked for.
func New() *Machine { return &Machine{buses: map[int]*bus{}} }

type bus struct {
	i2c.BusCloser
}

// I2C implements device.Host.
func (m *Machine) I2C(name string) (i2c.BusCloser, error) {
	n, err := busNumber(name)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if b, ok := m.buses[n]; ok {
		return b, nil
	}
	b, err := sysfs.NewI2C(n)
	if err != nil {
		return nil, fmt.Errorf("open i2c bus %d (is I2C enabled, and may this user open /dev/i2c-%d?): %w", n, n, err)
	}
	m.buses[n] = &bus{b}
	return m.buses[n], nil
}

// I2CBuses implements device.BusLister.
func (m *Machine) I2CBuses() []string {
	found, err := filepath.Glob("/dev/i2c-*")
	if err != nil {
		return nil
	}
	var numbers []int
	for _, f := range found {
		if n, err := busNumber(f); err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	names := make([]string, len(numbers))
	for i, n := range numbers {
		names[i] = strconv.Itoa(n)
	}
	return names
}

func busNumber(name string) (int, error) {
	if name == "" {
		found, err := filepath.Glob("/dev/i2c-*")
		if err != nil || len(found) == 0 {
			return 0, fmt.Errorf("this machine has no i2c bus (no /dev/i2c-*); on a Raspberry Pi: dtparam=i2c_arm=on")
		}
		name = found[0]
	}
	n, err := strconv.Atoi(strings.TrimPrefix(strings.TrimPrefix(name, "/dev/"), "i2c-"))
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not an i2c bus: use a number or /dev/i2c-<number>", name)
	}
	return n, nil
}

// Pin implements device.Host.
func (m *Machine) Pin(name string) (gpio.PinIO, error) {
	chip, offset, ok := strings.Cut(name, "/")
	if ok {
		n, err := strconv.Atoi(offset)
		if err != nil {
			return nil, fmt.Errorf("%q is not a pin: use a name such as GPIO17, or gpiochip0/17", name)
		}
		return &pin{name: name, chip: chip, offset: n}, nil
	}
	if len(gpiocdev.Chips()) == 0 {
		return nil, fmt.Errorf("pin %s: this machine has no GPIO (no usable /dev/gpiochip*)", name)
	}
	chip, n, err := gpiocdev.FindLine(name)
	if err != nil {
		return nil, fmt.Errorf("pin %s: %w", name, err)
	}
	return &pin{name: name, chip: chip, offset: n}, nil
}

// PWM implements device.Host.
func (m *Machine) PWM(name string, frequencyHz float64) (device.PWM, error) {
	return openPWM("/sys/class/pwm", name, frequencyHz)
}

// FS implements device.Host.
func (m *Machine) FS() fs.FS { return os.DirFS("/") }

// DiskUsage implements device.DiskMeter.
func (m *Machine) DiskUsage(path string) (used, total uint64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return 0, 0, fmt.Errorf("disk usage of %s: %w", path, err)
	}
	size := uint64(st.Bsize)
	return (st.Blocks - st.Bfree) * size, (st.Blocks - st.Bfree + st.Bavail) * size, nil
}

// Model names the board, "Raspberry Pi 4 Model B Rev 1.4"; "" when the machine does not say.
func (m *Machine) Model() string {
	for _, f := range []string{"/proc/device-tree/model", "/sys/devices/virtual/dmi/id/product_name"} {
		if b, err := os.ReadFile(f); err == nil {
			if s := strings.Trim(string(b), "\x00 \n"); s != "" {
				return s
			}
		}
	}
	return ""
}

// Close gives the buses back.
func (m *Machine) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var first error
	for n, b := range m.buses {
		if err := b.BusCloser.Close(); err != nil && first == nil {
			first = err
		}
		delete(m.buses, n)
	}
	return first
}
