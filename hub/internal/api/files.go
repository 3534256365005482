package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

const (
	// maxFile bounds a file that is imported, in bytes: ten million readings as CSV. A larger one can be cut anywhere.
	maxFile = 1 << 30
	// maxFiles bounds the exports and imports that run at once: each costs a core and some MB.
	maxFiles = 4
	// fileBuffer is how much of a file is collected before it is sent, in bytes; until then an error can still be said in words.
	fileBuffer = 64 << 10
	// fileChannels bounds the channels that one export may name; without names it has all.
	fileChannels = 256
	// progressEvery is how often an import says how far it is, to whoever wants to know.
	progressEvery = 500 * time.Millisecond
)

// The names of the trailers behind an exported file.
const (
	trailerReadings = "Telltale-Readings" // how many are in it
	trailerLeftOut  = "Telltale-Left-Out" // how many the format could not say
)

// Files are readings on their way out and in.
type Files interface {
	Export(ctx context.Context, q ExportQuery, w io.Writer) (readings, leftOut int64, err error)
	Import(ctx context.Context, q ImportQuery, r io.Reader, progress func(schema.FileReport)) (schema.FileReport, error)
}

// ExportQuery asks for the readings of a device as a file.
type ExportQuery struct {
	Device       string
	Format       schema.FileFormat
	Channels     []string // wire ids; none = all
	FromMS, ToMS int64    // both included
}

// ImportQuery says what to do with a file.
type ImportQuery struct {
	Device  string
	Format  schema.FileFormat
	Check   bool           // only look
	Name    string         // of a device that is made for the readings; "" = the device is there
	Channel string         // for a file that does not name its channel
	Zone    *time.Location // of times that name none; nil = there must be none
}

// file reserves a place for an export or import; it answers the request itself when there is none.
func (s *server) file(w http.ResponseWriter, r *http.Request) (release func(), ok bool) {
	select {
	case s.files <- struct{}{}:
		return func() { <-s.files }, true
	default:
		s.fail(w, r, schema.Problemf(schema.CodeBusy, "%d files are being exported or imported already; try again when one is done", maxFiles))
		return nil, false
	}
}

// export sends readings as a file. It may take as long as it wants while the client reads; what goes wrong after the first bytes breaks the
// connection, so that half a file is never taken for a whole one (TestWhatBreaksIsSaidBeforeTheFirstByteAndBreaksTheFileAfterIt).
func (s *server) export(w http.ResponseWriter, r *http.Request) {
	q, err := exportQuery(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if _, ok := s.find(w, r); !ok {
		return
	}
	release, ok := s.file(w, r)
	if !ok {
		return
	}
	defer release()
	out := &fileWriter{w: w, ctl: http.NewResponseController(w), head: func(h http.Header) { fileHeader(h, q) }}
	if r.Method == http.MethodHead {
		fileHeader(w.Header(), q)
		return
	}
	began := time.Now()
	readings, leftOut, err := s.o.Files.Export(r.Context(), q, out)
	if err == nil {
		err = out.send()
	}
	switch {
	case err == nil:
		w.Header().Set(trailerReadings, strconv.FormatInt(readings, 10))
		w.Header().Set(trailerLeftOut, strconv.FormatInt(leftOut, 10))
		s.log.Info("readings exported", "device", q.Device, "kind", q.Format, "count", readings, "bytes", out.sent, "took", time.Since(began))
	case !out.begun:
		s.fail(w, r, err)
	default:
		if r.Context().Err() == nil {
			s.log.Warn("an export broke", "device", q.Device, "bytes", out.sent, "err", err)
		}
		panic(http.ErrAbortHandler)
	}
}

func exportQuery(r *http.Request) (ExportQuery, error) {
	v := r.URL.Query()
	q := ExportQuery{Device: r.PathValue("id"), Format: schema.FileFormat(v.Get("format")), Channels: v["channel"]}
	if q.Format == "" {
		q.Format = schema.FormatCSV
	}
	var err error
	if q.ToMS, err = number(v.Get("to"), "to", time.Now().UnixMilli()); err != nil {
		return q, err
	}
	if q.FromMS, err = number(v.Get("from"), "from", 0); err != nil {
		return q, err
	}
	_, _, known := fileKind(q.Format)
	switch {
	case !known:
		err = schema.Problemf(schema.CodeOutOfRange, "there is no format %q; there are csv, ndjson, senml and parquet", q.Format)
	case q.FromMS < 0 || q.FromMS > q.ToMS:
		err = schema.Problemf(schema.CodeOutOfRange, "from and to are Unix milliseconds, from not after to")
	case len(q.Channels) > fileChannels:
		err = schema.Problemf(schema.CodeOutOfRange, "name at most %d channels, or none for all", fileChannels)
	}
	return q, err
}

// fileKind returns a format's media type and the ending of its files' names.
func fileKind(f schema.FileFormat) (media, ending string, known bool) {
	switch f {
	case schema.FormatCSV:
		return "text/csv; charset=utf-8; header=present", "csv", true
	case schema.FormatNDJSON:
		return "application/x-ndjson", "ndjson", true
	case schema.FormatSenML:
		return "application/senml+json", "senml.json", true
	case schema.FormatParquet:
		return "application/vnd.apache.parquet", "parquet", true
	}
	return "", "", false
}

func fileHeader(h http.Header, q ExportQuery) {
	media, ending, _ := fileKind(q.Format)
	name := "telltale-" + q.Device
	if len(q.Channels) == 1 {
		name += "-" + strings.Map(plainRune, q.Channels[0])
	}
	if q.FromMS > 0 {
		name += time.UnixMilli(q.FromMS).UTC().Format("-20060102")
	}
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s%s.%s"`, name, time.UnixMilli(q.ToMS).UTC().Format("-20060102"), ending))
	h.Set("Trailer", trailerReadings+", "+trailerLeftOut)
}

// plainRune keeps what is harmless in a file's name.
func plainRune(c rune) rune {
	if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' {
		return c
	}
	return '-'
}

