package crashfs_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/telltale-iot/telltale/internal/crashfs"
)

const seeds = 60

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put writes at an offset of a file, which it creates if need be, and syncs it if asked.
func put(t *testing.T, path string, off int64, data []byte, sync func(*os.File) error) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	_, err = f.WriteAt(data, off)
	must(t, err)
	if sync != nil {
		must(t, sync(f))
	}
	must(t, f.Close())
}

func fsync(f *os.File) error     { return f.Sync() }
func fdatasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

func syncDir(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(dir)
	must(t, err)
	must(t, f.Sync())
	must(t, f.Close())
}

// after calls look for the folder that each of many cuts of the disk leaves.
func after(t *testing.T, d *crashfs.Disk, look func(dir string)) {
	t.Helper()
	for seed := range uint64(seeds) {
		dir := t.TempDir()
		must(t, d.Cut(random(seed)).Export(dir))
		look(dir)
	}
}

// read returns a file's content and whether it is there.
func read(t *testing.T, path string) (string, bool) {
	t.Helper()
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false
	}
	must(t, err)
	return string(b), true
}

func TestOnlyWhatWasSyncedSurvives(t *testing.T) {
	t.Parallel()
	for name, sync := range map[string]func(*os.File) error{"fsync": fsync, "fdatasync": fdatasync} {
		d := crashfs.New()
		dir, _ := crashfs.Mounted(t, d)
		put(t, filepath.Join(dir, "synced"), 0, []byte("kept"), sync)
		put(t, filepath.Join(dir, "unsynced"), 0, []byte("lost"), nil)
		gone, there, empty := 0, 0, 0
		after(t, d, func(dir string) {
			if s, _ := read(t, filepath.Join(dir, "synced")); s != "kept" {
				t.Errorf("%s: the synced file has %q", name, s)
			}
			switch s, ok := read(t, filepath.Join(dir, "unsynced")); {
			case !ok:
				gone++
			case s == "lost":
				there++
			case s == "":
				empty++
			default:
				t.Errorf("the unsynced file has %q", s)
			}
		})
		if gone == 0 || there == 0 || empty == 0 {
			t.Errorf("the unsynced file was gone %d times, whole %d times and empty %d times; a cut must be able to do each", gone, there, empty)
		}
	}
}

func TestSectorsAreTornAndReordered(t *testing.T) {
	t.Parallel()
	d := crashfs.New()
	dir, _ := crashfs.Mounted(t, d)
	file := filepath.Join(dir, "f")
	put(t, file, 0, bytes.Repeat([]byte{'a'}, 4096), fsync)
	syncDir(t, dir)
	put(t, file, 0, bytes.Repeat([]byte{'b'}, 2048), nil)
	put(t, file, 1024, bytes.Repeat([]byte{'c'}, 2000), nil) // its last sector has a's behind the c's
	torn, reordered := 0, 0
	after(t, d, func(dir string) {
		s, _ := read(t, filepath.Join(dir, "f"))
		if len(s) != 4096 {
			t.Fatalf("%d bytes, want 4096", len(s))
		}
		seen := map[byte]bool{}
		for off := 0; off < len(s); off += 512 {
			sector := s[off : off+512]
			seen[sector[0]] = true
			whole := sector == string(bytes.Repeat([]byte{sector[0]}, 512))
			if last := sector == string(bytes.Repeat([]byte{'c'}, 464))+string(bytes.Repeat([]byte{'a'}, 48)); !whole && !last {
				t.Fatalf("the sector at %d is a mixture that was never written", off)
			}
		}
		if seen['b'] && seen['a'] && s[0] != s[512] {
			torn++
		}
		if seen['c'] && s[0] == 'a' {
			reordered++
		}
	})
	if torn == 0 || reordered == 0 {
		t.Errorf("%d cuts tore a write, %d let a later one through without an earlier one; both must happen", torn, reordered)
	}
}

