// Package export writes readings as files that other programs read: CSV, NDJSON, SenML (RFC 8428) and Parquet.
//
// It guarantees: what is written depends on the readings alone (the same readings give the same bytes), memory does not grow with their
// number, and what a format cannot say is counted and never dropped in silence ([Writer.LeftOut]). It refuses a format it does not know
// and, in SenML, a name that the format does not allow. It asks nobody for readings: whoever has them calls [Writer.Write].
//
// The package below it, intake, reads CSV and SenML back; both share the spelling of texts ([Defuse]) and units ([SenMLUnit]). This is the
// only package that knows the Parquet library. Start at [New].
package export

import (
	"fmt"
	"io"

	"github.com/telltale-iot/telltale/schema"
)

// Row is one reading.
type Row struct {
	Device  string             // id
	Channel string             // wire id
	Unit    string             // as Home Assistant spells it; "" = none
	Class   string             // Home Assistant's device class; "" = none
	TMS     int64              // Unix ms
	Value   schema.Value       // in the unit
	Quality schema.Quality     // "" = ok
	Time    schema.TimeQuality // "" = synced
}

// Options of a file.
type Options struct {
	// Origin names the hub in formats whose names must be unique in the world (SenML): letters and digits. "" = not named.
	Origin string
	// Units are those of all channels that will come: SenML says at its beginning whether it uses secondary units.
	Units []Unit
}

// Unit is the unit of a channel as Home Assistant spells it, with the device class.
type Unit struct{ Name, Class string }

// form is one format. put reports whether the format could say the reading.
type form interface {
	put(r *Row) (said bool, err error)
	end() error
}

// Writer writes one file. It is not safe for concurrent use.
type Writer struct {
	form     form
	readings int64
	leftOut  int64
}

// New begins a file in a format. Rows of a channel should come one after the other and in order of time: all formats are smaller then.
//
// Memory: CSV, NDJSON and SenML a few KB; Parquet one row group (see parquet.go). Writes to w are small: give it a buffer. Error: a
// format that is not known. Held by TestRoundTrips, TestParquetIsTypedAndComesBack, TestMemoryDoesNotGrowWithTheReadings, TestTheSameReadingsGiveTheSameBytes.
func New(f schema.FileFormat, w io.Writer, o Options) (*Writer, error) {
	switch f {
	case schema.FormatCSV:
		return &Writer{form: &csvForm{w: w}}, nil
	case schema.FormatNDJSON:
		return &Writer{form: &ndjsonForm{w: w}}, nil
	case schema.FormatSenML:
		return &Writer{form: &senmlForm{w: w, origin: o.Origin, secondary: anySecondary(o.Units)}}, nil
	case schema.FormatParquet:
		return &Writer{form: newParquet(w, rowGroup)}, nil
	}
	return nil, fmt.Errorf("there is no format %q; there are csv, ndjson, senml and parquet", f)
}

// Write adds a reading. Errors: those of the underlying writer, and a name that the format does not allow; the file is broken then.
func (w *Writer) Write(r *Row) error {
	said, err := w.form.put(r)
	switch {
	case err != nil:
		return err
	case said:
		w.readings++
	default:
		w.leftOut++
	}
	return nil
}

// Close ends the file; it does not close the underlying writer. A file without Close is not whole.
func (w *Writer) Close() error { return w.form.end() }

// Readings returns how many readings are in the file.
func (w *Writer) Readings() int64 { return w.readings }

// LeftOut returns how many readings the format could not say: in SenML those without a value, and those before July 1978, whose
// times mean something else there.
func (w *Writer) LeftOut() int64 { return w.leftOut }

func quality(q schema.Quality) schema.Quality {
	if q == "" {
		return schema.QualityOK
	}
	return q
}

func timeQuality(q schema.TimeQuality) schema.TimeQuality {
	if q == "" {
		return schema.TimeSynced
	}
	return q
}
