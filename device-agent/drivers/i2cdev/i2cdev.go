// Package i2cdev is what drivers of I2C chips share: a chip at its address whose errors name it, register access, Sensirion's checksum and
// a wait that ends with its context.
//
// It guarantees that every error says which chip it is about and wraps the bus's own. It keeps no state and never retries: what an error means is
// the driver's to decide. Start reading at [Chip].
package i2cdev

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"periph.io/x/conn/v3/i2c"
)

// Chip is a chip on a bus.
type Chip struct {
	bus  i2c.Bus
	name string
	addr uint16
}

// New returns the chip that a configuration names.
func New(bus i2c.Bus, c config.Sensor) Chip { return Chip{bus: bus, name: c.Driver, addr: c.Address} }

// Errorf makes an error about this chip: "bme680 at 0x76 …".
func (c Chip) Errorf(format string, args ...any) error {
	return fmt.Errorf("%s at 0x%02x "+format, append([]any{c.name, c.addr}, args...)...)
}

// Tx writes w, then reads r, in one transaction.
func (c Chip) Tx(w, r []byte) error {
	if err := c.bus.Tx(c.addr, w, r); err != nil {
		return c.Errorf("does not answer: %w", err)
	}
	return nil
}

// Get reads n bytes from a register on.
func (c Chip) Get(reg byte, n int) ([]byte, error) {
	r := make([]byte, n)
	return r, c.Tx([]byte{reg}, r)
}

// Get16 reads a register of 16 bits, high byte first.
func (c Chip) Get16(reg byte) (uint16, error) {
	r, err := c.Get(reg, 2)
	return binary.BigEndian.Uint16(r), err
}

// Set writes a register, and those after it where there are more bytes.
func (c Chip) Set(reg byte, v ...byte) error { return c.Tx(append([]byte{reg}, v...), nil) }

// Set16 writes a register of 16 bits, high byte first.
func (c Chip) Set16(reg byte, v uint16) error { return c.Set(reg, byte(v>>8), byte(v)) }

// Identify checks the chip's identity in a register of one byte.
func (c Chip) Identify(reg byte, want ...byte) error {
	id, err := c.Get(reg, 1)
	if err != nil {
		return err
	}
	names := make([]string, len(want))
	for i, w := range want {
		if id[0] == w {
			return nil
		}
		names[i] = fmt.Sprintf("0x%02x", w)
	}
	return c.Errorf("says it is 0x%02x, a %s says %s", id[0], c.name, strings.Join(names, " or "))
}

// Words reads n words of 16 bits that each have their checksum behind them, as Sensirion's chips give them.
func (c Chip) Words(n int) ([]uint16, error) {
	raw := make([]byte, 3*n)
	if err := c.Tx(nil, raw); err != nil {
		return nil, err
	}
	words := make([]uint16, n)
	for i := range words {
		part := raw[3*i : 3*i+3]
		if CRC8(part[:2]) != part[2] {
			return nil, c.Errorf("sent a wrong checksum with word %d", i)
		}
		words[i] = binary.BigEndian.Uint16(part)
	}
	return words, nil
}

// CRC8 is the checksum of Sensirion's and Aosong's chips: polynomial 0x31, start 0xFF. Source: Sensirion SHT3x-DIS data sheet version 5,
// table 20.
func CRC8(b []byte) byte {
	crc := byte(0xFF)
	for _, x := range b {
		crc ^= x
		for range 8 {
			if crc&0x80 != 0 {
				crc = crc<<1 ^ 0x31
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// Wait waits, or less when ctx ends; then it returns why.
func Wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
