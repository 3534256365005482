//go:build linux

package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// cell is the size of a reading in the input: time (Unix ms) and value (float64), little endian.
const cell = 16

// tick is one reading of every series.
type tick struct {
	atMS int64     // the moment that was scheduled
	tMS  []int64   // when each was read
	v    []float64 // what
}

// input reads ticks from a file. At its end it begins again, with times that go on.
type input struct {
	file   *os.File
	r      *bufio.Reader
	wide   int
	stepMS int64
	read   int // ticks since the beginning of the file
	base   int64
	n      int64 // ticks returned
	buf    []byte
}

func openInput(s spec) (*input, error) {
	f, err := os.Open(s.input)
	if err != nil {
		return nil, fmt.Errorf("open the readings: %w", err)
	}
	in := &input{file: f, r: bufio.NewReaderSize(f, 64<<10), wide: s.wide, stepMS: s.stepMS, buf: make([]byte, cell*s.wide)}
	first, err := in.r.Peek(cell)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the file of readings is empty: %w", err), f.Close())
	}
	in.base = (int64(binary.LittleEndian.Uint64(first)) + s.stepMS/2) / s.stepMS * s.stepMS // it may have been read early
	return in, nil
}

// group makes room for n ticks.
func (in *input) group(n int) []tick {
	all := make([]tick, n)
	for i := range all {
		all[i] = tick{tMS: make([]int64, in.wide), v: make([]float64, in.wide)}
	}
	return all
}

// next fills ticks with the next readings.
func (in *input) next(ticks []tick) error {
	for i := range ticks {
		if err := in.one(&ticks[i]); err != nil {
			return err
		}
	}
	return nil
}

func (in *input) one(t *tick) error {
	_, err := io.ReadFull(in.r, in.buf)
	if errors.Is(err, io.EOF) && in.read > 0 {
		if _, err := in.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		in.r.Reset(in.file)
		in.read = 0
		_, err = io.ReadFull(in.r, in.buf)
	}
	if err != nil {
		return fmt.Errorf("read the readings: %w", err)
	}
	shift := (in.n - int64(in.read)) * in.stepMS
	for i := range in.wide {
		t.tMS[i] = int64(binary.LittleEndian.Uint64(in.buf[cell*i:])) + shift
		t.v[i] = math.Float64frombits(binary.LittleEndian.Uint64(in.buf[cell*i+8:]))
	}
	t.atMS = in.base + in.n*in.stepMS
	in.n++
	in.read++
	return nil
}

func (in *input) close() error { return in.file.Close() }
