package store

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// benchStore opens a store with n devices. TELLTALE_BENCH_DIR puts it on another disk than the temporary folder's.
func benchStore(b *testing.B, n int) (*Store, string) {
	b.Helper()
	dir, err := os.MkdirTemp(os.Getenv("TELLTALE_BENCH_DIR"), "store")
	if err != nil {
		b.Fatal(err)
	}
	s, err := Open(b.Context(), Options{Dir: dir, CommitEvery: time.Second})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close(); _ = os.RemoveAll(dir) })
	benchPair(b, s, n)
	return s, dir
}

func benchPair(b *testing.B, s *Store, n int) {
	b.Helper()
	for i := range n {
		key, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.PairDevice(b.Context(), fmt.Sprintf("d-%d", i), "", key); err != nil {
			b.Fatal(err)
		}
	}
}

// second is one second of a device with 20 channels at 1 Hz.
func second(device int, seq uint64) schema.Batch {
	b := schema.Batch{Device: fmt.Sprintf("d-%d", device), Epoch: testEpoch, Seq: seq, T0MS: testT0 + int64(seq)*1000, Time: schema.TimeSynced}
	for ch := range 20 {
		b.Series = append(b.Series, schema.Series{Ch: fmt.Sprintf("s%d.state", ch), V: schema.Values{schema.Number(20 + float64((seq*7+uint64(ch))%100)/10)}})
	}
	return b
}

// BenchmarkAppend stores seconds of 25 devices with 20 channels each: 500 readings per round, durable commits of some thousand.
// readings/s is wall time; disk-B/reading is the database file after the last checkpoint.
func BenchmarkAppend(b *testing.B) {
	const devices = 25
	s, dir := benchStore(b, devices)
	acked := make(chan error, 1<<20)
	waiting := 0
	b.ResetTimer()
	for seq := uint64(1); b.Loop(); seq++ {
		for d := range devices {
			batch := second(d, seq)
			for s.Append(batch, func(err error) { acked <- err }) != nil {
				if err := <-acked; err != nil {
					b.Fatal(err)
				}
				waiting--
			}
			waiting++
		}
	}
	for ; waiting > 0; waiting-- {
		if err := <-acked; err != nil {
			b.Fatal(err)
		}
	}
	readings := float64(b.N) * devices * 20
	b.ReportMetric(readings/b.Elapsed().Seconds(), "readings/s")
	b.StopTimer()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, fileName)); err == nil {
		b.ReportMetric(float64(info.Size())/readings, "disk-B/reading")
	}
}

// BenchmarkHistoryDay reads a day of one channel at 1 Hz into 1000 buckets.
func BenchmarkHistoryDay(b *testing.B) {
	s, _ := benchStore(b, 1)
	const day = 86_400
	done := make(chan error, day/100)
	for seq := range uint64(day / 100) {
		dt, v := make([]int64, 100), make(schema.Values, 100)
		for i := range dt {
			dt[i], v[i] = int64(i)*1000, schema.Number(float64(i))
		}
		batch := schema.Batch{Device: "d-0", Epoch: testEpoch, Seq: seq + 1, T0MS: testT0 + int64(seq)*100_000, Series: []schema.Series{{Ch: "t.state", DtMS: dt, V: v}}}
		if err := s.Append(batch, func(err error) { done <- err }); err != nil {
			b.Fatal(err)
		}
	}
	for range day / 100 {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		h, err := s.History(b.Context(), "d-0", HistoryQuery{Channels: []string{"t.state"}, FromMS: testT0, ToMS: testT0 + day*1000 - 1, Points: 1000})
		if err != nil || len(h.Series[0].TMS) < 1000 {
			b.Fatal(len(h.Series[0].TMS), err)
		}
	}
}
