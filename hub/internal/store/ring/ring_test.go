package ring_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
	"github.com/telltale-iot/telltale/hub/internal/store/ring"
)

const nowMS = 1_790_000_000_000

// item is a frame with its runs, put together from its pieces.
type item struct {
	ring.Frame
	runs []ring.Run
}

// read decodes slots and puts pieces together.
func read(t *testing.T, slots [][]byte) (all []item) {
	t.Helper()
	for i, data := range slots {
		s, err := ring.DecodeSlot(data)
		if err != nil {
			t.Fatalf("slot %d: %v", i, err)
		}
		err = s.Frames(func(f *ring.Frame) error {
			if n := len(all); f.Piece > 0 {
				if last := &all[n-1]; !last.More || last.Piece != f.Piece-1 || last.Epoch != f.Epoch || last.Seq != f.Seq || last.T0MS != f.T0MS {
					t.Fatalf("piece %+v follows %+v", f, last.Frame)
				}
				all[n-1].Frame = *f
			} else {
				all = append(all, item{Frame: *f})
			}
			return nil
		}, func(_ *ring.Frame, r *ring.Run) {
			it := &all[len(all)-1]
			if n := len(it.runs); n > 0 && it.runs[n-1].Series == r.Series && it.runs[n-1].Kind == r.Kind {
				o := &it.runs[n-1]
				o.TMS, o.Marks, o.Num, o.Text = append(o.TMS, r.TMS...), append(o.Marks, r.Marks...), append(o.Num, r.Num...), append(o.Text, r.Text...)
				return
			}
			it.runs = append(it.runs, ring.Run{Series: r.Series, Block: pack.Block{Kind: r.Kind, TMS: slices.Clone(r.TMS), Marks: slices.Clone(r.Marks),
				Num: slices.Clone(r.Num), Text: slices.Clone(r.Text)}})
		})
		if err != nil {
			t.Fatalf("slot %d: %v", i, err)
		}
	}
	return all
}

func random(rng *rand.Rand, seq uint64) item {
	f := item{Frame: ring.Frame{Type: ring.Readings, Epoch: 1 + rng.Int64N(9), Seq: seq, Last: seq, T0MS: nowMS - rng.Int64N(1e9), Time: uint8(rng.IntN(4))}}
	series := int64(0)
	for range 1 + rng.IntN(5) {
		series += 1 + rng.Int64N(1000)
		r := ring.Run{Series: series, Block: pack.Block{Kind: pack.Kind(1 + rng.IntN(3))}}
		n := 1 + rng.IntN(3)
		if rng.IntN(4) == 0 {
			n = rng.IntN(3000) + 1
		}
		style, at := rng.IntN(4), f.T0MS+int64(rng.IntN(2)*rng.IntN(5000))
		for range n {
			r.TMS = append(r.TMS, at)
			at += rng.Int64N(5) * int64(style) * 100
			null := rng.IntN(20) == 0 && style > 1
			r.Marks = append(r.Marks, pack.NewMark(uint8(rng.IntN(8)*rng.IntN(2)*(style/2)), f.Time, null))
			switch {
			case r.Kind == pack.Texts && null:
				r.Text = append(r.Text, "")
			case r.Kind == pack.Texts:
				r.Text = append(r.Text, strings.Repeat("x", rng.IntN(257)))
			case null:
				r.Num = append(r.Num, 0)
			case r.Kind == pack.Bools:
				r.Num = append(r.Num, float64(rng.IntN(2)))
			case style == 0:
				r.Num = append(r.Num, rng.NormFloat64())
			case style == 1:
				r.Num = append(r.Num, []float64{0, 5e-324, math.MaxFloat64, -1 << 53, 0.1, 1e-9, 123456789.123}[rng.IntN(7)])
			default:
				r.Num = append(r.Num, math.Round(rng.NormFloat64()*1000)/100)
			}
		}
		f.runs = append(f.runs, r)
	}
	return f
}

