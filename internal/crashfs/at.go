package crashfs

import (
	"os"
	"testing"
)

// Mounted mounts the disk in a folder of the test and returns the folder and what unmounts it, which the test's end does if nobody did.
//
// Without FUSE the test is skipped, with the reason printed; where CI is set it fails, so that it cannot be lost silently.
func Mounted(t testing.TB, d *Disk) (dir string, unmount func()) {
	t.Helper()
	dir = t.TempDir()
	end, err := mount(d, dir)
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("%v; CI must be able to mount FUSE: run as root with /dev/fuse, or install fuse3", err)
	default:
		t.Skipf("SKIPPED: no simulated power cuts here: %v", err)
	}
	mounted := true
	unmount = func() {
		if !mounted {
			return
		}
		mounted = false
		if err := end(); err != nil {
			t.Errorf("unmount the crashfs: %v", err)
		}
	}
	t.Cleanup(unmount)
	return dir, unmount
}
