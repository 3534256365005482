//go:build linux

package host

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair opens a pseudo terminal: what is written to the master arrives at the serial port of that name.
func pair(t *testing.T) (master *os.File, name string) {
	t.Helper()
	m, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { _ = m.Close() }) // the test is over
	unlock, n := 0, 0
	if err := unix.IoctlSetPointerInt(int(m.Fd()), unix.TIOCSPTLCK, unlock); err != nil {
		t.Fatal(err)
	}
	if n, err = unix.IoctlGetInt(int(m.Fd()), unix.TIOCGPTN); err != nil {
		t.Fatal(err)
	}
	return m, fmt.Sprintf("/dev/pts/%d", n)
}

func TestSerialPortIsRawAndGivesUpInTime(t *testing.T) {
	master, name := pair(t)
	p, err := New().Serial(name, 9600)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]byte, 256) // every byte there is: a line that is not raw eats or changes some
	for i := range all {
		all[i] = byte(i)
	}
	if _, err := master.Write(all); err != nil {
		t.Fatal(err)
	}
	var got []byte
	buf := make([]byte, 100)
	for len(got) < len(all) {
		n, err := p.ReadWithin(buf, 5*time.Second)
		if err != nil || n == 0 {
			t.Fatalf("after %d bytes: %d, %v", len(got), n, err)
		}
		got = append(got, buf[:n]...)
	}
	if string(got) != string(all) {
		t.Errorf("read % x", got)
	}
	if n, err := p.ReadWithin(buf, time.Millisecond); n != 0 || err != nil {
		t.Errorf("from a silent line: %d bytes, %v", n, err)
	}
	if _, err := p.Write([]byte{0xFF, '\n', '\r', 0}); err != nil {
		t.Fatal(err)
	}
	if n, err := master.Read(buf); err != nil || string(buf[:n]) != "\xff\n\r\x00" {
		t.Errorf("written: % x %v", buf[:n], err)
	}
	if _, err := master.Write([]byte("old")); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(); err != nil {
		t.Error(err)
	}
	if n, err := p.ReadWithin(buf, time.Millisecond); n != 0 || err != nil {
		t.Errorf("after a flush: %q, %v", buf[:n], err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoSerialPortIsSaidInWords(t *testing.T) {
	m := New()
	for what, err := range map[string]error{
		"missing": second(m.Serial("ttyNONE9", 9600)), "no terminal": second(m.Serial("/dev/null", 9600)), "rate": second(m.Serial("ttyUSB0", 12345)),
	} {
		if err == nil || len(err.Error()) < 20 {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := m.Serial("ttyNONE9", 9600); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v does not say that it is missing", err)
	}
}
