//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"math"
)

// engine is a way to keep readings.
type engine interface {
	// Store keeps ticks in exactly one durable commit and returns when it is.
	Store(ticks []tick) error
	// Chart folds a series into buckets that begin at fromMS. Safe for concurrent use, beside Store too.
	Chart(ctx context.Context, q question) (curve, error)
	// Close ends the engine's work on its file.
	Close() error
	// Size looks into the file of an engine that is closed.
	Size() (size, error)
}

// question asks for a series from fromMS to toMS, both included.
type question struct {
	series       int
	fromMS, toMS int64
	points       int   // at most, more or less: the hub's store chooses its buckets by that
	widthMS      int64 // of the buckets that rows are folded into; they begin at multiples of it since 1970
}

// curve is the answer: a column each, a bucket without readings is absent.
type curve struct {
	widthMS        int64
	tMS            []int64
	min, max, mean []float64
	count          []int64
}

// readings is how many readings the curve counts.
func (c *curve) readings() (n int64) {
	for _, k := range c.count {
		n += k
	}
	return n
}

// digest is the same for the same times, minima, maxima and counts, bit by bit. Means are left out: they depend on the order of addition.
func (c *curve) digest() string {
	h := crc64.New(crc64.MakeTable(crc64.ECMA))
	var b [32]byte
	for i := range c.tMS {
		binary.LittleEndian.PutUint64(b[0:], uint64(c.tMS[i]))
		binary.LittleEndian.PutUint64(b[8:], math.Float64bits(c.min[i]))
		binary.LittleEndian.PutUint64(b[16:], math.Float64bits(c.max[i]))
		binary.LittleEndian.PutUint64(b[24:], uint64(c.count[i]))
		_, _ = h.Write(b[:]) // a hash takes everything
	}
	return fmt.Sprintf("%d buckets %016x", len(c.tMS), h.Sum64())
}

// meanOfMeans stands for all of them when engines are compared.
func (c *curve) meanOfMeans() float64 {
	sum := 0.0
	for _, m := range c.mean {
		sum += m
	}
	return sum / float64(len(c.mean))
}

// size is what a closed file takes.
type size struct {
	fileBytes int64 // as the disk sees it
	dataBytes int64 // without pages that are free and without a log of fixed size
	readings  int64 // in dataBytes
}

// open opens an engine by its name, empty or as it was left.
func open(ctx context.Context, s spec, o timing) (engine, error) {
	switch s.engine {
	case "telltale":
		return openTelltale(ctx, s, o)
	case "series-rows":
		return openRows(s, seriesRows())
	case "time-rows":
		return openRows(s, timeRows())
	case "states":
		return openStates(s, "FULL")
	case "states-normal":
		return openStates(s, "NORMAL")
	}
	return nil, fmt.Errorf("there is no engine %q", s.engine)
}
