// Package dbfile reads an SQLite database file page by page, without SQLite: also one that SQLite refuses to open or to read on.
//
// [Open] takes a file and the WAL beside it, [File.Survey] finds out which pages belong to which table, by walking down from the roots and, where a
// page on the way is damaged, by walking up through the pointer map that files with auto_vacuum have. [Survey.Each] then
// passes the cells of a table or an index in order, with a mark wherever some are missing, and [File.Record] takes a cell apart. It only ever
// reads. Nothing here trusts a number in the file: whatever bytes there are, every call ends and none panics (FuzzAnyBytes).
//
// Source: the SQLite database file format, https://www.sqlite.org/fileformat2.html.
package dbfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// usualPageSize is assumed where the first page does not say it: SQLite's default, and what the store has always used.
const usualPageSize = 4096

// maxFilePages bounds the pages of a file, as SQLite itself does.
const maxFilePages = 1<<32 - 2

// ErrBad is returned for a page or a cell that makes no sense.
var ErrBad = errors.New("damaged")

// File is an open database file. Not safe for concurrent use.
type File struct {
	data, log  io.ReaderAt
	close      func() error
	pageSize   int
	usable     int // bytes of a page that hold content
	pages      uint32
	autoVacuum bool
	headless   bool             // the first page is damaged
	inLog      map[uint32]int64 // offsets in the WAL of pages that are newer there
	mapNo      uint32           // the page of the pointer map that was read last
	mapBytes   []byte
}

// Open opens a database file for reading, with what its WAL has committed. Errors: the file cannot be read.
func Open(name string) (*File, error) {
	data, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	log, err := os.Open(name + "-wal")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errors.Join(err, data.Close())
	}
	if err != nil {
		log = nil
	}
	f, err := open(data, log)
	if err != nil {
		_ = data.Close()
		if log != nil {
			_ = log.Close()
		}
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return f, nil
}

func open(data, log *os.File) (*File, error) {
	info, err := data.Stat()
	if err != nil {
		return nil, err
	}
	f := &File{data: data, close: data.Close}
	var logSize int64
	if log != nil {
		info, err := log.Stat()
		if err != nil {
			return nil, err
		}
		logSize, f.log = info.Size(), log
		f.close = func() error { return errors.Join(data.Close(), log.Close()) }
	}
	return f, f.read(info.Size(), logSize)
}

// read learns the file's geometry.
func (f *File) read(size, logSize int64) error {
	header := make([]byte, 100)
	if _, err := f.data.ReadAt(header, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	f.header(header)
	f.pages = uint32(min(size/int64(f.pageSize), maxFilePages))
	if f.log != nil {
		if err := f.readLog(logSize); err != nil {
			return err
		}
		if _, ok := f.inLog[1]; ok { // the first page may only be there, or be newer there
			p, err := f.raw(1)
			if err != nil {
				return err
			}
			f.header(p)
		}
	}
	return nil
}

// header takes page size and kind from the first page, or the usual ones when it is damaged.
func (f *File) header(b []byte) {
	size := int(binary.BigEndian.Uint16(b[16:]))
	if size == 1 {
		size = 65536
	}
	reserved := int(b[20])
	f.headless = string(b[:16]) != "SQLite format 3\x00" || size < 512 || size&(size-1) != 0 || size-reserved < 480
	if f.headless {
		f.pageSize, f.usable, f.autoVacuum = usualPageSize, usualPageSize, true
		return
	}
	f.pageSize, f.usable = size, size-reserved
	f.autoVacuum = binary.BigEndian.Uint32(b[52:]) != 0
}

// Close closes the file.
func (f *File) Close() error { return f.close() }

// raw returns a page's bytes as of the newest commit.
func (f *File) raw(n uint32) ([]byte, error) {
	if n == 0 || n > f.pages {
		return nil, fmt.Errorf("page %d of %d: %w", n, f.pages, ErrBad)
	}
	b := make([]byte, f.pageSize)
	from, at := f.data, int64(n-1)*int64(f.pageSize)
	if offset, ok := f.inLog[n]; ok {
		from, at = f.log, offset
	}
	if _, err := from.ReadAt(b, at); err != nil {
		return nil, fmt.Errorf("page %d: %w: %w", n, ErrBad, err) // a sector that the disk cannot read, or a file cut short
	}
	return b, nil
}
