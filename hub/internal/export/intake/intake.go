// Package intake reads files of readings, CSV and SenML (RFC 8428), and brings them into the store as readings of one device.
//
// It guarantees: nothing of a file is stored while one line of it is wrong, and every wrong line is counted, the first ones with their
// number and the reason in words; a file that is imported again stores nothing twice, nor does one whose readings the device has from
// elsewhere; memory does not grow with the file. It refuses what it would have to guess: times without a zone, columns it does not know,
// units that are not the channel's, values of another type, two names that would become one channel.
//
// Start at [Import], then [Read].
package intake

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/export"
	"github.com/telltale-iot/telltale/schema"
)

const (
	// maxProblems bounds the wrong lines that a report describes: who has more has made one mistake many times.
	maxProblems = 20
	// maxChannels bounds the channels of one file, as those of a device that describes itself.
	maxChannels = 256
	// maxRecord bounds a line of a CSV file and a record of a SenML file, in bytes: what is longer is no reading.
	maxRecord = 64 << 10
)

// Options say how a file is read.
type Options struct {
	// Format of the file: CSV or SenML.
	Format schema.FileFormat
	// Channel is the wire id for readings of a file that has no column for it; "" = the file must have one.
	Channel string
	// Zone is where times without a zone were written; nil = they are wrong.
	Zone *time.Location
	// Now is the hub's clock: what lies further ahead than schema.FarFuture is wrong.
	Now time.Time
	// Known tells type and unit of a channel that the device describes or has; "" = not known. nil = nothing is known.
	Known func(ch string) (t schema.ValueType, unit string, has bool)
}

// FileError is what is wrong with a file as a whole, in words for people.
type FileError struct{ Message string }

// Error returns the message.
func (e *FileError) Error() string { return e.Message }

func fileErrorf(format string, args ...any) error { return &FileError{fmt.Sprintf(format, args...)} }

// Read calls put for every reading of a file, in the file's order, and reports what it found. The row belongs to Read.
//
// A line that is wrong is counted and the next one read. Errors: [*FileError] when the file cannot be read on, put's error, and that of r.
// The report holds in every case for what was read until then. Held by TestRoundTrips, FuzzCSV, FuzzSenML.
func Read(r io.Reader, o Options, put func(*export.Row) error) (schema.FileReport, error) {
	if o.Known == nil {
		o.Known = func(string) (schema.ValueType, string, bool) { return "", "", false }
	}
	s := &sheet{o: o, put: put, byName: map[source]*channel{}, byID: map[string]*channel{}}
	var err error
	switch o.Format {
	case schema.FormatCSV:
		err = s.readCSV(r)
	case schema.FormatSenML:
		err = s.readSenML(r)
	default:
		err = fileErrorf("files of format %q cannot be imported; csv and senml can", o.Format)
	}
	var bad *FileError
	if errors.As(err, &bad) {
		s.wrongFile(bad.Message)
	}
	return s.result(), err
}
