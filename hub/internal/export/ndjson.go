package export

import (
	"encoding/json"
	"io"
	"strconv"

	"github.com/telltale-iot/telltale/schema"
)

// ndjsonForm writes one JSON object per line with the names of the wire: device, ch, t_ms, v, and where they say something unit, q (not
// ok) and time (not synced).
type ndjsonForm struct {
	w    io.Writer
	line []byte
	head []byte // {"device":…,"ch":…, of the channel that is written now
	unit []byte
	last [3]string
}

func (f *ndjsonForm) put(r *Row) (bool, error) {
	if key := [3]string{r.Device, r.Channel, r.Unit}; f.head == nil || key != f.last {
		f.last = key
		f.head = append(appendJSON(append(f.head[:0], `{"device":`...), r.Device), `,"ch":`...)
		f.head = append(appendJSON(f.head, r.Channel), `,"t_ms":`...)
		f.unit = f.unit[:0]
		if r.Unit != "" {
			f.unit = appendJSON(append(f.unit, `,"unit":`...), r.Unit)
		}
	}
	b := appendInt(append(f.line[:0], f.head...), r.TMS)
	b = append(b, `,"v":`...)
	b = r.Value.AppendJSON(b)
	b = append(b, f.unit...)
	if q := quality(r.Quality); q != schema.QualityOK {
		b = appendJSON(append(b, `,"q":`...), string(q))
	}
	if t := timeQuality(r.Time); t != schema.TimeSynced {
		b = appendJSON(append(b, `,"time":`...), string(t))
	}
	f.line = append(b, "}\n"...)
	_, err := f.w.Write(f.line)
	return true, err
}

func (f *ndjsonForm) end() error { return nil }

func appendJSON(b []byte, s string) []byte {
	q, err := json.Marshal(s)
	if err != nil { // a string always marshals
		return append(b, `""`...)
	}
	return append(b, q...)
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }
