//go:build linux

package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPWMWritesWhatTheKernelWants(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "pwmchip0", "pwm1")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"period", "duty_cycle", "enable"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte("0"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := openPWM(root, "pwmchip0/1", 1000)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Set(0.25); err != nil {
		t.Fatal(err)
	}
	for f, want := range map[string]string{"period": "1000000", "duty_cycle": "250000", "enable": "1"} {
		if got, err := os.ReadFile(filepath.Join(dir, f)); err != nil || string(got) != want {
			t.Errorf("%s is %q, want %s (%v)", f, got, want, err)
		}
	}
	if d, err := p.Duty(); err != nil || d != 0.25 {
		t.Errorf("duty %g %v", d, err)
	}
	if p.Set(1.5) == nil {
		t.Error("a duty over 1 was taken")
	}
}

func TestMissingHardwareIsSaidInWords(t *testing.T) {
	m := New()
	for name, err := range map[string]error{
		"pwm name":  second(openPWM(t.TempDir(), "../etc/1", 100)),
		"pwm chip":  second(openPWM(t.TempDir(), "pwmchip0/0", 100)),
		"bus name":  second(m.I2C("spi0")),
		"bus":       second(m.I2C("250")),
		"pin":       second(m.Pin("NOSUCHPIN")),
		"pin index": second(m.Pin("gpiochip0/x")),
	} {
		if err == nil || len(err.Error()) < 15 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestClockNeverGoesBack(t *testing.T) {
	c := NewClock()
	a, b := c.Mono(), c.Mono()
	if a <= 0 || b < a || c.BootID() == "" || time.Since(c.Now()).Abs() > time.Second {
		t.Errorf("mono %s %s, boot %q", a, b, c.BootID())
	}
}

func TestDiskUsage(t *testing.T) {
	used, total, err := New().DiskUsage("/")
	if err != nil || total == 0 || used > total {
		t.Errorf("%d of %d, %v", used, total, err)
	}
	if _, _, err := New().DiskUsage("/no/such/place"); err == nil || !strings.Contains(err.Error(), "/no/such/place") {
		t.Errorf("got %v", err)
	}
}
