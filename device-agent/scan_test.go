package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device/devicetest"
)

// wired is a machine with a BME280's identity at 0x77 and a thermometer on one wire.
func wired() *devicetest.Host {
	text := "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n"
	return &devicetest.Host{
		Files: fstest.MapFS{"sys/bus/w1/devices/28-0316a2795cff/w1_slave": &fstest.MapFile{Data: []byte(text)}},
		Tx: func(addr uint16, w, r []byte) error {
			if addr != 0x77 {
				return errors.New("no acknowledge")
			}
			if len(r) == 1 && len(w) == 1 && w[0] == 0xD0 {
				r[0] = 0x60
			}
			return nil
		}}
}

func TestScanSaysWhatIsThereAndWritesIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "agent.yaml")
	var out bytes.Buffer
	if err := (&scanCommand{}).scan(t.Context(), wired(), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"0x77", "bme280", "28-0316a2795cff", "23.125", "\nsensors:\n", "- driver: host", "--write"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, &out)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("looking made a file")
	}
	r := &scanCommand{Config: file, Write: true}
	for range 2 { // the second time there is nothing new
		out.Reset()
		if err := r.scan(t.Context(), wired(), &out); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(out.String(), "Nothing new") {
		t.Errorf("the second time:\n%s", &out)
	}
	c, err := config.Load(file)
	if err != nil || len(c.Sensors) != 3 {
		t.Errorf("%+v %v", c, err)
	}
	if err := (&scanCommand{Write: true}).scan(t.Context(), wired(), &out); err == nil || !strings.Contains(err.Error(), "--config") {
		t.Errorf("got %v", err)
	}
}

func TestBoardWithoutAConfigurationBeginsWithWhatIsSure(t *testing.T) {
	var out bytes.Buffer
	if got := plugged(t.Context(), wired(), &out); got != nil {
		t.Errorf("a machine that is no board was looked through: %+v", got)
	}
	board := wired()
	board.Files.(fstest.MapFS)["proc/device-tree/model"] = &fstest.MapFile{Data: []byte("Raspberry Pi 4 Model B\x00")}
	got := plugged(t.Context(), board, &out)
	if len(got) != 2 || got[0].ID != "bme280_77" || got[0].Interval == 0 || got[1].ID != "thermometer_5cff" {
		t.Errorf("%+v\n%s", got, &out)
	}
}
