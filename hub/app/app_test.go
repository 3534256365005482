package app

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

func TestAReadingGoesFromTheSensorToThePageAndIntoHistory(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	agent := r.newDevice("pi").join()
	page := r.page()
	page.send(&schema.Join{Room: "device/pi"})
	s := until(page, first[*schema.Snapshot])
	if len(s.Devices) != 1 || s.Devices[0].Presence.State != schema.PresenceOnline {
		t.Errorf("%+v", s.Devices)
	}
	if pace := until(agent, first[*schema.Pace]); pace.BatchMS != 100 {
		t.Errorf("a watched device may collect for %d ms", pace.BatchMS)
	}
	agent.send(reading(1, 20.5))
	until(page, func(d *schema.Delta) bool { return has(d.Series, "air.state", 20.5) })
	agent.acked(1)
	var h schema.History
	r.call("GET", "/api/v1/devices/pi/history?channel=air.state", nil, &h)
	if len(h.Series) != 1 || len(h.Series[0].Mean) != 1 || h.Series[0].Mean[0] != 20.5 {
		t.Errorf("%+v", h)
	}
	page.send(&schema.Leave{Room: "device/pi"})
	if pace := until(agent, first[*schema.Pace]); pace.BatchMS != 1000 {
		t.Errorf("nobody watches, and it may collect for %d ms", pace.BatchMS)
	}
}

func TestReadingsComeOneByOneInPages(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	agent := r.newDevice("pi").join()
	const frames, per = 7, 3
	t0 := time.Now().UnixMilli()
	for i := range frames {
		f := reading(uint64(i+1), 0)
		f.T0MS, f.Series[0].DtMS, f.Series[0].V = t0+int64(i)*10, []int64{0, 1, 1}, nil
		for j := range per {
			f.Series[0].V = append(f.Series[0].V, schema.Number(float64(i*per+j)))
		}
		f.Series[0].Q = []schema.Quality{schema.QualityOK, schema.QualitySim, schema.QualityOK}
		agent.send(f)
	}
	agent.acked(frames)
	next, n := "", 0
	for range frames * per {
		var page schema.ReadingPage
		query := fmt.Sprintf("?channel=air.state&from=%d&to=%d&limit=5&after=%s", t0, t0+1000, next)
		if resp := r.call("GET", "/api/v1/devices/pi/readings"+query, nil, &page); resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
		for i, v := range page.V {
			sim := len(page.Q) > 0 && page.Q[i] == schema.QualitySim
			if f, _ := v.Float(); f != float64(n) || page.TMS[i] < t0+int64(n/per)*10 || sim != (n%per == 1) {
				t.Errorf("reading %d: %+v", n, page)
			}
			n++
		}
		if next = page.Next; next == "" {
			break
		}
	}
	if n != frames*per {
		t.Errorf("%d readings in all pages, want %d", n, frames*per)
	}
	for _, bad := range []string{"", "?channel=air.state&limit=10001", "?channel=air.state&channel=lamp.state", "?channel=no.such", "?channel=air.state&after=x",
		"?channel=air.state&from=5&to=3", "?channel=air.state&from=1&to=3&after=2.x"} {
		var p schema.Problem
		if resp := r.call("GET", "/api/v1/devices/pi/readings"+bad, nil, &p); resp.StatusCode < 400 || resp.StatusCode >= 500 || p.Message == "" {
			t.Errorf("%q: %s %+v", bad, resp.Status, p)
		}
	}
}

