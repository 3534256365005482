package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/e2e/chaos"
	"github.com/telltale-iot/telltale/schema"
)

// pulseApart keeps the pulses of one device so far apart that a move can be told to belong to one of them.
const pulseApart = 5 * time.Second

// storm is one run of the chaos test.
type storm struct {
	t       *testing.T
	hub     *hubProcess
	proxy   *chaos.Proxy
	dir     string
	devices []string

	kills, hubKills, freezes atomic.Int64

	mu    sync.Mutex
	asked []chaos.Asked
}

// TestChaosLedger kills hub and agents at random, freezes agents, cuts links at random bytes, commands lamps and door openers all the while,
// and then proves from ledgers that nothing acked was lost, nothing was stored twice, every loss is a gap and no pulse ran twice or late.
func TestChaosLedger(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("TELLTALE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	seconds, devices := envInt("TELLTALE_CHAOS_SECONDS", 40), envInt("TELLTALE_CHAOS_DEVICES", 50)
	t.Logf("TELLTALE_SEED=%d, %d devices, %d s of chaos", seed, devices, seconds)
	s := &storm{t: t, hub: newHub(t), dir: t.TempDir()}
	for i := range devices {
		s.devices = append(s.devices, fmt.Sprintf("chaos-%02d", i+1))
	}
	var err error
	if s.proxy, err = chaos.NewProxy(s.hub.addr, seed); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds+150)*time.Second)
	defer cancel()
	if err := s.run(ctx, seed, time.Duration(seconds)*time.Second); err != nil {
		t.Error(err)
	}
	report, err := chaos.Check(ctx, s.dir, s.hub.database(), chaos.AuditBy(s.hub.bin, s.hub.database()), s.asked)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d agents killed, %d frozen, hub killed %d times, %d links cut at a random byte", s.kills.Load(), s.freezes.Load(), s.hubKills.Load(), s.proxy.Cuts())
	t.Log(report)
	if len(report.Violations) > 0 {
		t.Errorf("%d violations; repeat with TELLTALE_SEED=%d", len(report.Violations), seed)
	}
	if report.Stored == 0 || report.Acked == 0 || report.Ends[schema.StateDone] == 0 || report.Moved == 0 || s.hubKills.Load() == 0 || s.kills.Load() == 0 {
		t.Error("nothing was proven: no reading, command, pulse or kill at all")
	}
	if !t.Failed() {
		s.control(t)
	}
}

func (s *storm) run(ctx context.Context, seed uint64, chaosFor time.Duration) error {
	if err := s.hub.start(ctx); err != nil {
		return err
	}
	proxyCtx, stopProxy := context.WithCancel(ctx)
	var background sync.WaitGroup
	background.Go(func() {
		if err := s.proxy.Run(proxyCtx); err != nil {
			s.t.Error(err)
		}
	})
	chaosCtx, calm := context.WithTimeout(ctx, chaosFor)
	defer calm()
	agentsCtx, stopAgents := context.WithCancel(ctx)
	var agents, troubles sync.WaitGroup
	for i, d := range s.devices {
		agents.Go(func() { s.keepAgent(agentsCtx, chaosCtx, d, rand.New(rand.NewPCG(seed, uint64(i)+100))) })
	}
	troubles.Go(func() { s.killHub(chaosCtx, rand.New(rand.NewPCG(seed, 2))) })
	troubles.Go(func() { s.command(chaosCtx, rand.New(rand.NewPCG(seed, 3))) })
	troubles.Wait()
	s.proxy.Calm()
	err := s.settle(ctx)
	stopAgents()
	agents.Wait()
	stopProxy()
	background.Wait()
	return errors.Join(err, s.hub.stop(syscall.SIGTERM))
}

// keepAgent runs one agent and kills or freezes it at random while there is chaos; afterwards it lives until ctx ends and is stopped politely.
func (s *storm) keepAgent(ctx, chaosCtx context.Context, device string, rng *rand.Rand) {
	for ctx.Err() == nil {
		cmd, err := s.startAgent(device)
		if err != nil {
			s.t.Error(err)
			return
		}
		died := make(chan error, 1)
		go func() { died <- cmd.Wait() }()
		if !s.harass(ctx, chaosCtx, cmd.Process, rng) {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			if err := <-died; err != nil {
				s.t.Errorf("%s did not stop well: %v", device, err)
			}
			return
		}
		<-died
		_ = pause(ctx, time.Duration(rng.Int64N(int64(time.Second))))
	}
}