func TestNamesReachTheMediumInOrder(t *testing.T) {
	t.Parallel()
	d := crashfs.New()
	dir, _ := crashfs.Mounted(t, d)
	in := func(name string) string { return filepath.Join(dir, name) }
	put(t, in("a"), 0, []byte("1"), fsync)
	must(t, os.Rename(in("a"), in("b")))
	must(t, os.Mkdir(in("folder"), 0o700))
	put(t, in("c"), 0, []byte("2"), fsync) // takes along the rename and the folder
	must(t, os.Remove(in("b")))
	put(t, in("c"), 0, []byte("3"), fdatasync) // overwrites: no names
	must(t, os.Rename(in("c"), in("d")))
	removed, renamed := 0, 0
	after(t, d, func(dir string) {
		_, a := read(t, filepath.Join(dir, "a"))
		b, hasB := read(t, filepath.Join(dir, "b"))
		c, hasC := read(t, filepath.Join(dir, "c"))
		v, hasD := read(t, filepath.Join(dir, "d"))
		if info, err := os.Stat(filepath.Join(dir, "folder")); a || hasB && b != "1" || err != nil || !info.IsDir() {
			t.Errorf("what the first sync took along is not there: a %v, b %q, %v", a, b, err)
		}
		if hasC == hasD || c+v != "3" {
			t.Errorf("the second file: c %q, d %q", c, v)
		}
		if hasD && hasB {
			t.Error("the rename came through without the earlier unlink")
		}
		if !hasB {
			removed++
		}
		if hasD {
			renamed++
		}
	})
	if removed == 0 || removed == seeds || renamed == 0 || renamed >= removed {
		t.Errorf("%d unlinks and %d renames came through of %d", removed, renamed, seeds)
	}
}

func TestAFileBehindALostTruncationIsTheOldOne(t *testing.T) {
	t.Parallel()
	d := crashfs.New()
	dir, _ := crashfs.Mounted(t, d)
	put(t, filepath.Join(dir, "f"), 0, []byte("old old old"), fsync)
	must(t, os.WriteFile(filepath.Join(dir, "f"), []byte("new"), 0o600))
	seen := map[string]int{}
	after(t, d, func(dir string) {
		s, _ := read(t, filepath.Join(dir, "f"))
		seen[s]++
	})
	if seen["old old old"] == 0 || seen[""] == 0 || seen["new"] == 0 || len(seen) != 3 {
		t.Errorf("seen %v", seen)
	}
}

func TestTheDiskCanBeMountedAgain(t *testing.T) {
	t.Parallel()
	d := crashfs.New()
	dir, unmount := crashfs.Mounted(t, d)
	must(t, os.MkdirAll(filepath.Join(dir, "x", "y"), 0o700))
	put(t, filepath.Join(dir, "x", "y", "f"), 0, []byte("kept"), fsync)
	n := d.Ops()
	d.Fail(func(op crashfs.Op) error {
		if op.N == n {
			return crashfs.ErrPowerCut
		}
		return nil
	})
	for range 2 { // everything fails from there on
		if err := os.WriteFile(filepath.Join(dir, "g"), nil, 0o600); !errors.Is(err, syscall.EIO) {
			t.Errorf("after the cut: %v", err)
		}
	}
	d.Fail(nil)
	if _, err := os.ReadDir(dir); !errors.Is(err, syscall.EIO) {
		t.Errorf("after the cut: %v", err)
	}
	d2 := d.Cut(random(1))
	unmount()
	dir, unmount = crashfs.Mounted(t, d2)
	if s, _ := read(t, filepath.Join(dir, "x", "y", "f")); s != "kept" {
		t.Errorf("%q survived", s)
	}
	must(t, os.RemoveAll(filepath.Join(dir, "x")))
	unmount()
	if n := d2.Used(); n != 0 {
		t.Errorf("an empty disk has %d bytes", n)
	}
}

