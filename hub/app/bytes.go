package app

import (
	"fmt"
	"math"

	"github.com/dustin/go-humanize"
)

// Bytes is an amount of storage, written "8GB", "500 MiB" or as a plain number.
type Bytes int64

// UnmarshalText reads an amount.
func (b *Bytes) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n > math.MaxInt64 {
		return fmt.Errorf("%q is no amount of storage; write 8GB or 500MB", text)
	}
	*b = Bytes(n)
	return nil
}

// MarshalText writes it as a person would: "8.0 GB"; nothing is "0".
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String writes it as a person would.
func (b Bytes) String() string {
	if b <= 0 {
		return "0"
	}
	return humanize.Bytes(uint64(b))
}

// Int64 returns the number of bytes.
func (b Bytes) Int64() int64 { return int64(b) }
