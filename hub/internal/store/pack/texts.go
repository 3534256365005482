package pack

import "github.com/telltale-iot/telltale/schema"

// Texts are a list of the different ones, in the order in which they first occur, and a column of places in that list.

// texts writes the texts of b.
func (w *writer) texts(b *Block) {
	places := map[string]int64{}
	var list []string
	x := w.ints.take(b.Len())[:0]
	for i, s := range b.Text {
		if b.Mark(i).Null() {
			continue
		}
		p, ok := places[s]
		if !ok {
			p = int64(len(list))
			places[s] = p
			list = append(list, s)
		}
		x = append(x, p)
	}
	if len(x) == 0 {
		return
	}
	w.number(uint64(len(list)))
	for _, s := range list {
		w.number(uint64(len(s)))
		for i := range len(s) {
			w.bits(uint64(s[i]), 8)
		}
	}
	w.column(x)
}

// texts reads into v what writer.texts wrote.
func (r *reader) texts(v []string) {
	if len(v) == 0 {
		return
	}
	many := r.number()
	if many > uint64(len(v)) {
		r.bad = true
		return
	}
	list := make([]string, 0, min(many, 16))
	var text [schema.MaxText]byte
	for range many {
		size := r.number()
		if r.bad || size > schema.MaxText {
			r.bad = true
			return
		}
		for i := range size {
			text[i] = byte(r.bits(8))
		}
		list = append(list, string(text[:size]))
	}
	x := r.ints.take(len(v))
	r.column(x)
	for i, p := range x {
		if p < 0 || p >= int64(len(list)) {
			r.bad = true
			return
		}
		v[i] = list[p]
	}
}
