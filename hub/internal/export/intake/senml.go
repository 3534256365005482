package intake

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/telltale-iot/telltale/hub/internal/export"
	"github.com/telltale-iot/telltale/schema"
)

// pack is what the records of a SenML file so far said for those after them.
type pack struct {
	s        *sheet
	baseName string
	baseUnit string
	base     float64 // time, s
	baseVal  float64
	version  float64 // 0 = none was named
}

func (s *sheet) readSenML(r io.Reader) error {
	in := &patient{r: r, left: maxRecord}
	dec := json.NewDecoder(in)
	first, err := dec.Token()
	if err != nil || first != json.Delim('[') {
		return orFile(in, err, "the file is no SenML: it does not begin with [")
	}
	p := &pack{s: s}
	for dec.More() {
		in.left = maxRecord
		var record map[string]json.RawMessage
		s.line++
		if err := dec.Decode(&record); err != nil {
			return orFile(in, err, "record %d is no JSON object: %v", s.line, err)
		}
		s.r.Lines++
		err := p.read(record)
		var bad *lineError
		if errors.As(err, &bad) {
			s.wrong(bad.message)
		} else if err != nil {
			return err
		}
	}
	in.left = maxRecord
	if last, err := dec.Token(); err != nil || last != json.Delim(']') {
		return orFile(in, err, "the file ends in its middle, after record %d", s.line)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return orFile(in, err, "there is something behind the end of the pack")
	}
	return nil
}

// orFile returns what reading failed with, or else that the file is wrong.
func orFile(in *patient, err error, format string, args ...any) error {
	switch {
	case in.err != nil:
		return in.err
	case in.long:
		return fileErrorf("there is a record of more than %d bytes", maxRecord)
	}
	return fileErrorf(format, args...)
}

// patient bounds how much is read for one record: the JSON decoder keeps all of it in memory.
type patient struct {
	r    io.Reader
	left int
	long bool
	err  error // of r
}

func (p *patient) Read(b []byte) (int, error) {
	if p.left == 0 {
		p.long = true
		return 0, io.ErrUnexpectedEOF
	}
	n, err := p.r.Read(b[:min(len(b), p.left)])
	p.left -= n
	if err != nil && !errors.Is(err, io.EOF) {
		p.err = err
	}
	return n, err
}

// record is one resolved record.
type record struct {
	name, unit string
	time       float64
	value      schema.Value
	values     int  // how many value fields it has
	empty      bool // only base fields
}

func (p *pack) read(fields map[string]json.RawMessage) error {
	r := record{empty: true}
	if err := p.bases(fields); err != nil {
		return err
	}
	for _, label := range slices.Sorted(maps.Keys(fields)) { // the same file gets the same answer
		if err := p.field(&r, label, fields[label]); err != nil {
			return err
		}
	}
	if r.empty {
		return nil
	}
	if r.values != 1 {
		return wrongf("the record has %d values; it needs one", r.values)
	}
	name := p.baseName + r.name
	if !export.ValidSenMLName(name) {
		return wrongf("%q is not a name: letters and digits, and behind the first one - : . / _", clip(name))
	}
	seconds := p.base + r.time
	if !(seconds >= export.RelativeBelow && seconds < 1e11) {
		return wrongf("the time %g counts from now, or is none; a file needs times since 1970, in seconds", seconds)
	}
	unit := r.unit
	if unit == "" {
		unit = p.baseUnit
	}
	unit, _ = export.UnitOfSenML(unit)
	device, ch := splitName(name)
	c, err := p.s.channel(source{device, ch}, wireID(ch), unit)
	if err != nil {
		return err
	}
	return p.s.take(c, int64(math.Round(seconds*1000)), r.value, schema.QualityOK, schema.TimeSynced)
}

// splitName takes the device off a name: what stands before the last : or /.
func splitName(name string) (device, ch string) {
	if i := strings.LastIndexAny(name, ":/"); i >= 0 && i < len(name)-1 {
		return name[:i], name[i+1:]
	}
	return "", name
}

// bases takes the base fields, which hold from this record on.
func (p *pack) bases(fields map[string]json.RawMessage) error {
	for _, b := range []struct {
		label string
		to    any
	}{{"bn", &p.baseName}, {"bu", &p.baseUnit}, {"bt", &p.base}, {"bv", &p.baseVal}} {
		if raw, ok := fields[b.label]; ok {
			if err := decode(b.label, raw, b.to); err != nil {
				return err
			}
		}
	}
	if raw, ok := fields["bver"]; ok {
		var v float64
		if err := decode("bver", raw, &v); err != nil {
			return err
		}
		if v > export.Version && v != export.VersionSecondary {
			return fileErrorf("the pack is of version %g of SenML; up to %d is understood, and %d", v, export.Version, export.VersionSecondary)
		}
		if p.version != 0 && v != p.version {
			return fileErrorf("the pack says two versions of SenML, %g and %g", p.version, v)
		}
		p.version = v
	}
	return nil
}

// field takes a field that is not a base field.
func (p *pack) field(r *record, label string, raw json.RawMessage) error {
	switch label {
	case "bn", "bu", "bt", "bv", "bver":
		return nil
	case "bs", "s":
		return wrongf("the record has a sum (%s), which has no place here; take it out", label)
	case "vd":
		return wrongf("the record has binary data (vd), which has no place here")
	}
	r.empty = false
	switch label {
	case "n":
		return decode(label, raw, &r.name)
	case "u":
		return decode(label, raw, &r.unit)
	case "t":
		return decode(label, raw, &r.time)
	case "v":
		var f float64
		err := decode(label, raw, &f)
		if f += p.baseVal; err == nil && math.IsInf(f, 0) {
			err = wrongf("value and base value together are not finite")
		}
		r.value, r.values = schema.Number(f), r.values+1
		return err
	case "vb":
		var b bool
		err := decode(label, raw, &b)
		r.value, r.values = schema.Bool(b), r.values+1
		return err
	case "vs":
		var text string
		err := decode(label, raw, &text)
		if err == nil && len(text) > schema.MaxText {
			err = wrongf("a text has at most %d bytes", schema.MaxText)
		}
		r.value, r.values = schema.Text(text), r.values+1
		return err
	}
	if strings.HasSuffix(label, "_") {
		return wrongf("the record has a field %q that must be understood, and is not", clip(label))
	}
	return nil // ut, and what others added
}

func decode(label string, raw json.RawMessage, to any) error {
	if err := json.Unmarshal(raw, to); err != nil || string(raw) == "null" {
		return wrongf("%s is %s, which it cannot be", label, clip(string(raw)))
	}
	return nil
}
