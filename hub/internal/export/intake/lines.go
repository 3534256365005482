package intake

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// cell is one field of a CSV line.
type cell struct {
	text   string
	quoted bool
}

// lines splits CSV into lines of cells, as RFC 4180 says: lines end with CRLF or LF, a cell in quotes may hold both. The standard library's
// reader has no bound for a line, turns CRLF inside quotes into LF and does not tell what was quoted.
type lines struct {
	in    *bufio.Reader
	sep   byte
	line  int64 // the line that next reads begins with this number
	raw   []byte
	cells []cell
	ends  []int // of the cells, in raw
	quote []bool
}

func newLines(r io.Reader) *lines { return &lines{in: bufio.NewReaderSize(r, maxRecord), sep: ','} }

// begin skips a byte order mark and finds out what separates the cells: what the first line has most of.
func (l *lines) begin() error {
	head, err := l.in.Peek(maxRecord)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff}) {
		return fileErrorf("the file is UTF-16; save it as UTF-8")
	}
	if bom := []byte{0xef, 0xbb, 0xbf}; bytes.HasPrefix(head, bom) {
		if _, err := l.in.Discard(len(bom)); err != nil {
			return err
		}
	}
	if end := bytes.IndexByte(head, '\n'); end >= 0 {
		head = head[:end]
	}
	for _, c := range []byte(";\t") {
		if bytes.Count(head, []byte{c}) > bytes.Count(head, []byte{l.sep}) {
			l.sep = c
		}
	}
	return nil
}

// next returns the next line that is not empty, and its number; the cells hold until the call after it. Errors: io.EOF at the end, lineError
// when the line is wrong (the next one can be read), that of the reader.
func (l *lines) next() (cells []cell, line int64, err error) {
	for {
		line = l.line + 1
		err := l.record()
		if err != nil {
			return nil, line, err
		}
		if len(l.ends) > 1 || l.ends[0] > 0 || l.quote[0] {
			break
		}
	}
	if !utf8.Valid(l.raw) {
		return nil, line, wrongf("the line is not UTF-8")
	}
	text, from := string(l.raw), 0
	l.cells = l.cells[:0]
	for i, end := range l.ends {
		l.cells = append(l.cells, cell{text[from:end], l.quote[i]})
		from = end
	}
	return l.cells, line, nil
}

// record reads bytes until the end of a line.
func (l *lines) record() error {
	l.raw, l.ends, l.quote = l.raw[:0], l.ends[:0], l.quote[:0]
	begun, quoted, closed := false, false, false // the file has more; in quotes; behind closing quotes
	used := 0
	for {
		c, err := l.in.ReadByte()
		if err != nil {
			if !errors.Is(err, io.EOF) || !begun {
				return err
			}
			if quoted {
				l.line++
				return wrongf("the quote that begins here has no end")
			}
			l.line++
			l.cut(closed)
			return nil
		}
		begun = true
		if used++; used > maxRecord {
			return l.skip(c, "the line is longer than %d bytes; is a quote missing?", maxRecord)
		}
		switch {
		case quoted && c == '"':
			if b, err := l.in.Peek(1); err == nil && b[0] == '"' {
				_, _ = l.in.ReadByte() // it was just seen
				l.raw = append(l.raw, '"')
				continue
			}
			quoted, closed = false, true
		case quoted:
			if c == '\n' {
				l.line++
			}
			l.raw = append(l.raw, c)
		case c == '\n':
			l.line++
			l.cut(closed)
			return nil
		case c == '\r' && l.atLineEnd():
		case c == l.sep:
			l.cut(closed)
			closed = false
		case closed:
			return l.skip(c, "there is text behind a closing quote")
		case c == '"' && len(l.raw) == l.from():
			quoted = true
		case c == '"' || c == '\r' || c == 0:
			return l.skip(c, "a quote, a carriage return or a zero stands where none may; a cell that has one must be in quotes")
		default:
			l.raw = append(l.raw, c)
		}
	}
}

// atLineEnd reports whether a line feed, or nothing, follows.
func (l *lines) atLineEnd() bool {
	b, err := l.in.Peek(1)
	return err != nil || b[0] == '\n'
}

// from is where the current cell begins.
func (l *lines) from() int {
	if len(l.ends) == 0 {
		return 0
	}
	return l.ends[len(l.ends)-1]
}

func (l *lines) cut(quoted bool) {
	l.ends, l.quote = append(l.ends, len(l.raw)), append(l.quote, quoted)
}

// skip passes the rest of a wrong line, of which c was the last byte read.
func (l *lines) skip(c byte, format string, args ...any) error {
	for c != '\n' {
		var err error
		if c, err = l.in.ReadByte(); err != nil && !errors.Is(err, io.EOF) {
			return err
		} else if err != nil {
			break
		}
	}
	l.line++
	return wrongf(format, args...)
}
