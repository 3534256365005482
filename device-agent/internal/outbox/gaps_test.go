package outbox

import (
	"testing"

	"github.com/telltale-iot/telltale/device-agent/internal/disk/disktest"
	"github.com/telltale-iot/telltale/schema"
)

// refuseEven lets the hub refuse every second frame.
func (b *box) refuseEven(n uint64) {
	b.t.Helper()
	for seq := uint64(2); seq <= n; seq += 2 {
		if _, ok := b.Refuse(seq); !ok {
			b.t.Fatalf("frame %d is not there to be refused", seq)
		}
	}
}

func TestManyGapsNeverCallAKeptFrameLost(t *testing.T) {
	const n = 6 * maxGaps
	d := disktest.New()
	b := open(t, d)
	b.fill(n, 100)
	b.refuseEven(n)
	if lost := b.check(1); lost != n/2 {
		t.Errorf("%d frames are told as lost, %d were refused", lost, n/2)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, d)
	if lost := b.check(1); lost != n/2 {
		t.Errorf("after a restart %d frames are told as lost, %d were refused", lost, n/2)
	}
	for seq := uint64(1); seq <= n; seq += 2 {
		b.Ack([]schema.Range{{seq, seq}})
	}
	if got := len(b.all()); got > maxGaps {
		t.Errorf("%d gap records are left though nothing lies between them", got)
	}
}

func TestGapsAreBoundedEvenAmongKeptFrames(t *testing.T) {
	const n = 3 * mostGaps
	b := open(t, disktest.New(), func(o *Options) { o.MaxRAM = 1 << 20 })
	b.fill(n, 100)
	b.refuseEven(n)
	gaps := 0
	for _, r := range b.all() {
		if r.IsGap() {
			gaps++
		}
	}
	if lost := b.check(1); gaps > mostGaps || lost != b.Stat().Dropped {
		t.Errorf("%d gaps for %d lost frames; %d were given up", gaps, lost, b.Stat().Dropped)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if again := open(t, b.disk); again.check(1) != b.Stat().Dropped {
		t.Errorf("after a restart %d are lost, before %d", again.check(1), b.Stat().Dropped)
	}
}