// fileWriter collects a file and sends it in pieces, each of which the client has some time to take.
type fileWriter struct {
	w     http.ResponseWriter
	ctl   *http.ResponseController
	head  func(http.Header)
	buf   []byte
	begun bool
	sent  int64
}

// Write collects.
func (f *fileWriter) Write(b []byte) (int, error) {
	if len(f.buf)+len(b) > fileBuffer && len(f.buf) > 0 {
		if err := f.send(); err != nil {
			return 0, err
		}
	}
	f.buf = append(f.buf, b...)
	return len(b), nil
}

func (f *fileWriter) send() error {
	if !f.begun {
		f.begun = true
		f.head(f.w.Header())
	}
	if err := f.ctl.SetWriteDeadline(time.Now().Add(answerWithin)); err != nil {
		return err
	}
	n, err := f.w.Write(f.buf)
	f.sent += int64(n)
	f.buf = f.buf[:0]
	return err
}

// load imports a file, or says what is in it. A file with wrong lines is answered with its report too, and status 422.
func (s *server) load(w http.ResponseWriter, r *http.Request) {
	q, err := importQuery(r)
	if err == nil && r.ContentLength > maxFile {
		err = arrival(&http.MaxBytesError{Limit: maxFile})
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if !s.mayLoad(w, r, q) {
		return
	}
	release, ok := s.file(w, r)
	if !ok {
		return
	}
	defer release()
	out := &reporter{w: w, ctl: http.NewResponseController(w), wanted: strings.Contains(r.Header.Get("Accept"), "application/x-ndjson")}
	rep, err := s.o.Files.Import(r.Context(), q, &fileReader{r: r.Body, ctl: out.ctl}, out.progress)
	err = arrival(err)
	if err != nil && rep.Stored > 0 {
		s.log.Warn("an import stopped in its middle; the same file again goes on where it stopped", "device", q.Device, "count", rep.Stored, "err", err)
	} else if rep.Stored > 0 {
		s.log.Info("readings imported", "device", q.Device, "count", rep.Stored)
	}
	if deadline := out.ctl.SetWriteDeadline(time.Now().Add(answerWithin)); deadline != nil && err == nil {
		err = deadline
	}
	status := http.StatusOK
	if rep.State == "refused" && !q.Check {
		status = http.StatusUnprocessableEntity
	}
	switch {
	case !out.begun:
		s.answer(w, r, status, rep, err)
	case err != nil:
		out.line(s.problem(r, err))
	default:
		out.line(rep)
	}
}

// arrival says in words why a file did not arrive; any other error stays as it is.
func arrival(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return schema.Problemf(schema.CodeTooLarge, "a file may have %d MB; import it in pieces", maxFile>>20)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return schema.Problemf(schema.CodeBadFrame, "the file did not arrive whole; nothing of it was stored")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return schema.Problemf(schema.CodeTimeout, "nothing of the file arrived for %s; nothing of it was stored", answerWithin)
	}
	return err
}

