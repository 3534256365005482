package chip

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sort"
	"strings"
	"sync"
	"time"
)

// Files is a machine's file system in which a file's text is made when it is opened, as in the kernel's sysfs. Safe for concurrent use.
type Files struct {
	mu    sync.Mutex
	texts map[string]func() (string, error)
}

var _ fs.FS = (*Files)(nil)

// NewFiles returns an empty file system.
func NewFiles() *Files { return &Files{texts: map[string]func() (string, error){}} }

// Put adds a file; the folders above it are there with it. The name is slash separated, without a slash in front.
func (f *Files) Put(name string, text func() (string, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.texts[name] = text
}

// Open implements fs.FS. Errors: those of fs.FS, or what the file's text reports (a sensor that does not answer), in a fs.PathError.
func (f *Files) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	f.mu.Lock()
	text, children := f.texts[name], f.children(name)
	f.mu.Unlock()
	if text != nil {
		s, err := text()
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return &file{entry: entry{name: path.Base(name)}, Reader: bytes.NewReader([]byte(s))}, nil
	}
	if len(children) == 0 && name != "." {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &folder{entry: entry{name: path.Base(name), dir: true}, children: children}, nil
}

// children lists a folder, sorted.
func (f *Files) children(dir string) []fs.DirEntry {
	prefix := dir + "/"
	if dir == "." {
		prefix = ""
	}
	seen := map[string]bool{}
	var list []fs.DirEntry
	for name := range f.texts {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		first, _, deeper := strings.Cut(rest, "/")
		if !seen[first] {
			seen[first] = true
			list = append(list, entry{name: first, dir: deeper})
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name() < list[j].Name() })
	return list
}

// entry describes a file or a folder.
type entry struct {
	name string
	dir  bool
}

// pageSize is what sysfs says of the size of every file, whatever is in it.
const pageSize = 4096

func (e entry) Name() string               { return e.name }
func (e entry) Size() int64                { return pageSize }
func (e entry) IsDir() bool                { return e.dir }
func (e entry) ModTime() time.Time         { return time.Time{} }
func (e entry) Sys() any                   { return nil }
func (e entry) Type() fs.FileMode          { return e.Mode().Type() }
func (e entry) Info() (fs.FileInfo, error) { return e, nil }
func (e entry) Mode() fs.FileMode {
	if e.dir {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

type file struct {
	entry
	*bytes.Reader
}

func (f *file) Stat() (fs.FileInfo, error) { return f.entry, nil }
func (f *file) Size() int64                { return pageSize }
func (f *file) Close() error               { return nil }

type folder struct {
	entry
	children []fs.DirEntry
	at       int
}

func (d *folder) Stat() (fs.FileInfo, error) { return d.entry, nil }
func (d *folder) Close() error               { return nil }
func (d *folder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: fs.ErrInvalid}
}

// ReadDir implements fs.ReadDirFile.
func (d *folder) ReadDir(n int) ([]fs.DirEntry, error) {
	rest := d.children[d.at:]
	if n > 0 && len(rest) == 0 {
		return nil, io.EOF
	}
	if n > 0 && n < len(rest) {
		rest = rest[:n]
	}
	d.at += len(rest)
	return append([]fs.DirEntry(nil), rest...), nil
}

// Thermometer models Maxim's DS18B20 behind the kernel's one-wire files.
type Thermometer struct{ Health }

// powerOn is what a DS18B20 says before its first conversion, or when its supply breaks down. Source: DS18B20 data sheet, table 1, note.
const powerOn = 85.0

// NewThermometer adds the files of a sensor to a file system. id: "28-" and twelve hexadecimal digits. celsius is rounded to 1/16 °C.
func NewThermometer(f *Files, id string, celsius Signal, mono Mono) *Thermometer {
	t := &Thermometer{}
	measure := t.Watch(celsius)
	milli := func() (int, error) {
		if t.Get() == Dead {
			return 0, ErrNak
		}
		c := min(125, max(-55, measure(mono())))
		if t.Get() == Absurd {
			c = powerOn
		}
		return sixteenths(c) * 1000 / 16, nil
	}
	dir := "sys/bus/w1/devices/" + id
	f.Put(dir+"/name", func() (string, error) { return id + "\n", nil })
	f.Put(dir+"/resolution", func() (string, error) { return "12\n", nil })
	f.Put(dir+"/temperature", func() (string, error) {
		m, err := milli()
		return fmt.Sprintf("%d\n", m), err
	})
	f.Put(dir+"/w1_slave", func() (string, error) {
		m, err := milli()
		return scratchpad(m), err
	})
	return t
}

// sixteenths rounds to the chip's resolution.
func sixteenths(c float64) int {
	if c < 0 {
		return -int(-c*16 + 0.5)
	}
	return int(c*16 + 0.5)
}

// scratchpad is the text of w1_slave: the chip's nine bytes with their checksum, twice.
func scratchpad(milli int) string {
	raw := uint16(int16(sixteenths(float64(milli) / 1000)))
	pad := []byte{byte(raw), byte(raw >> 8), 0x4b, 0x46, 0x7f, 0xff, 0x0c, 0x10}
	crc := maximCRC(pad)
	hex := fmt.Sprintf("% x", append(pad, crc))
	return fmt.Sprintf("%s : crc=%02x YES\n%s t=%d\n", hex, crc, hex, milli)
}

// maximCRC is the one-wire checksum. Source: Maxim application note 27.
func maximCRC(b []byte) byte {
	crc := byte(0)
	for _, v := range b {
		for range 8 {
			mix := (crc ^ v) & 1
			crc >>= 1
			if mix != 0 {
				crc ^= 0x8C
			}
			v >>= 1
		}
	}
	return crc
}