// harass returns true after it killed the process, false when ctx ended.
func (s *storm) harass(ctx, chaosCtx context.Context, p *os.Process, rng *rand.Rand) bool {
	for {
		if pause(chaosCtx, time.Second+time.Duration(rng.Int64N(int64(25*time.Second)))) != nil {
			<-ctx.Done()
			return false
		}
		if rng.IntN(4) > 0 {
			s.kills.Add(1)
			_ = p.Signal(syscall.SIGKILL)
			return true
		}
		s.freezes.Add(1)
		_ = p.Signal(syscall.SIGSTOP)
		_ = pause(ctx, time.Duration(rng.Int64N(int64(3*time.Second))))
		_ = p.Signal(syscall.SIGCONT)
	}
}

func (s *storm) startAgent(device string) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	out, err := os.OpenFile(filepath.Join(s.dir, device+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), envAgent+"="+device, "TELLTALE_E2E_HUB=http://"+s.proxy.Addr(), "TELLTALE_E2E_DIR="+s.dir)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, cmd.Start()
}

// killHub kills the hub every few seconds and starts it again at once.
func (s *storm) killHub(ctx context.Context, rng *rand.Rand) {
	for pause(ctx, 3*time.Second+time.Duration(rng.Int64N(int64(6*time.Second)))) == nil {
		s.hubKills.Add(1)
		if err := s.hub.stop(syscall.SIGKILL); err != nil {
			s.t.Error(err)
		}
		start, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		err := s.hub.start(start)
		cancel()
		if err != nil {
			s.t.Error(err)
			return
		}
	}
}

// command asks for lamps and door openers, the same key again when the hub did not answer.
func (s *storm) command(ctx context.Context, rng *rand.Rand) {
	lastPulse := map[string]time.Time{}
	var asks sync.WaitGroup
	defer asks.Wait()
	for n := 0; pause(ctx, 50*time.Millisecond) == nil; n++ {
		a := schema.Ask{Key: fmt.Sprintf("chaos-%08d", n), Device: s.devices[rng.IntN(len(s.devices))], Entity: "lamp", Op: schema.OpSet,
			Value: schema.Bool(rng.IntN(2) == 0), TTLMS: 3000, Wait: rng.IntN(2) == 0}
		if rng.IntN(3) == 0 && time.Since(lastPulse[a.Device]) > pulseApart {
			a.Entity, a.Channel, a.Op, a.Value, a.TTLMS, a.Wait = "door", schema.ChannelPress, schema.OpPulse, schema.Value{}, 1000, false
			lastPulse[a.Device] = time.Now()
		}
		asks.Go(func() { s.ask(ctx, a) })
	}
}

// ask tries until the hub answers, at most 2 s: a pulse that the hub learns of later would fall into the time of the next one.
func (s *storm) ask(ctx context.Context, a schema.Ask) {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	asked := chaos.Asked{Ask: a}
	for {
		var c schema.Command
		err := s.hub.do(within, http.MethodPost, "/api/v1/devices/"+a.Device+"/commands", a, &c)
		var problem *schema.Problem
		if err == nil && c.State.Final() {
			asked.Final = c.State
		}
		if err == nil || errors.As(err, &problem) && problem.Code != schema.CodeUnavailable {
			break
		}
		if pause(within, 100*time.Millisecond) != nil {
			break
		}
	}
	s.mu.Lock()
	s.asked = append(s.asked, asked)
	s.mu.Unlock()
}

// settle waits until every device is online, has delivered everything, and every command has ended.
func (s *storm) settle(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	for {
		waiting := s.unsettled(within)
		if waiting == "" {
			return nil
		}
		if pause(within, 250*time.Millisecond) != nil {
			return errors.New("after the chaos: " + waiting)
		}
	}
}

func (s *storm) unsettled(ctx context.Context) string {
	var list schema.DeviceList
	if err := s.hub.do(ctx, http.MethodGet, "/api/v1/devices", nil, &list); err != nil {
		return err.Error()
	}
	if len(list.Devices) < len(s.devices) {
		return fmt.Sprintf("%d of %d devices are paired", len(list.Devices), len(s.devices))
	}
	for _, d := range list.Devices {
		if d.Presence.State != schema.PresenceOnline {
			return d.ID + " is " + d.Presence.State
		}
		if d.Presence.Backlog > 8 { // a live device always has a few frames under way
			return fmt.Sprintf("%s has a backlog of %d", d.ID, d.Presence.Backlog)
		}
		var commands schema.CommandList
		if err := s.hub.do(ctx, http.MethodGet, "/api/v1/devices/"+d.ID+"/commands?limit=200", nil, &commands); err != nil {
			return err.Error()
		}
		for _, c := range commands.Commands {
			if !c.State.Final() {
				return fmt.Sprintf("command %s of %s is %s", c.Key, d.ID, c.State)
			}
		}
	}
	return ""
}

func envInt(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}
