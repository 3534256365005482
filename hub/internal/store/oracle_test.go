package store

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// oracle is the plainest store there is: lists.
type oracle struct {
	readings map[string][]Reading // by channel, as they came
	received schema.Ranges
}

func (o *oracle) append(b schema.Batch) {
	if o.received.Has(b.Seq) {
		return
	}
	o.received.Add(b.Seq, b.Seq)
	for i := range b.Series {
		s := &b.Series[i]
		for j, v := range s.V {
			o.readings[s.Ch] = append(o.readings[s.Ch], Reading{Channel: s.Ch, TMS: b.T0MS + s.OffsetMS(j), Value: v, Quality: s.QualityAt(j), Time: b.Time})
		}
	}
}

// ordered returns a channel's readings by time; those of one ms as they came.
func (o *oracle) ordered(ch string) []Reading {
	all := slices.Clone(o.readings[ch])
	slices.SortStableFunc(all, func(a, b Reading) int { return cmp.Compare(a.TMS, b.TMS) })
	return all
}

// world is a store beside an oracle.
type world struct {
	*testing.T
	rng    *rand.Rand
	dir    string
	store  *Store
	oracle oracle
	sent   []schema.Batch
	span   int64 // of all times, ms
}

// TestEverythingStoredIsReadBack holds store and oracle against each other through frames late, double, out of order, of changing kinds, with
// huge numbers and many readings at one ms, with seals, restarts and crashes in between.
func TestEverythingStoredIsReadBack(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	for i, span := range []int64{2_000, 3 * hourMS, 300 * hourMS} {
		t.Run(fmt.Sprintf("%d ms", span), func(t *testing.T) {
			t.Parallel()
			t.Logf("seed %d", seed+uint64(i))
			w := &world{T: t, rng: rand.New(rand.NewPCG(seed+uint64(i), 1)), dir: t.TempDir(), oracle: oracle{readings: map[string][]Reading{}}, span: span}
			w.open()
			pair(t, w.store, "lamp")
			w.describe()
			for range 20 {
				w.step()
			}
			w.check()
			w.checkChunks()
			if err := w.store.Close(); err != nil {
				t.Fatal(err)
			}
			w.open()
			w.check()
			if err := w.store.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func (w *world) open() {
	w.Helper()
	var err error
	w.store, err = Open(w.Context(), Options{Dir: w.dir, CommitEvery: time.Millisecond, slots: testSlots})
	if err != nil {
		w.Fatal(err)
	}
	w.store.window = 1 + w.rng.IntN(4)
}

func (w *world) describe() {
	w.Helper()
	d := schema.Descriptor{Name: "Lamp", Entities: []schema.Entity{{ID: "e", Kind: schema.KindSensor, Name: "e", Channels: []schema.Channel{
		{Name: "n", Type: schema.TypeNumber}, {Name: "b", Type: schema.TypeBool}, {Name: "s", Type: schema.TypeString}, {Name: "mixed", Type: schema.TypeNumber}}}}}
	if err := w.store.SaveDescriptor(w.Context(), "lamp", d.Hash(), d); err != nil {
		w.Fatal(err)
	}
}

func (w *world) step() {
	w.Helper()
	switch w.rng.IntN(12) {
	case 0, 1:
		if err := w.store.Seal(w.Context()); err != nil {
			w.Fatal(err)
		}
	case 2:
		if err := w.store.Close(); err != nil {
			w.Fatal(err)
		}
		w.open()
	case 3:
		w.crash()
	case 4, 5:
		w.check()
	default:
		var frames []schema.Batch
		for range 1 + w.rng.IntN(12) {
			frames = append(frames, w.frame())
		}
		mustAppend(w.T, w.store, frames...)
		for _, b := range frames {
			w.oracle.append(b)
		}
	}
}

// crash goes on with a copy of the files as they are, as after a kill.
func (w *world) crash() {
	w.Helper()
	to := w.TempDir()
	files, err := os.ReadDir(w.dir)
	if err != nil {
		w.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(w.dir, f.Name()))
		if err == nil && filepath.Ext(f.Name()) != ".db-shm" {
			err = os.WriteFile(filepath.Join(to, f.Name()), b, 0o600)
		}
		if err != nil {
			w.Fatal(err)
		}
	}
	if err := w.store.Close(); err != nil {
		w.Fatal(err)
	}
	w.dir = to
	w.open()
}

// frame makes one, sometimes one that was sent before.
func (w *world) frame() schema.Batch {
	if n := len(w.sent); n > 0 && w.rng.IntN(8) == 0 {
		return w.sent[w.rng.IntN(n)]
	}
	b := schema.Batch{Device: "lamp", Epoch: testEpoch, Seq: uint64(1 + w.rng.IntN(900)), Time: timeQualities()[w.rng.IntN(4)]}
	b.T0MS = testT0 + w.rng.Int64N(w.span)
	if w.rng.IntN(2) == 0 { // mostly in order
		b.Seq, b.T0MS = uint64(len(w.sent)+1), testT0+int64(len(w.sent))*w.span/500
	}
	for _, ch := range []string{"e.n", "e.b", "e.s", "e.mixed"} {
		if w.rng.IntN(3) > 0 {
			b.Series = append(b.Series, w.series(ch))
		}
	}
	w.sent = append(w.sent, b)
	return b
}

func (w *world) series(ch string) schema.Series {
	s := schema.Series{Ch: ch}
	n := 1 + w.rng.IntN(4)
	if w.rng.IntN(3) == 0 {
		n = 1 + w.rng.IntN(400)
	}
	step := w.rng.Int64N(2 * w.span / 1000)
	style := w.rng.IntN(4)
	var t int64
	for range n {
		v := w.value(ch, style)
		q := qualities()[max(0, w.rng.IntN(20)-15)]
		if v.IsNull() && q == schema.QualityOK {
			q = schema.QualityFault
		}
		s.DtMS, s.V, s.Q = append(s.DtMS, t), append(s.V, v), append(s.Q, q)
		if w.rng.IntN(3) > 0 {
			t += step
		}
	}
	return s
}

func (w *world) value(ch string, style int) schema.Value {
	kind := ch
	if ch == "e.mixed" {
		kind = []string{"e.n", "e.b", "e.s"}[style%3]
		if w.rng.IntN(200) == 0 {
			kind = []string{"e.n", "e.b", "e.s"}[w.rng.IntN(3)]
		}
	}
	switch {
	case w.rng.IntN(25) == 0:
		return schema.Value{}
	case kind == "e.b":
		return schema.Bool(w.rng.IntN(10) == 0 != (style%2 == 0))
	case kind == "e.s":
		return schema.Text([]string{"heat", "cool", "off", "", "ü\x00"}[w.rng.IntN(5)])
	case style == 0:
		return schema.Number(math.Round(w.rng.NormFloat64()*1000) / 100)
	case style == 1:
		return schema.Number(w.rng.NormFloat64())
	case style == 2:
		return schema.Number(float64(w.rng.IntN(3)))
	}
	return schema.Number([]float64{1e308, -1e308, 5e-324, 1 << 53, 0, 1.7e308}[w.rng.IntN(6)])
}
