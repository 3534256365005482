//go:build linux

package host

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// pwmOut is one output of the kernel's PWM class. Source: Documentation/driver-api/pwm.rst, "Using PWMs with the sysfs interface".
type pwmOut struct {
	dir    string
	period int64 // ns
	on     bool
}

// exportWithin bounds the wait for udev to hand over the files of a fresh export.
const exportWithin = 2 * time.Second

func openPWM(root, name string, hz float64) (*pwmOut, error) {
	chip, channel, ok := strings.Cut(name, "/")
	if _, err := strconv.Atoi(channel); !ok || err != nil || strings.ContainsAny(chip, "./") {
		return nil, fmt.Errorf("%q is not a PWM output: use pwmchip0/1", name)
	}
	base := filepath.Join(root, chip)
	if _, err := os.Stat(base); err != nil {
		return nil, fmt.Errorf("PWM %s: %w (on a Raspberry Pi: dtoverlay=pwm)", name, err)
	}
	p := &pwmOut{dir: filepath.Join(base, "pwm"+channel), period: int64(math.Round(1e9 / hz))}
	if _, err := os.Stat(p.dir); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(filepath.Join(base, "export"), []byte(channel), 0o200); err != nil {
			return nil, fmt.Errorf("PWM %s: %w", name, err)
		}
	}
	deadline := time.Now().Add(exportWithin)
	for {
		err := p.write("period", p.period)
		if err == nil {
			return p, nil
		}
		if !errors.Is(err, os.ErrPermission) && !errors.Is(err, os.ErrNotExist) || time.Now().After(deadline) {
			return nil, fmt.Errorf("PWM %s: %w", name, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Set implements device.PWM.
func (p *pwmOut) Set(duty float64) error {
	if !(duty >= 0 && duty <= 1) {
		return fmt.Errorf("duty %g is not within 0 and 1", duty)
	}
	if err := p.write("duty_cycle", int64(math.Round(duty*float64(p.period)))); err != nil {
		return err
	}
	if p.on {
		return nil
	}
	if err := p.write("enable", 1); err != nil {
		return err
	}
	p.on = true
	return nil
}

// Duty implements device.PWM.
func (p *pwmOut) Duty() (float64, error) {
	b, err := os.ReadFile(filepath.Join(p.dir, "duty_cycle"))
	if err != nil {
		return 0, err
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0, err
	}
	return float64(ns) / float64(p.period), nil
}

// Close implements device.PWM.
func (p *pwmOut) Close() error { return nil }

func (p *pwmOut) write(file string, v int64) error {
	return os.WriteFile(filepath.Join(p.dir, file), strconv.AppendInt(nil, v, 10), 0o200)
}
