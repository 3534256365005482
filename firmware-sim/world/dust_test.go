package world

import (
	"testing"
	"time"
)

func TestACandleFillsTheRoomWithDustThatSettles(t *testing.T) {
	w, err := New(Config{Rooms: []Room{{Name: "room", Loads: []Load{{Name: "candle", Heat: 80, Dust: 40_000}}}}}, Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	dust, err := w.Probe("room/pm25")
	if err != nil {
		t.Fatal(err)
	}
	candle, err := w.Input("room/candle")
	if err != nil {
		t.Fatal(err)
	}
	before := dust(time.Hour)
	candle(time.Hour, 1)
	burning := dust(2 * time.Hour)
	candle(2*time.Hour, 0)
	after := dust(8 * time.Hour)
	if before > 20 || burning < before+200 || after > before+20 {
		t.Errorf("%.0f µg/m³ before, %.0f with a candle, %.0f six hours later", before, burning, after)
	}
}
