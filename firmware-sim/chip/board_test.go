package chip

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/pin"
)

// bench is a board with an active-low relay on GPIO17, its contact on GPIO27 and a dimmer.
func bench(t *testing.T, sink io.Writer) (*Board, *Ledger, *Relay, *Dimmer, *[]float64) {
	t.Helper()
	ledger := NewLedger(sink)
	b := NewBoard("test", running(), ledger)
	load := &[]float64{}
	relay, err := b.Relay("GPIO17", true, "GPIO27", func(_ time.Duration, v float64) { *load = append(*load, v) })
	if err != nil {
		t.Fatal(err)
	}
	dimmer, err := b.Dimmer("pwmchip0/0", nil)
	if err != nil {
		t.Fatal(err)
	}
	return b, ledger, relay, dimmer, load
}

func pinOf(t *testing.T, m *Machine, name string) gpio.PinIO {
	t.Helper()
	p, err := m.Pin(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOutputMovesTheLoadOnceAndIsWrittenDownFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		b, ledger, _, _, load := bench(t, &lines)
		m := b.Boot()
		out, contact := pinOf(t, m, "GPIO17"), pinOf(t, m, "gpiochip0/27")
		for _, l := range []gpio.Level{gpio.High, gpio.Low, gpio.Low, gpio.High, gpio.Low} { // the first is where it rests anyway
			if err := out.Out(l); err != nil {
				t.Fatal(err)
			}
		}
		if f := out.(pin.PinFunc).Func(); out.Read() != gpio.Low || f != gpio.OUT_LOW {
			t.Errorf("reading an output: %v %s", out.Read(), f)
		}
		if contact.Read() == gpio.High {
			t.Error("the contact is faster than a contact can be")
		}
		time.Sleep(2 * contactDelay)
		if contact.Read() != gpio.High {
			t.Error("the contact does not follow")
		}
		moves, err := ledger.Moves()
		if err != nil || len(moves) != 3 || len(*load) != 3 {
			t.Fatalf("%d moves (%v), the load moved %d times, want 3", len(moves), err, len(*load))
		}
		if m := moves[0]; m.Device != "test" || m.Output != "GPIO17" || m.Level != 0 || m.Load != 1 || m.Seq != 1 {
			t.Errorf("first move %+v", m)
		}
		var first Move
		if err := json.Unmarshal([]byte(strings.SplitN(lines.String(), "\n", 2)[0]), &first); err != nil || first != moves[0] {
			t.Errorf("written %+v (%v), remembered %+v", first, err, moves[0])
		}
	})
}

func TestLyingRelayTakesTheOutputAndLeavesTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ledger, relay, dimmer, load := bench(t, nil)
		m := b.Boot()
		out, contact := pinOf(t, m, "GPIO17"), pinOf(t, m, "GPIO27")
		relay.Lie(true)
		if err := out.Out(gpio.Low); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * contactDelay)
		if out.Read() != gpio.Low || contact.Read() != gpio.Low {
			t.Errorf("output %v, contact %v", out.Read(), contact.Read())
		}
		moves, _ := ledger.Moves()
		if len(moves) != 1 || moves[0].Load != 0 {
			t.Errorf("ledger %+v", moves)
		}
		relay.Lie(false)
		time.Sleep(2 * contactDelay)
		if contact.Read() != gpio.High || (*load)[len(*load)-1] != 1 {
			t.Errorf("healed: contact %v, load %v", contact.Read(), *load)
		}
		pwm, err := m.PWM("pwmchip0/0", 1000)
		if err != nil {
			t.Fatal(err)
		}
		dimmer.Lie(true)
		if err := pwm.Set(0.5); err != nil {
			t.Fatal(err)
		}
		if d, err := pwm.Duty(); d != 0 || err != nil {
			t.Errorf("lying: %v %v", d, err)
		}
		dimmer.Lie(false)
		if d, _ := pwm.Duty(); d != 0.5 {
			t.Errorf("healed: %v", d)
		}
		if pwm.Set(1.01) == nil {
			t.Error("a duty above 1")
		}
	})
}

func TestPowerCutTakesEverythingFromTheOldMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, relay, dimmer, _ := bench(t, nil)
		b.Bus("1")
		old := b.Boot()
		out := pinOf(t, old, "GPIO17")
		pwm, _ := old.PWM("pwmchip0/0", 1000)
		bus, err := old.I2C("/dev/i2c-1")
		if err := errors.Join(err, out.Out(gpio.Low), pwm.Set(1)); err != nil {
			t.Fatal(err)
		}
		waits := make(chan bool)
		go func() { waits <- out.WaitForEdge(-1) }()
		synctest.Wait()
		next := b.Boot()
		if <-waits {
			t.Error("an edge after the power cut")
		}
		time.Sleep(2 * contactDelay)
		if relay.Closed(b.mono()) || dimmer.Duty() != 0 {
			t.Error("the loads did not fall back")
		}
		if err := out.Out(gpio.Low); !errors.Is(err, ErrOff) {
			t.Errorf("old output: %v", err)
		}
		if err := bus.Tx(0x23, nil, nil); !errors.Is(err, ErrOff) {
			t.Errorf("old bus: %v", err)
		}
		if err := pinOf(t, next, "GPIO17").Out(gpio.Low); err != nil {
			t.Error(err)
		}
	})
}

func TestInputReportsEdges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBoard("test", running(), nil)
		opens := b.mono() + 3*time.Second
		if err := b.Input("GPIO5", func(at time.Duration) bool { return at >= opens }); err != nil {
			t.Fatal(err)
		}
		p := pinOf(t, b.Boot(), "GPIO5")
		if err := p.In(gpio.PullUp, gpio.RisingEdge); err != nil {
			t.Fatal(err)
		}
		if p.WaitForEdge(time.Second) {
			t.Error("an edge too early")
		}
		if !p.WaitForEdge(-1) || b.mono() < opens {
			t.Error("no edge when it came")
		}
		if err := p.Halt(); err != nil {
			t.Fatal(err)
		}
		if open := pinOf(t, b.Boot(), "GPIO6"); open.In(gpio.PullUp, gpio.NoEdge) != nil || open.Read() != gpio.High {
			t.Error("a pull-up does not pull up")
		}
	})
}

func TestBoardRefusesWhatCannotBe(t *testing.T) {
	b := NewBoard("test", running(), nil)
	m := b.Boot()
	_, e1 := m.Pin("GPIO99")
	_, e2 := m.I2C("7")
	_, e3 := m.PWM("pwmchip9/0", 1)
	if _, err := b.Relay("GPIO4", false, "", nil); err != nil {
		t.Fatal(err)
	}
	_, e4 := b.Relay("gpiochip0/4", false, "", nil)
	for i, err := range []error{e1, e2, e3, e4} {
		if err == nil {
			t.Errorf("%d is accepted", i)
		}
	}
}

func TestLedgerKeepsTheNewestAndSaysWhenItsSinkBroke(t *testing.T) {
	l := NewLedger(brokenAfter{new(int)})
	for i := range LedgerSize + 10 {
		l.add(Move{Level: float64(i)})
	}
	moves, err := l.Moves()
	if len(moves) != LedgerSize || moves[0].Seq != 11 || moves[LedgerSize-1].Seq != LedgerSize+10 {
		t.Errorf("%d moves from %d to %d", len(moves), moves[0].Seq, moves[len(moves)-1].Seq)
	}
	if !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("sink: %v", err)
	}
}

type brokenAfter struct{ n *int }

func (b brokenAfter) Write(p []byte) (int, error) {
	if *b.n++; *b.n > 5 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}