// mayLoad answers the request itself when the device is not there, or is there and should not be.
func (s *server) mayLoad(w http.ResponseWriter, r *http.Request, q ImportQuery) bool {
	if q.Name == "" {
		_, ok := s.find(w, r)
		return ok
	}
	_, there, err := s.o.Devices.Device(r.Context(), q.Device)
	switch {
	case err != nil:
	case there:
		err = schema.Problemf(schema.CodeConflict, "there is a device %q already; import into it, without a name for a new one", q.Device)
	case !schema.ValidDevice(q.Device) || len(q.Name) > schema.MaxName:
		err = schema.Problemf(schema.CodeOutOfRange, "a device's id is 1 to 63 of a-z, 0-9 and -, its name at most %d bytes", schema.MaxName)
	}
	if err != nil {
		s.fail(w, r, err)
	}
	return err == nil
}

func importQuery(r *http.Request) (ImportQuery, error) {
	v := r.URL.Query()
	q := ImportQuery{Device: r.PathValue("id"), Format: schema.FileFormat(v.Get("format")), Name: v.Get("name"), Channel: v.Get("channel")}
	switch v.Get("check") {
	case "", "false", "0":
	default:
		q.Check = true
	}
	if q.Format == "" {
		q.Format = schema.FormatCSV
	}
	if q.Format != schema.FormatCSV && q.Format != schema.FormatSenML {
		return q, schema.Problemf(schema.CodeOutOfRange, "files of format %q cannot be imported; csv and senml can", q.Format)
	}
	if zone := v.Get("zone"); zone != "" {
		var err error
		if q.Zone, err = time.LoadLocation(zone); err != nil || zone == "Local" {
			return q, schema.Problemf(schema.CodeOutOfRange, "there is no time zone %q; it looks like UTC or Europe/Berlin", zone)
		}
	}
	return q, nil
}

// fileReader gives the client some time for each piece.
type fileReader struct {
	r   io.Reader
	ctl *http.ResponseController
}

// Read reads the next piece.
func (f *fileReader) Read(b []byte) (int, error) {
	if err := f.ctl.SetReadDeadline(time.Now().Add(answerWithin)); err != nil {
		return 0, err
	}
	n, err := f.r.Read(b)
	if err != nil {
		_ = f.ctl.SetReadDeadline(time.Time{}) // or the server, which listens whether the client goes, would take silence for that
	}
	return n, err
}

// reporter sends reports while an import runs, one per line, to a client that asked for them.
type reporter struct {
	w      http.ResponseWriter
	ctl    *http.ResponseController
	wanted bool
	begun  bool
	last   time.Time
}

// progress sends a report now and then. Not before the file has arrived: an answer before the end of a request would end it.
func (p *reporter) progress(rep schema.FileReport) {
	if !p.wanted || rep.State == "reading" || time.Since(p.last) < progressEvery {
		return
	}
	p.last = time.Now()
	if p.ctl.SetWriteDeadline(p.last.Add(answerWithin)) == nil {
		p.line(rep)
	}
}

func (p *reporter) line(v any) {
	if !p.begun {
		p.begun = true
		p.w.Header().Set("Content-Type", "application/x-ndjson")
	}
	_ = json.NewEncoder(p.w).Encode(v) // the client may be gone; its context says so
	_ = p.ctl.Flush()
}
