package drivers_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/device/devicetest"
	"github.com/telltale-iot/telltale/device-agent/drivers"
)

// queue is an accelerometer that measures its own sample numbers: sample n is taken n steps after the start.
type queue struct {
	step  time.Duration
	begun time.Time
	on    bool
	next  int // number of the sample that is read next
	lost  bool
	stall time.Time // when a transfer takes 300 ms; zero = never
}

func (q *queue) newest() int { return int(time.Since(q.begun) / q.step) }

func (q *queue) tx(_ uint16, w, r []byte) error {
	if !q.stall.IsZero() && time.Now().After(q.stall) {
		q.stall = time.Time{}
		stallInBubble()
	}
	if len(w) == 2 && w[0] == 0x2D {
		q.on, q.begun, q.next = w[1] == 8, time.Now(), 1
	}
	if waiting := q.newest() - q.next + 1; q.on && waiting > 32 {
		q.next, q.lost = q.newest()-31, true
	}
	if len(r) == 0 {
		return nil
	}
	switch w[0] {
	case 0x00:
		r[0] = 0xE5
	case 0x30:
		if q.lost {
			r[0] = 1
		}
	case 0x39:
		if q.on {
			r[0] = byte(q.newest() - q.next + 1)
		}
	case 0x32:
		binary.LittleEndian.PutUint16(r, uint16(q.next))
		q.next++
		q.lost = false
	}
	return nil
}

func stallInBubble() { time.Sleep(300 * time.Millisecond) }

func accelerometer(t *testing.T) (*queue, device.WaveSensor) {
	q := &queue{step: 2500 * time.Microsecond}
	return q, drivers.Waves(sensor(t, &devicetest.Host{Tx: q.tx}, "sensors: [{driver: adxl345, id: motor, rate_hz: 400}]"))
}

// samples returns the numbers of a block's samples, and proves that none is missing in between.
func samples(t *testing.T, b device.Block) (first, last int) {
	t.Helper()
	number := func(v float64) int { return int(v/(0.0039*9.80665) + 0.5) }
	for i := range b.Values[1:] {
		if number(b.Values[i+1]) != number(b.Values[i])+1 {
			t.Fatalf("after sample %d comes %d", number(b.Values[i]), number(b.Values[i+1]))
		}
	}
	return number(b.Values[0]), number(b.Values[len(b.Values)-1])
}

func TestLastSampleOfABlockWasMeasuredWhenItReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, w := accelerometer(t)
		before := 0
		for range 5 {
			blocks, err := w.SenseWave(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			first, last := samples(t, blocks[0])
			if last != q.newest() || first != before+1 || blocks[0].Lost != 0 {
				t.Errorf("samples %d to %d, %d lost; the chip is at %d, the block before ended at %d", first, last, blocks[0].Lost, q.newest(), before)
			}
			before = last
		}
	})
}

func TestOverrunInsideABlockLeavesNoHoleInIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, w := accelerometer(t)
		if _, err := w.SenseWave(t.Context()); err != nil {
			t.Fatal(err)
		}
		q.stall = time.Now().Add(100 * time.Millisecond) // in the middle of the next block
		blocks, err := w.SenseWave(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, last := samples(t, blocks[0]); blocks[0].Lost == 0 || last != q.newest() {
			t.Errorf("%d lost, last sample %d of %d", blocks[0].Lost, last, q.newest())
		}
	})
}

func TestAccelerometerThatLostPowerIsSetUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, w := accelerometer(t)
		if _, err := w.SenseWave(t.Context()); err != nil {
			t.Fatal(err)
		}
		q.on = false
		begin := time.Now()
		if _, err := w.SenseWave(t.Context()); err == nil || !strings.Contains(err.Error(), "power") || time.Since(begin) > time.Second {
			t.Fatalf("after %s: %v", time.Since(begin), err)
		}
		if blocks, err := w.SenseWave(t.Context()); err != nil || len(blocks[0].Values) < 100 {
			t.Errorf("not back: %v", err)
		}
	})
}

func TestADCThatLostPowerIsStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := []byte{0x85, 0x83} // after power-on
		s := sensor(t, &devicetest.Host{Tx: func(_ uint16, w, r []byte) error {
			if w[0] == 1 && len(w) == 3 {
				config = []byte{w[1], w[2]}
			}
			if w[0] == 1 {
				copy(r, config)
			}
			return nil
		}}, "sensors: [{driver: ads1115, inputs: [{id: pulse, pin: A0, rate_hz: 125}]}]")
		w := drivers.Waves(s)
		if _, err := w.SenseWave(t.Context()); err != nil {
			t.Fatal(err)
		}
		config = []byte{0x85, 0x83}
		if _, err := w.SenseWave(t.Context()); err == nil || !strings.Contains(err.Error(), "power") {
			t.Fatalf("a chip in power-down gives zeros for ever: %v", err)
		}
		if blocks, err := w.SenseWave(t.Context()); err != nil || len(blocks[0].Values) != 25 {
			t.Errorf("not back: %v", err)
		}
	})
}
