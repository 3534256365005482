package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/device-agent/agent"
	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/host"
	"github.com/telltale-iot/telltale/e2e/chaos"
	"github.com/telltale-iot/telltale/firmware-sim/chip"
	"github.com/telltale-iot/telltale/schema"
)

// envAgent makes this test binary an agent: the chaos test starts itself once per device, to have a process that it can kill.
const envAgent = "TELLTALE_E2E_AGENT"

func TestMain(m *testing.M) {
	if device := os.Getenv(envAgent); device != "" {
		if err := runAgent(device, os.Getenv("TELLTALE_E2E_HUB"), os.Getenv("TELLTALE_E2E_DIR")); err != nil {
			fmt.Fprintln(os.Stderr, device+":", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// runAgent is the shipped agent on modelled chips, with a ledger, until SIGTERM.
func runAgent(device, hub, dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ledger, err := chaos.OpenLedger(dir, device)
	if err != nil {
		return err
	}
	pins, err := chaos.OpenPins(dir, device)
	if err != nil {
		return err
	}
	clock := host.NewClock()
	machine, err := modelledMachine(device, clock.Mono, chip.NewLedger(pins))
	if err != nil {
		return err
	}
	cfg := agentConfig(device, hub)
	if err := cfg.Validate(); err != nil {
		return err
	}
	a, err := agent.New(agent.Options{Config: cfg, Host: machine, Dir: filepath.Join(dir, device), Clock: clock, Software: "chaos",
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), Observer: ledger})
	if err != nil {
		return err
	}
	if err := a.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// modelledMachine has a climate chip, a lamp relay with a feedback contact and a door opener.
func modelledMachine(device string, mono chip.Mono, ledger *chip.Ledger) (*chip.Machine, error) {
	board := chip.NewBoard(device, mono, ledger)
	seed, err := strconv.ParseUint(device[len("chaos-"):], 10, 64)
	if err != nil {
		return nil, err
	}
	wave := func(mean, swing float64) chip.Signal {
		return func(at time.Duration) float64 {
			return mean + swing*float64((at/time.Second+time.Duration(seed))%60)/60
		}
	}
	bme := chip.NewBME280(chip.Climate{Temperature: wave(19, 4), Humidity: wave(40, 10), Pressure: wave(1000, 5)}, mono, seed)
	if err := board.Bus("1").Attach(0x76, bme); err != nil {
		return nil, err
	}
	if _, err := board.Relay("GPIO17", false, "GPIO22", nil); err != nil {
		return nil, err
	}
	if _, err := board.Relay(chaos.PulseOutput, false, "", nil); err != nil {
		return nil, err
	}
	return board.Boot(), nil
}

func agentConfig(device, hub string) *config.Config {
	c := config.Default()
	c.Hub, c.Device, c.Name, c.Simulated = hub, device, device, true
	c.Heartbeat = time.Second
	c.Outbox.SpillAfter = 3 * time.Second
	c.Sensors = []config.Sensor{{Driver: "bme280", ID: "air", Bus: "1", Address: 0x76, Interval: 250 * time.Millisecond}}
	c.Actuators = []config.Actuator{
		{Driver: "relay", ID: "lamp", Kind: schema.KindLight, Pin: "GPIO17", Readback: "GPIO22", ReadbackWithin: 300 * time.Millisecond,
			SafeState: "off", OnBoot: "safe", Lease: 5 * time.Second},
		{Driver: "button", ID: "door", Kind: schema.KindButton, Pin: chaos.PulseOutput, SafeState: "off", OnBoot: "safe", Pulse: 50 * time.Millisecond},
	}
	return c
}
