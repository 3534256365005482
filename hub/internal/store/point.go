package store

import (
	"cmp"
	"slices"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
	"github.com/telltale-iot/telltale/schema"
)

// point is one reading on its way from one form to another.
type point struct {
	tMS  int64
	num  float64 // a number, or a bool as 0 or 1
	text string
	mark pack.Mark
	kind pack.Kind
}

// value returns what the reading says, in the channel's unit.
func (p *point) value() schema.Value { return valueOf(p.kind, p.mark, p.num, p.text) }

func valueOf(kind pack.Kind, mark pack.Mark, num float64, text string) schema.Value {
	switch {
	case mark.Null():
		return schema.Value{}
	case kind == pack.Bools:
		return schema.Bool(num == 1)
	case kind == pack.Texts:
		return schema.Text(text)
	}
	return schema.Number(num)
}

// sortPoints brings points into the order of their times; those of one ms stay as they came.
func sortPoints(all []point) {
	inOrder := func(a, b point) int { return cmp.Compare(a.tMS, b.tMS) }
	if !slices.IsSortedFunc(all, inOrder) {
		slices.SortStableFunc(all, inOrder)
	}
}

// ofOneKind gives readings without a value the kind of their neighbours, so that a fault cuts no chunk in two.
func ofOneKind(all []point) {
	kind := pack.Kind(0)
	for i := range all {
		if !all[i].mark.Null() {
			kind = all[i].kind
			break
		}
	}
	for i := range all {
		switch {
		case !all[i].mark.Null():
			kind = all[i].kind
		case kind != 0:
			all[i].kind, all[i].num, all[i].text = kind, 0, ""
		}
	}
}

// appendBlock appends the readings of a block that lie in a span.
func appendBlock(dst []point, b *pack.Block, fromMS, toMS int64) []point {
	for i, t := range b.TMS {
		if t < fromMS || t > toMS {
			continue
		}
		p := point{tMS: t, mark: b.Mark(i), kind: b.Kind}
		if b.Kind == pack.Texts {
			p.text = b.Text[i]
		} else {
			p.num = b.Num[i]
		}
		dst = append(dst, p)
	}
	return dst
}

// blockOf fills b with points of one kind.
func blockOf(b *pack.Block, all []point) {
	b.Kind = all[0].kind
	b.TMS, b.Marks, b.Num, b.Text = b.TMS[:0], b.Marks[:0], b.Num[:0], b.Text[:0]
	marked := slices.ContainsFunc(all, func(p point) bool { return p.mark != 0 })
	for i := range all {
		p := &all[i]
		b.TMS = append(b.TMS, p.tMS)
		if marked {
			b.Marks = append(b.Marks, p.mark)
		}
		if p.kind == pack.Texts {
			b.Text = append(b.Text, p.text)
		} else {
			b.Num = append(b.Num, p.num)
		}
	}
}

// runs cuts a series of a frame into runs of one kind and calls fn for each; run's memory is used again.
func runs(s *schema.Series, t0MS int64, time uint8, run *pack.Block, fn func()) {
	run.TMS, run.Marks, run.Num, run.Text, run.Kind = run.TMS[:0], run.Marks[:0], run.Num[:0], run.Text[:0], kindOf(s.V)
	for i, v := range s.V {
		if kind := kindOf(s.V[i : i+1]); !v.IsNull() && kind != run.Kind {
			if len(run.TMS) > 0 {
				fn()
			}
			run.TMS, run.Marks, run.Num, run.Text, run.Kind = run.TMS[:0], run.Marks[:0], run.Num[:0], run.Text[:0], kind
		}
		run.TMS = append(run.TMS, t0MS+s.OffsetMS(i))
		run.Marks = append(run.Marks, pack.NewMark(uint8(qualityToSQL(s.QualityAt(i))), time, v.IsNull()))
		if run.Kind == pack.Texts {
			run.Text = append(run.Text, v.Str())
		} else {
			f, _ := v.Float()
			run.Num = append(run.Num, f)
		}
	}
	if len(run.TMS) > 0 {
		fn()
	}
}

// kindOf is the kind of the first value there is; Numbers when there is none.
func kindOf(values schema.Values) pack.Kind {
	for _, v := range values {
		switch v.Type() {
		case schema.TypeBool:
			return pack.Bools
		case schema.TypeString:
			return pack.Texts
		case schema.TypeNumber:
			return pack.Numbers
		}
	}
	return pack.Numbers
}
