package uplink

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPairingThatCouldNotBeKeptIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	id, err := LoadIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	inTheWay := filepath.Join(dir, "hub.json.new")
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	if id.keep("pi", "hub-1") == nil || !id.Paired() {
		t.Fatal("want an error, and a device that is paired all the same: its code is used up")
	}
	if id.save() == nil {
		t.Error("saved through a folder")
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	if err := id.save(); err != nil {
		t.Fatal(err)
	}
	if again, err := LoadIdentity(dir); err != nil || again.Device != "pi" || again.HubID != "hub-1" {
		t.Errorf("%+v %v", again, err)
	}
}
