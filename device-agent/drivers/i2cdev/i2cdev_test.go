package i2cdev

import (
	"errors"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/device-agent/config"
	"periph.io/x/conn/v3/i2c/i2ctest"
	"periph.io/x/conn/v3/physic"
)

func TestChecksumOfTheDataSheet(t *testing.T) {
	if got := CRC8([]byte{0xBE, 0xEF}); got != 0x92 { // Sensirion SHT3x-DIS version 5, table 20: CRC (0xBEEF) = 0x92
		t.Errorf("got 0x%02x", got)
	}
}

func TestErrorsNameTheChip(t *testing.T) {
	c := New(broken{}, config.Sensor{Driver: "bme680", Address: 0x76})
	if _, err := c.Get16(1); !errors.Is(err, errBroken) || !strings.HasPrefix(err.Error(), "bme680 at 0x76 does not answer: ") {
		t.Errorf("got %v", err)
	}
	play := &i2ctest.Playback{DontPanic: true, Ops: []i2ctest.IO{{Addr: 0x76, W: []byte{0xD0}, R: []byte{0x58}}, {Addr: 0x76, R: []byte{0xBE, 0xEF, 0x93}}}}
	c = New(play, config.Sensor{Driver: "bme680", Address: 0x76})
	if err := c.Identify(0xD0, 0x61); err == nil || err.Error() != "bme680 at 0x76 says it is 0x58, a bme680 says 0x61" {
		t.Errorf("got %v", err)
	}
	if _, err := c.Words(1); err == nil || !strings.Contains(err.Error(), "wrong checksum with word 0") {
		t.Errorf("got %v", err)
	}
}

var errBroken = errors.New("no acknowledge")

// broken is a bus on which nobody answers.
type broken struct{}

func (broken) String() string                  { return "broken" }
func (broken) SetSpeed(physic.Frequency) error { return nil }
func (broken) Tx(uint16, []byte, []byte) error { return errBroken }
