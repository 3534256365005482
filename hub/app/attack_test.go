package app

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"crypto/ed25519"
	"log/slog"

	"github.com/gorilla/websocket"

	"github.com/telltale-iot/telltale/internal/memnet"
	"github.com/telltale-iot/telltale/schema"
)

// One test per attack that was tried on hubs like this one.

func closeCode(err error) int {
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		return closed.Code
	}
	return 0
}

// TestDNSRebinding: a page of evil.example whose name was pointed at this machine asks with its own name.
func TestDNSRebinding(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	for _, c := range []struct {
		host   string
		status int
	}{
		{r.base, 200}, {"localhost", 200}, {"LOCALHOST:1", 200}, {"hub.test", 200}, {"[::1]:8080", 200}, {"app.localhost", 200},
		{"evil.example", 421}, {"evil.example:8080", 421}, {"localhost.evil.example", 421}, {"10.1.2.3", 421}, {"hub.test.evil.example", 421}, {"notlocalhost", 421},
	} {
		for _, path := range []string{"/", "/api/v1/devices", "/healthz"} {
			if resp := r.call("GET", path, nil, nil, "Host", c.host); resp.StatusCode != c.status {
				t.Errorf("%s as %s: %s, want %d", path, c.host, resp.Status, c.status)
			}
		}
	}
	d := websocket.Dialer{Subprotocols: []string{schema.LiveProtocol}}
	_, resp, err := d.Dial("ws://"+r.base+"/api/v1/live", http.Header{"Origin": {"http://evil.example"}, "Host": {"evil.example"}})
	if err == nil || resp.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("websocket: %v", err)
	}
}

func TestAPageOfAnotherSiteChangesNothing(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	r.newDevice("pi").join()
	for _, c := range []struct {
		name   string
		header []string
		status int
	}{
		{"cross site", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"other port of this machine", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"old browser", []string{"Origin", "http://evil.example"}, 403},
		{"own page", []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://" + r.base}, 201},
		{"a program", nil, 201},
	} {
		t.Run(c.name, func(t *testing.T) {
			if resp := r.call("POST", "/api/v1/pairing-codes", schema.PairingRequest{}, nil, c.header...); resp.StatusCode != c.status {
				t.Errorf("%s, want %d", resp.Status, c.status)
			}
			if c.status == 403 {
				if resp := r.call("DELETE", "/api/v1/devices/pi", nil, nil, c.header...); resp.StatusCode != 403 {
					t.Errorf("delete: %s", resp.Status)
				}
			}
		})
	}
	if resp := r.call("GET", "/api/v1/tail", nil, nil, "Origin", "http://evil.example"); resp.StatusCode != 403 {
		t.Errorf("tail from a page: %s", resp.Status)
	}
}

func TestSignaturesThatAreNotRight(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	victim, thief := r.newDevice("victim"), r.newDevice("thief")
	victim.join()
	thief.join()
	_, c := victim.dial()
	recorded := victim.hello(c)
	for _, test := range []struct {
		name  string
		hello func(c *schema.Challenge) *schema.Hello
	}{
		{"a recorded hello", func(*schema.Challenge) *schema.Hello { return recorded }},
		{"a device that says it is another", func(c *schema.Challenge) *schema.Hello {
			h := thief.hello(c)
			h.Device = "victim"
			return h
		}},
		{"another's id signed with the own key", func(c *schema.Challenge) *schema.Hello {
			h := victim.hello(c)
			h.Sig = hex.EncodeToString(ed25519.Sign(thief.key, schema.HelloTranscript(c.HubID, "victim", victim.boot, c.Nonce)))
			return h
		}},
		{"a signature for another hub", func(c *schema.Challenge) *schema.Hello {
			other := *c
			other.HubID = strings.Repeat("f", 32)
			return victim.hello(&other)
		}},
		{"an unknown device", func(c *schema.Challenge) *schema.Hello { return r.newDevice("nobody").hello(c) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, c := victim.dial()
			p.t = t
			p.send(test.hello(c))
			p.refused(schema.CodeUnauthorized)
		})
	}
}

func TestADeviceWritesOnlyItsOwnChannels(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	r.newDevice("victim").join()
	agent := r.newDevice("thief").join()
	agent.send(&schema.Readings{Seq: 1, T0MS: time.Now().UnixMilli(), Series: []schema.Series{{Ch: "victim/air.state", V: schema.Values{schema.Number(1)}}}})
	if p := until(agent, first[*schema.Problem]); p.Seq != 1 {
		t.Errorf("%+v", p)
	}
	agent.send(&schema.Readings{Seq: 2, T0MS: time.Now().UnixMilli(), Series: []schema.Series{{Ch: "lamp.state", V: schema.Values{schema.Number(1)}}}})
	if p := until(agent, first[*schema.Problem]); p.Seq != 2 {
		t.Errorf("a number in a bool channel: %+v", p)
	}
	agent.send(reading(3, 1))
	agent.acked(3)
}

// TestAHundredDevicesRaceForOneCode goes through real sockets.
func TestAHundredDevicesRaceForOneCode(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	code := r.code(1)
	var won atomic.Int32
	var all sync.WaitGroup
	for i := range 100 {
		d := r.newDevice(fmt.Sprintf("d%d", i))
		all.Go(func() {
			p, c := d.dial()
			p.send(d.pairFrame(c, code))
			f, err := p.next()
			if err != nil {
				t.Error(err)
				return
			}
			if _, ok := f.(*schema.Paired); ok {
				won.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d devices paired with one code", won.Load())
	}
}

func TestAClonedCardIsQuarantined(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	d := r.newDevice("pi")
	one := d.join()
	d.boot = "boot-2"
	two, _ := d.connect()
	one.refused(schema.CodeReplaced)
	d.boot = "boot-1"
	again, c := d.dial()
	again.send(d.hello(c))
	again.refused(schema.CodeQuarantined)
	two.refused(schema.CodeQuarantined)
	var device schema.Device
	r.call("GET", "/api/v1/devices/pi", nil, &device)
	contains(t, device.Presence.Degraded, "two machines")
}

// TestSlowHeaders (slowloris): a client that drips its headers is closed, and others are served meanwhile.
func TestSlowHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen("hub:80", 0)
		web := webServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), slog.New(slog.DiscardHandler))
		ended := make(chan struct{})
		go func() { defer close(ended); _ = web.Serve(l) }()
		var slow []net.Conn
		for range 50 {
			c, err := l.Dial(context.Background(), "tcp", "hub:80")
			if err != nil {
				t.Fatal(err)
			}
			slow = append(slow, c)
		}
		dripping := 0
		for range 20 {
			dripping = 0
			for _, c := range slow {
				if _, err := c.Write([]byte("G")); err == nil {
					dripping++
				}
			}
			c, err := l.Dial(context.Background(), "tcp", "hub:80")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = c.Write([]byte("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"))
			if line, err := bufio.NewReader(c).ReadString('\n'); !strings.Contains(line, "204") {
				t.Fatalf("another client got %q, %v", line, err)
			}
			_ = c.Close()
			time.Sleep(500 * time.Millisecond)
		}
		if dripping != 0 {
			t.Errorf("%d slow clients are still there after 10 s", dripping)
		}
		for _, c := range slow {
			_ = c.Close()
		}
		_ = web.Close()
		<-ended
	})
}

