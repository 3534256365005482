package check

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
)

// HourMS is the width of an hourly value.
const HourMS = 3_600_000

// Hour is an hourly value: of the readings that have one.
type Hour struct {
	N             int64
	Min, Max, Sum float64
	Minutes       int64   // bit i is set when minute i has a reading
	abs           float64 // sum without signs, as far as it is known: what rounding goes by
}

// Covers reports whether an hourly value can include the readings of another.
func (h *Hour) Covers(o *Hour) bool {
	return h.N >= o.N && h.Min <= o.Min && h.Max >= o.Max && h.Minutes&o.Minutes == o.Minutes
}

// Differs says in words how an hourly value differs from h, which its readings make; "" = it does not.
func (h *Hour) Differs(got *Hour) string {
	switch {
	case got.N != h.N:
		return fmt.Sprintf("there are %d readings, the hourly value counted %d", h.N, got.N)
	case got.Min != h.Min || got.Max != h.Max || got.Minutes != h.Minutes:
		return "the hourly value differs from the readings"
	case h.abs < math.MaxFloat64 && math.Abs(got.Sum-h.Sum) > 1e-9*h.abs:
		return "the hourly mean differs from the readings"
	}
	return ""
}

// AddHours adds the numbers of a block to hourly values by their first ms.
func AddHours(to map[int64]*Hour, b *pack.Block) {
	if b.Kind != pack.Numbers {
		return
	}
	for i, t := range b.TMS {
		if b.Mark(i).Null() {
			continue
		}
		start := hourOf(t)
		h := to[start]
		if h == nil {
			h = &Hour{Min: math.Inf(1), Max: math.Inf(-1)}
			to[start] = h
		}
		x := b.Num[i]
		h.N, h.Min, h.Max = h.N+1, min(h.Min, x), max(h.Max, x)
		h.Sum = max(-math.MaxFloat64, min(math.MaxFloat64, h.Sum+x))
		h.abs, h.Minutes = h.abs+math.Abs(x), h.Minutes|1<<((t-start)/60_000)
	}
}

func hourOf(t int64) int64 { return t - (t%HourMS+HourMS)%HourMS }

// end compares the hours of the series that just ended, and begins anew.
func (w *walk) end() error {
	defer clear(w.hours)
	if !w.began {
		return nil
	}
	if w.broken { // what the hours should be is not known
		return nil
	}
	edge := hourOf(w.firstMS) // retention may have taken a part of this hour's readings
	err := w.c.each(`SELECT t_ms, n, vmin, vmax, vsum, minutes FROM hour WHERE series_id = ?1 AND t_ms >= ?2`, func(scan func(...any) error) error {
		var t int64
		var got Hour
		if err := scan(&t, &got.N, &got.Min, &got.Max, &got.Sum, &got.Minutes); err != nil {
			return err
		}
		want := w.hours[t]
		delete(w.hours, t)
		if what := differs(want, &got, t == edge || w.c.explained(w.series, t)); what != "" {
			w.c.r.add(w.c.finding(w.series, t, t+HourMS-1, what))
		}
		return nil
	}, w.series, edge)
	if err != nil {
		return err
	}
	for _, t := range slices.Sorted(maps.Keys(w.hours)) {
		w.c.r.add(w.c.finding(w.series, t, t+HourMS-1, "the hourly value is missing"))
	}
	return nil
}

// differs says in words what is wrong with an hour. partly: some of its readings may be gone, by rule or as a gap tells.
func differs(want, got *Hour, partly bool) string {
	switch {
	case want == nil && partly, want != nil && partly && got.Covers(want):
		return ""
	case want == nil:
		return fmt.Sprintf("%d readings are missing: the hourly value knows of them", got.N)
	case partly:
		return "the hourly value does not cover the readings"
	}
	return want.Differs(got)
}

// explained reports whether a gap says that readings of an hour were lost with the file.
func (c *checker) explained(series, tMS int64) bool {
	s := c.series[series]
	for _, g := range c.damage {
		if g.Device == s.device && (g.Channel == "" || g.Channel == s.channel) && g.FromMS <= tMS+HourMS-1 && g.ToMS >= tMS {
			return true
		}
	}
	return false
}

// otherHours counts the hours, also those whose readings were deleted by rule: there is nothing to compare them with.
func (w *walk) otherHours() error {
	var n int64
	err := w.c.row(`SELECT count(*) FROM hour`).Scan(&n)
	w.c.r.Hours = n
	return err
}