func TestACommandGoesToTheDeviceAndItsLifeToThePage(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	agent := r.newDevice("pi").join()
	page := r.page()
	page.send(&schema.Join{Room: "device/pi"})
	until(page, first[*schema.Snapshot])
	page.send(&schema.Ask{Key: "key-0001", Device: "pi", Entity: "lamp", Op: schema.OpSet, Value: schema.Bool(true), Reason: "dark"})
	c := until(agent, first[*schema.DeviceCommand])
	if c.RemainingMS <= 0 || c.RemainingMS > 10_000 || c.MonoMS < 0 || c.Value != schema.Bool(true) {
		t.Errorf("%+v", c)
	}
	agent.send(&schema.CommandReport{ID: c.ID, State: schema.StateRunning})
	agent.send(&schema.CommandReport{ID: c.ID, State: schema.StateDone, Reported: schema.Bool(true), Proof: schema.ProofReadback})
	var done schema.Command
	until(page, func(d *schema.Delta) bool {
		for _, cmd := range d.Commands {
			done = cmd
		}
		return done.State == schema.StateDone
	})
	if done.Actor != "local" || done.Reason != "dark" || done.Proof != schema.ProofReadback || len(done.Log) < 4 {
		t.Errorf("%+v", done)
	}
	page.send(&schema.Ask{Key: "key-0002", Device: "pi", Entity: "air", Op: schema.OpSet, Value: schema.Bool(true)})
	if p := until(page, first[*schema.Problem]); p.Key != "key-0002" || p.Code != schema.CodeUnknownTarget {
		t.Errorf("%+v", p)
	}
	other := r.newDevice("evil").join()
	other.send(&schema.CommandReport{ID: c.ID, State: schema.StateFailed})
	until(other, first[*schema.Problem])
	var stored schema.Command
	if r.call("GET", "/api/v1/commands/"+c.ID, nil, &stored); stored.State != schema.StateDone {
		t.Errorf("another device changed the command: %+v", stored)
	}
}

func TestAPageThatComesBackMissesNothing(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	agent := r.newDevice("pi").join()
	page := r.page()
	page.send(&schema.Join{Room: "device/pi"})
	s := until(page, first[*schema.Snapshot])
	agent.send(reading(1, 1))
	last := until(page, func(d *schema.Delta) bool { return has(d.Series, "air.state", 1) })
	_ = page.ws.Close()
	for i := range 5 {
		agent.send(reading(uint64(i+2), float64(i+2)))
	}
	agent.acked(6)
	page = r.page(schema.RoomPosition{Room: s.Room, Epoch: s.Epoch, Ver: last.Ver})
	d := until(page, first[*schema.Delta])
	var got []float64
	for _, series := range d.Series {
		for _, v := range series.V {
			f, _ := v.Float()
			got = append(got, f)
		}
	}
	if !slices.Equal(got, []float64{2, 3, 4, 5, 6}) {
		t.Errorf("after the resume came %v", got)
	}
}

func TestARestartedHubKnowsEverythingAndSaysSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := run(t, dir)
	d := r.newDevice("pi")
	agent := d.join()
	page := r.page()
	page.send(&schema.Join{Room: "device/pi"})
	before := until(page, first[*schema.Snapshot])
	for i := range 10 {
		agent.send(reading(uint64(i+1), float64(i)))
	}
	agent.acked(10)
	stopped := make(chan error)
	go func() { stopped <- r.stop() }()
	for _, p := range []*peer{agent, page} {
		if bye := until(p, first[*schema.Bye]); bye.SpreadMS == 0 {
			t.Errorf("%+v", bye)
		}
	}
	var closed []int
	for _, p := range []*peer{agent, page} {
		for {
			if _, err := p.next(); err != nil {
				closed = append(closed, closeCode(err))
				break
			}
		}
		_ = p.ws.Close()
	}
	if err := <-stopped; err != nil || !slices.Equal(closed, []int{4000, 4000}) {
		t.Errorf("stopped with %v, closed with %v", err, closed)
	}

	d.r = run(t, dir)
	page = d.r.page(schema.RoomPosition{Room: before.Room, Epoch: before.Epoch, Ver: before.Ver})
	after := until(page, first[*schema.Snapshot])
	if after.Epoch == before.Epoch || !has(after.Series, "air.state", 9) || after.Devices[0].Descriptor == nil ||
		after.Devices[0].Presence.State != schema.PresenceOffline {
		t.Errorf("%+v", after)
	}
	_, w := d.connect()
	if w.Describe || len(w.Have) != 1 || w.Have[0] != (schema.Range{1, 10}) {
		t.Errorf("%+v", w)
	}
	until(page, func(d *schema.Delta) bool {
		return len(d.Devices) == 1 && d.Devices[0].Presence.State == schema.PresenceOnline
	})
}

func TestAForgottenDeviceIsGoneEverywhere(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	d := r.newDevice("pi")
	agent := d.join()
	agent.send(reading(1, 1))
	agent.acked(1)
	page := r.page()
	page.send(&schema.Join{Room: schema.RoomFleet})
	until(page, first[*schema.Snapshot])
	if resp := r.call("DELETE", "/api/v1/devices/pi", nil, nil); resp.StatusCode != http.StatusNoContent {
		t.Fatal(resp.Status)
	}
	agent.refused(schema.CodeUnauthorized)
	until(page, func(d *schema.Delta) bool { return len(d.Devices) == 1 && d.Devices[0].Removed })
	p, c := d.dial()
	p.send(d.hello(c))
	p.refused(schema.CodeUnauthorized)
	if resp := r.call("GET", "/api/v1/devices/pi", nil, nil); resp.StatusCode != http.StatusNotFound {
		t.Error(resp.Status)
	}
}

