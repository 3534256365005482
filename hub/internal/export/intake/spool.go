package intake

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// spoolInMemory is how much of a spool stays in memory, compressed: some 10 MB of a file. What is longer goes to a file beside the store.
const spoolInMemory = 1 << 20

// spoolPattern names such files.
const spoolPattern = "import-*.tmp"

// Clean removes what imports of an earlier run, which was killed, left in a folder.
func Clean(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, spoolPattern))
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// spool keeps a file that is read twice: once to find what is wrong with it, once to store it. It is compressed, because what it is written
// on may be a memory card.
type spool struct {
	dir    string
	memory bytes.Buffer
	file   *os.File // nil = all is in memory
	packer *flate.Writer
}

func newSpool(dir string) *spool {
	s := &spool{dir: dir}
	s.packer, _ = flate.NewWriter(sink{s}, flate.BestSpeed) // fails for unknown levels only
	return s
}

// Write adds to the spool.
func (s *spool) Write(b []byte) (int, error) { return s.packer.Write(b) }

// sink takes what is compressed.
type sink struct{ s *spool }

func (k sink) Write(b []byte) (int, error) {
	s := k.s
	if s.file == nil && s.memory.Len()+len(b) <= spoolInMemory {
		return s.memory.Write(b)
	}
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, spoolPattern)
		if err != nil {
			return 0, fmt.Errorf("keep the file until it is checked: %w", err)
		}
		s.file = f
		if _, err := s.memory.WriteTo(f); err != nil {
			return 0, fmt.Errorf("keep the file until it is checked: %w", err)
		}
	}
	n, err := s.file.Write(b)
	if err != nil {
		err = fmt.Errorf("keep the file until it is checked: %w", err)
	}
	return n, err
}

// reader ends the writing and reads all of it from the start.
func (s *spool) reader() (io.Reader, error) {
	if err := s.packer.Close(); err != nil {
		return nil, err
	}
	if s.file == nil {
		return flate.NewReader(&s.memory), nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the file again: %w", err)
	}
	return flate.NewReader(s.file), nil
}

// Close forgets it.
func (s *spool) Close() error {
	if s.file == nil {
		return nil
	}
	_ = s.file.Close()
	return os.Remove(s.file.Name())
}
