package uplink

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/device-agent/internal/outbox"
	"github.com/telltale-iot/telltale/schema"
)

func TestBackoffHasFullJitterUpToAMinute(t *testing.T) {
	most := func(n int64) int64 { return n }
	for n, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		if got := backoff(n, most); got != want*time.Second {
			t.Errorf("attempt %d waits up to %s, want %s", n, got, want*time.Second)
		}
	}
	if got := backoff(1000, most); got != time.Minute {
		t.Errorf("attempt 1000 waits up to %s", got)
	}
	seen := map[time.Duration]bool{}
	for range 50 {
		d := backoff(6, jitter)
		if d < 0 || d > time.Minute {
			t.Fatalf("waits %s", d)
		}
		seen[d] = true
	}
	if len(seen) < 40 {
		t.Error("waits are not spread")
	}
}

func TestKeptFramesGetWhatIsKnownOnlyNow(t *testing.T) {
	payload, err := schema.Encode(&schema.Readings{Seq: 7, MonoMS: 5, Series: []schema.Series{{Ch: "a.state", V: schema.Values{schema.Number(1)}}}})
	if err != nil {
		t.Fatal(err)
	}
	event, err := schema.Encode(&schema.Event{Seq: 8, MonoMS: 5, Type: "started", Message: "x"})
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name     string
		rec      outbox.Record
		backfill bool
		has, not []string
	}{
		{"live", outbox.Record{Seq: 7, Last: 7, Payload: payload}, false, []string{`"seq":7`}, []string{"backfill", "boot"}},
		{"backfill", outbox.Record{Seq: 7, Last: 7, Payload: payload}, true, []string{`"backfill":true`, `"seq":7`}, []string{"boot"}},
		{"former boot", outbox.Record{Seq: 7, Last: 7, Payload: payload, Boot: "b1"}, true, []string{`"boot":"b1"`, `"backfill":true`}, nil},
		{"event", outbox.Record{Seq: 8, Last: 8, Payload: event, Boot: "b1"}, true, []string{`"boot":"b1"`}, []string{"backfill"}},
		{"gap", outbox.Record{Seq: 3, Last: 6, Reason: schema.GapQuota, TimeMS: 1, ToMS: 2}, true, []string{`"first":3`, `"last":6`, `"quota"`}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			msg, err := encode(&c.rec, c.backfill)
			if err != nil || !json.Valid(msg) {
				t.Fatalf("%s %v", msg, err)
			}
			if _, err := schema.Decode(schema.AgentUp, msg); err != nil {
				t.Errorf("%s: %v", msg, err)
			}
			for _, h := range c.has {
				if !strings.Contains(string(msg), h) {
					t.Errorf("%s lacks %s", msg, h)
				}
			}
			for _, n := range c.not {
				if strings.Contains(string(msg), n) {
					t.Errorf("%s has %s", msg, n)
				}
			}
		})
	}
}

func TestBackfillMessagesStaySmall(t *testing.T) {
	var recs []outbox.Record
	for range 16 {
		recs = append(recs, outbox.Record{Payload: make([]byte, 20<<10)})
	}
	if n := len(fitting(recs)); n != 2 {
		t.Errorf("%d frames of 20 KiB in one message", n)
	}
	if n := len(fitting(recs[:1])); n != 1 {
		t.Error("a single frame must always go")
	}
}

func TestLoopbackIsThisMachineOnly(t *testing.T) {
	for host, want := range map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true, "127.8.9.1": true, "192.168.1.2": false,
		"localhost.example": false, "hub": false} {
		if loopback(host) != want {
			t.Errorf("%s: %v", host, !want)
		}
	}
}

func TestHubAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"http://localhost:8080": "ws://localhost:8080/api/v1/agent", "https://hub.example/": "wss://hub.example/api/v1/agent",
		"https://example/home": "wss://example/home/api/v1/agent", "localhost:8080": "", "ftp://x": "", "": "",
	} {
		l, err := New(Options{Hub: in, Clock: clock{}})
		if want == "" {
			if err == nil {
				t.Errorf("%q was taken", in)
			}
			continue
		}
		if err != nil || l.url.String() != want {
			t.Errorf("%q: %v %v", in, l, err)
		}
	}
}

// clock stands still.
type clock struct{}

func (clock) Now() time.Time      { return time.Time{} }
func (clock) Mono() time.Duration { return 0 }
func (clock) Synced() bool        { return true }
func (clock) BootID() string      { return "b" }