func TestRenamingIsSeenByEverybody(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	r.newDevice("pi").join()
	page := r.page()
	page.send(&schema.Join{Room: schema.RoomFleet})
	until(page, first[*schema.Snapshot])
	name := "Greenhouse <script>"
	var d schema.Device
	r.call("PATCH", "/api/v1/devices/pi", schema.DevicePatch{Name: &name}, &d)
	if d.Name != name || d.Presence.State != schema.PresenceOnline {
		t.Errorf("%+v", d)
	}
	until(page, func(d *schema.Delta) bool { return len(d.Devices) == 1 && d.Devices[0].Name == name })
}

func TestTailShowsFramesAsTheyPass(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	agent := r.newDevice("pi").join()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+r.base+"/api/v1/tail?device=pi", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req) // returns when the watching has begun or just before
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for seq := uint64(1); ctx.Err() == nil; seq++ {
			agent.send(reading(seq, float64(seq)))
			agent.acked(seq)
		}
	}()
	seen := map[string]bool{}
	lines := bufio.NewScanner(resp.Body)
	for !(seen["in readings"] && seen["out ack"]) && lines.Scan() {
		var f struct{ Dir, Who, Kind string }
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil || f.Who != "pi" {
			t.Errorf("%s: %v", lines.Bytes(), err)
		}
		seen[f.Dir+" "+f.Kind] = true
	}
	cancel()
	<-stopped
	if !seen["in readings"] || !seen["out ack"] {
		t.Errorf("seen: %v", seen)
	}
}

func TestConfigsThatCannotWorkAreRefusedInWords(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		says   string
	}{
		{"network without a word", func(c *Config) { c.Listen = "0.0.0.0:8080" }, "--allow-network"},
		{"all addresses", func(c *Config) { c.Listen = ":8080" }, "--allow-network"},
		{"no port", func(c *Config) { c.Listen = "localhost" }, "host:port"},
		{"a host with a port", func(c *Config) { c.Hosts = []string{"hub:80"} }, "bare name"},
		{"a wildcard", func(c *Config) { c.Hosts = []string{"*.example"} }, "bare name"},
		{"an origin with a path", func(c *Config) { c.Origins = []string{"http://x/y"} }, "scheme://host"},
		{"any origin", func(c *Config) { c.Origins = []string{"*"} }, "scheme://host"},
		{"a level", func(c *Config) { c.LogLevel = "loud" }, "log_level"},
		{"commits", func(c *Config) { c.CommitEvery = time.Hour }, "commit_every"},
		{"backups all the time", func(c *Config) { c.BackupEvery = time.Minute }, "backup_every"},
		{"fewer than no backups", func(c *Config) { c.BackupKeep = -1 }, "backup_keep"},
		{"no folder", func(c *Config) { c.Data = "" }, "folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := Default()
			c.change(&config)
			err := config.Validate()
			if err == nil {
				t.Fatal("accepted")
			}
			contains(t, err.Error(), c.says)
		})
	}
	c := Default()
	if err := c.Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
}

func TestATakenPortSaysWhatToDo(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	c := Default()
	c.Listen, c.Data = r.base, t.TempDir()
	_, err := New(t.Context(), c, Options{})
	if err == nil {
		t.Fatal("two hubs on one port")
	}
	contains(t, err.Error(), "--listen")
}

func TestHealthReadinessAndMetrics(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	r.newDevice("pi").join()
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		if resp := r.call("GET", path, nil, nil); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	r.draining.Store(true)
	if resp := r.call("GET", "/readyz", nil, nil); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("while draining: %s", resp.Status)
	}
	var info schema.Info
	if r.call("GET", "/api/v1/info", nil, &info); info.HubID != r.HubID() || info.Version != "test" || info.Devices != 1 {
		t.Errorf("%+v", info)
	}
	resp := r.call("GET", "/", nil, nil)
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'self'") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("csp %q", csp)
	}
}
