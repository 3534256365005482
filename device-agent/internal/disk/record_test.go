package disk

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestRecordsComeBack(t *testing.T) {
	var data []byte
	bodies := [][]byte{{}, []byte("a"), bytes.Repeat([]byte("x"), 1000)}
	for _, b := range bodies {
		data = AppendRecord(data, b)
	}
	i := 0
	good, err := ReadRecords(data, func(b []byte) error {
		if !bytes.Equal(b, bodies[i]) {
			t.Errorf("record %d differs", i)
		}
		i++
		return nil
	})
	if err != nil || good != len(data) || i != len(bodies) {
		t.Errorf("good %d of %d, %d records, err %v", good, len(data), i, err)
	}
}

func TestNamesThatArePathsAreRefused(t *testing.T) {
	d, err := OpenDir(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", ".", "..", "a/b", `a\b`, "../x"} {
		if _, err := d.Create(name); !errors.Is(err, ErrName) {
			t.Errorf("create %q: %v", name, err)
		}
	}
}

func TestDirKeepsFilesPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	d, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Create("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "a"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, err %v", info.Mode(), err)
	}
	names, err := d.List()
	if err != nil || len(names) != 1 {
		t.Errorf("%v %v", names, err)
	}
	if err := errors.Join(d.Remove("a"), d.Remove("a")); err != nil {
		t.Error(err)
	}
}

func FuzzReadRecords(f *testing.F) {
	f.Add(AppendRecord(nil, []byte("hello")))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		var again []byte
		good, err := ReadRecords(data, func(b []byte) error { again = AppendRecord(again, b); return nil })
		if good > len(data) || !bytes.Equal(again, data[:good]) {
			t.Fatalf("good %d of %d, and writing them again gives something else", good, len(data))
		}
		if err == nil && good != len(data) {
			t.Fatal("bytes were skipped without an error")
		}
	})
}