// What goes in comes out, over transactions that go on in an open slot, are rolled back, or fill many slots.
func TestFramesComeBack(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	log := ring.NewLog(7)
	var want []item
	var slots [][]byte
	seq := uint64(0)
	for range 300 {
		var came []item
		for range 1 + rng.IntN(4) {
			seq++
			if rng.IntN(6) == 0 {
				c := item{Frame: ring.Frame{Type: ring.Claim, Epoch: 3, Seq: seq, Last: seq + rng.Uint64N(1<<40), T0MS: 0}}
				log.Claim(nowMS, c.Epoch, c.Seq, c.Last)
				came = append(came, c)
				continue
			}
			it := random(rng, seq)
			w := log.Readings(nowMS, it.Frame)
			for i := range it.runs {
				w.Add(&it.runs[i])
			}
			w.End()
			came = append(came, it)
		}
		if rng.IntN(5) == 0 {
			log.Rollback()
			continue
		}
		for _, s := range log.Dirty() {
			if at := int(s.Number - 8); at < len(slots) {
				slots[at] = s.Append(nil)
			} else {
				slots = append(slots, s.Append(nil))
			}
		}
		log.Commit()
		if log.Last() != uint64(7+len(slots)) {
			t.Fatalf("the newest slot is %d, %d were written", log.Last(), len(slots))
		}
		if rng.IntN(10) == 0 {
			log.CloseSlot()
		}
		want = append(want, came...)
	}
	got := read(t, slots)
	if len(got) != len(want) {
		t.Fatalf("%d frames, want %d", len(got), len(want))
	}
	for i := range want {
		same(t, got[i], want[i])
	}
}

func same(t *testing.T, got, want item) {
	t.Helper()
	if got.Type != want.Type || got.Epoch != want.Epoch || got.Seq != want.Seq || got.Last != want.Last || got.Time != want.Time ||
		got.T0MS != want.T0MS || got.More || len(got.runs) != len(want.runs) {
		t.Fatalf("got %+v with %d runs, want %+v with %d", got.Frame, len(got.runs), want.Frame, len(want.runs))
	}
	for i := range want.runs {
		g, w := &got.runs[i], &want.runs[i]
		if g.Series != w.Series || g.Kind != w.Kind || !slices.Equal(g.TMS, w.TMS) || !slices.Equal(g.Marks, w.Marks) ||
			!slices.Equal(g.Num, w.Num) || !slices.Equal(g.Text, w.Text) {
			t.Fatalf("frame %d run %d: got %+v, want %+v", want.Seq, i, g, w)
		}
	}
}

func TestAFlippedBitIsNoticed(t *testing.T) {
	t.Parallel()
	log := ring.NewLog(0)
	w := log.Readings(nowMS, ring.Frame{Epoch: 1, Seq: 1, T0MS: nowMS})
	w.Add(&ring.Run{Series: 1, Block: pack.Block{Kind: pack.Numbers, TMS: []int64{nowMS}, Num: []float64{21.5}}})
	w.End()
	data := log.Dirty()[0].Append(nil)
	if len(data) != ring.SlotBytes {
		t.Fatalf("a slot of %d bytes", len(data))
	}
	for i := range data {
		data[i] ^= 1 << (i % 8)
		if _, err := ring.DecodeSlot(data); !errors.Is(err, ring.ErrDamaged) {
			t.Fatalf("byte %d: %v", i, err)
		}
		data[i] ^= 1 << (i % 8)
	}
	empty := make([]byte, ring.SlotBytes)
	if s, err := ring.DecodeSlot(empty); err != nil || s.Number != 0 || !s.Empty() {
		t.Errorf("an empty slot: %+v, %v", s, err)
	}
	empty[3000] = 1
	if _, err := ring.DecodeSlot(empty); !errors.Is(err, ring.ErrDamaged) {
		t.Errorf("an empty slot with a bit: %v", err)
	}
	if _, err := ring.DecodeSlot(data[1:]); !errors.Is(err, ring.ErrDamaged) {
		t.Errorf("a short slot: %v", err)
	}
}

// FuzzSlot reads payloads that no log wrote, under a right checksum.
func FuzzSlot(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 4))
	log := ring.NewLog(0)
	for seq := uint64(1); seq < 4; seq++ {
		it := random(rng, seq)
		w := log.Readings(nowMS, it.Frame)
		for i := range it.runs {
			w.Add(&it.runs[i])
		}
		w.End()
		log.Claim(nowMS, 1, seq, seq+4)
	}
	for _, s := range log.Dirty() {
		f.Add(s.Payload())
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > ring.Room {
			return
		}
		s := ring.NewSlot(1, nowMS, payload)
		back, err := ring.DecodeSlot(s.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		readings := 0
		err = back.Frames(func(fr *ring.Frame) error {
			if fr.Seq == 0 || fr.Last < fr.Seq || fr.Epoch <= 0 {
				t.Fatalf("%+v", fr)
			}
			return nil
		}, func(_ *ring.Frame, r *ring.Run) {
			readings += r.Len()
			if len(r.Marks) != r.Len() || len(r.Num)+len(r.Text) != r.Len() || r.Series <= 0 {
				t.Fatalf("%+v", r)
			}
		})
		if err != nil && !errors.Is(err, ring.ErrDamaged) || readings > ring.Room {
			t.Fatalf("%d readings, %v", readings, err)
		}
	})
}