func TestRequestsThatAreTooMuch(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	r.newDevice("pi").join()
	long := strings.Repeat("x", 100<<10)
	for _, c := range []struct {
		name, method, path string
		body               any
		status             int
	}{
		{"a large body", "PATCH", "/api/v1/devices/pi", map[string]string{"name": long}, 413},
		{"a long name", "PATCH", "/api/v1/devices/pi", map[string]string{"name": long[:200]}, 413},
		{"an unknown field", "PATCH", "/api/v1/devices/pi", map[string]string{"nmae": "x"}, 400},
		{"an unknown device", "GET", "/api/v1/devices/nobody/history?channel=a.b", nil, 404},
		{"no channel", "GET", "/api/v1/devices/pi/history", nil, 400},
		{"too many channels", "GET", "/api/v1/devices/pi/history?" + strings.Repeat("channel=a.b&", 40), nil, 400},
		{"too many points", "GET", "/api/v1/devices/pi/history?channel=a.b&points=1000000", nil, 400},
		{"a span that runs backwards", "GET", "/api/v1/devices/pi/history?channel=a.b&from=9&to=8", nil, 400},
		{"not a number", "GET", "/api/v1/devices/pi/history?channel=a.b&from=1e99", nil, 400},
		{"an unknown path", "GET", "/api/v1/nothing", nil, 404},
		{"the wrong method", "POST", "/api/v1/devices", nil, 404},
		{"a command without a key", "POST", "/api/v1/devices/pi/commands", schema.Ask{Entity: "lamp", Op: schema.OpSet}, 400},
		{"a command out of range", "POST", "/api/v1/devices/pi/commands", schema.Ask{Key: "12345678", Entity: "lamp", Op: schema.OpSet, Value: schema.Number(3)}, 400},
		{"a command for nothing", "POST", "/api/v1/devices/pi/commands", schema.Ask{Key: "12345678", Entity: "door", Op: schema.OpSet, Value: schema.Bool(true)}, 404},
		{"codes for everybody", "POST", "/api/v1/pairing-codes", schema.PairingRequest{Uses: 1 << 30}, 400},
		{"a file outside", "GET", "/../../etc/passwd", nil, 200}, // the page, never a file of the machine
	} {
		t.Run(c.name, func(t *testing.T) {
			var p schema.Problem
			out := any(&p)
			if c.status == 200 {
				out = nil
			}
			if resp := r.call(c.method, c.path, c.body, out); resp.StatusCode != c.status {
				t.Errorf("%s, want %d (%+v)", resp.Status, c.status, p)
			}
			if c.status != 200 && p.Message == "" {
				t.Error("the refusal has no words")
			}
		})
	}
}

func TestALargeHeaderIsRefused(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	if resp := r.call("GET", "/", nil, nil, "X-Pad", strings.Repeat("x", 64<<10)); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Error(resp.Status)
	}
}