func TestAFailedSyncLosesWhatItShouldHaveWritten(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		d := crashfs.New()
		dir, _ := crashfs.Mounted(t, d)
		file := filepath.Join(dir, "f")
		put(t, file, 0, []byte("old"), fsync)
		if keep {
			d.KeepAfterFailedSync()
		}
		failed := false
		d.Fail(func(op crashfs.Op) error {
			if op.Kind == crashfs.Sync && !failed {
				failed = true
				return syscall.EIO
			}
			return nil
		})
		put(t, file, 0, []byte("new"), func(f *os.File) error {
			if err := f.Sync(); !errors.Is(err, syscall.EIO) {
				t.Errorf("the sync said %v", err)
			}
			return f.Sync()
		})
		if s, _ := read(t, file); s != "new" {
			t.Errorf("programs read %q", s)
		}
		want := "old"
		if keep {
			want = "new"
		}
		after(t, d, func(dir string) {
			if s, _ := read(t, filepath.Join(dir, "f")); s != want {
				t.Errorf("%q survived, want %q", s, want)
			}
		})
	}
}

func TestRoomAndReadOnly(t *testing.T) {
	t.Parallel()
	d := crashfs.New()
	dir, _ := crashfs.Mounted(t, d)
	file := filepath.Join(dir, "f")
	d.Room(1000)
	must(t, os.WriteFile(file, make([]byte, 900), 0o600))
	if err := os.WriteFile(filepath.Join(dir, "g"), make([]byte, 200), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("beyond the room: %v", err)
	}
	must(t, os.Remove(file))
	must(t, os.WriteFile(filepath.Join(dir, "g"), make([]byte, 200), 0o600))
	if n := d.Used(); n != 200 {
		t.Errorf("%d bytes used, want 200", n)
	}
	f, err := os.OpenFile(filepath.Join(dir, "g"), os.O_WRONLY, 0)
	must(t, err)
	must(t, syscall.Fallocate(int(f.Fd()), 0, 100, 400))
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, 2000); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("reserving beyond the room: %v", err)
	}
	must(t, f.Close())
	d.Fail(crashfs.ReadOnly)
	if err := os.WriteFile(file, nil, 0o600); !errors.Is(err, syscall.EROFS) {
		t.Errorf("on a read-only disk: %v", err)
	}
	if s, _ := read(t, filepath.Join(dir, "g")); len(s) != 500 {
		t.Errorf("reading gives %d bytes", len(s))
	}
}

func TestMappedMemoryIsShared(t *testing.T) {
	t.Parallel()
	d := crashfs.New()
	dir, _ := crashfs.Mounted(t, d)
	f, err := os.Create(filepath.Join(dir, "f"))
	must(t, err)
	must(t, f.Truncate(8192))
	// The pages come into the cache by reading: a page fault that asks the file system, which is this very process, could wait for ever.
	_, err = f.ReadAt(make([]byte, 8192), 0)
	must(t, err)
	a, err := syscall.Mmap(int(f.Fd()), 0, 8192, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	must(t, err)
	g, err := os.OpenFile(f.Name(), os.O_RDWR, 0) // opening again must not drop the pages
	must(t, err)
	a[0] = 'm'
	b, err := syscall.Mmap(int(g.Fd()), 0, 8192, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	must(t, err)
	if b[0] != 'm' {
		t.Error("two mappings of a file do not see each other")
	}
	one := make([]byte, 1)
	if _, err := g.ReadAt(one, 0); err != nil || one[0] != 'm' {
		t.Errorf("read %q, %v", one, err)
	}
	must(t, f.Sync())
	must(t, errors.Join(syscall.Munmap(a), syscall.Munmap(b), f.Close(), g.Close()))
	after(t, d, func(dir string) {
		if s, _ := read(t, filepath.Join(dir, "f")); len(s) != 8192 || s[0] != 'm' {
			t.Error("a synced mapping did not reach the medium")
		}
	})
}
