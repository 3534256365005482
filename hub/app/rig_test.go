package app

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/telltale-iot/telltale/schema"
)

// running is a whole hub on a port of its own, with a real store.
type running struct {
	*Hub
	t    *testing.T
	base string // host:port
	stop func() error
}

func run(t *testing.T, dir string) *running {
	t.Helper()
	c := Default()
	c.Listen, c.Data, c.CommitEvery, c.Hosts = "127.0.0.1:0", dir, 5*time.Millisecond, []string{"hub.test"}
	h, err := New(t.Context(), c, Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	r := &running{Hub: h, t: t, base: h.Addr().String()}
	stopped, result := false, error(nil)
	r.stop = func() error {
		if !stopped {
			stopped = true
			cancel()
			result = <-ended
		}
		return result
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("hub: %v", err)
		}
	})
	return r
}

// call sends a request and decodes the answer into out, unless that is nil.
func (r *running) call(method, path string, body, out any, header ...string) *http.Response {
	r.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		r.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.base+path, bytes.NewReader(b))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			r.t.Fatalf("%s %s: %s: %v", method, path, text, err)
		}
	}
	return resp
}

func (r *running) code(uses int) string {
	r.t.Helper()
	var c schema.PairingCode
	if resp := r.call("POST", "/api/v1/pairing-codes", schema.PairingRequest{Uses: uses}, &c); resp.StatusCode != http.StatusCreated {
		r.t.Fatalf("pairing code: %s", resp.Status)
	}
	return c.Code
}

// peer is one WebSocket, of a device or a page.
type peer struct {
	t      *testing.T
	ws     *websocket.Conn
	stream schema.Stream
	queue  []schema.Frame
}

func (r *running) socket(path, protocol string, stream schema.Stream, header http.Header) *peer {
	r.t.Helper()
	d := websocket.Dialer{Subprotocols: []string{protocol}}
	ws, _, err := d.DialContext(r.t.Context(), "ws://"+r.base+path, header)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = ws.Close() })
	return &peer{t: r.t, ws: ws, stream: stream}
}

func (p *peer) send(frames ...schema.Frame) {
	p.t.Helper()
	b, err := schema.Encode(frames...)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.ws.WriteMessage(websocket.TextMessage, b); err != nil {
		p.t.Fatal(err)
	}
}

// next returns the next frame. Errors: the end of the connection.
func (p *peer) next() (schema.Frame, error) {
	for len(p.queue) == 0 {
		if err := p.ws.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return nil, err
		}
		_, b, err := p.ws.ReadMessage()
		if err != nil {
			return nil, err
		}
		frames, err := schema.Decode(p.stream, b)
		if err != nil {
			p.t.Fatalf("%v in %s", err, b)
		}
		p.queue = frames
	}
	f := p.queue[0]
	p.queue = p.queue[1:]
	return f, nil
}

// until skips frames until one makes ok true.
func until[F schema.Frame](p *peer, ok func(F) bool) F {
	p.t.Helper()
	for {
		f, err := p.next()
		if err != nil {
			p.t.Fatalf("waiting for %T: %v", *new(F), err)
		}
		if want, is := f.(F); is && ok(want) {
			return want
		}
	}
}

func first[F schema.Frame](F) bool { return true }

// refused reads a problem and the close that follows it.
func (p *peer) refused(code schema.Code) {
	p.t.Helper()
	if got := until(p, first[*schema.Problem]); got.Code != code {
		p.t.Errorf("problem %q %q, want %q", got.Code, got.Message, code)
	}
	for {
		_, err := p.next()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			if closed.Code != code.CloseCode() {
				p.t.Errorf("closed with %d, want %d", closed.Code, code.CloseCode())
			}
			return
		}
		if err != nil {
			p.t.Fatalf("ended without a close: %v", err)
		}
	}
}

// device is a device with its key.
type device struct {
	r    *running
	id   string
	key  ed25519.PrivateKey
	boot string
}

const epoch = "00000000000000aa"

func (r *running) newDevice(id string) *device {
	r.t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return &device{r: r, id: id, key: key, boot: "boot-1"}
}

func (d *device) public() string { return hex.EncodeToString(d.key.Public().(ed25519.PublicKey)) }

func (d *device) dial() (*peer, *schema.Challenge) {
	d.r.t.Helper()
	p := d.r.socket("/api/v1/agent", schema.AgentProtocol, schema.AgentDown, nil)
	return p, until(p, first[*schema.Challenge])
}

func (d *device) pairFrame(c *schema.Challenge, code string) *schema.Pair {
	return &schema.Pair{Device: d.id, Name: d.id, PublicKey: d.public(), Proof: schema.PairProof(code, c.Nonce, d.public()),
		Sig: hex.EncodeToString(ed25519.Sign(d.key, schema.PairTranscript(c.HubID, d.id, d.public(), c.Nonce)))}
}

func (d *device) hello(c *schema.Challenge) *schema.Hello {
	return &schema.Hello{Device: d.id, Sig: hex.EncodeToString(ed25519.Sign(d.key, schema.HelloTranscript(c.HubID, d.id, d.boot, c.Nonce))),
		Epoch: epoch, BootID: d.boot, MonoMS: 5000, WallMS: time.Now().UnixMilli(), Synced: true, Agent: "test", DescriptorHash: "h"}
}

// join pairs the device, connects and describes it.
func (d *device) join() *peer {
	d.r.t.Helper()
	p, c := d.dial()
	p.send(d.pairFrame(c, d.r.code(1)))
	d.id = until(p, first[*schema.Paired]).Device
	p.send(d.hello(c))
	if w := until(p, first[*schema.Welcome]); !w.Describe {
		d.r.t.Error("a new device is not asked to describe itself")
	}
	p.send(&schema.Describe{Hash: "h", Descriptor: descriptor()})
	for known := (schema.Device{}); known.Descriptor == nil; { // until the hub has it
		d.r.call("GET", "/api/v1/devices/"+d.id, nil, &known)
	}
	return p
}

// connect comes back with a device that has paired.
func (d *device) connect() (*peer, *schema.Welcome) {
	d.r.t.Helper()
	p, c := d.dial()
	p.send(d.hello(c))
	return p, until(p, first[*schema.Welcome])
}

func descriptor() schema.Descriptor {
	return schema.Descriptor{Name: "Test", Area: "Lab", Entities: []schema.Entity{
		{ID: "air", Kind: schema.KindSensor, Name: "Air", Channels: []schema.Channel{{Name: "state", Type: schema.TypeNumber, IntervalMS: 1000}}},
		{ID: "lamp", Kind: schema.KindSwitch, Name: "Lamp", Channels: []schema.Channel{{Name: "state", Type: schema.TypeBool, Settable: true}}},
	}}
}

func reading(seq uint64, value float64) *schema.Readings {
	return &schema.Readings{Seq: seq, T0MS: time.Now().UnixMilli(), MonoMS: 6000, Series: []schema.Series{{Ch: "air.state", V: schema.Values{schema.Number(value)}}}}
}

// acked reads until the hub has acked seq.
func (p *peer) acked(seq uint64) {
	p.t.Helper()
	until(p, func(a *schema.Ack) bool {
		for _, r := range a.Ranges {
			if r[0] <= seq && seq <= r[1] {
				return true
			}
		}
		return false
	})
}

// page connects a dashboard.
func (r *running) page(resume ...schema.RoomPosition) *peer {
	r.t.Helper()
	p := r.socket("/api/v1/live", schema.LiveProtocol, schema.LiveDown, http.Header{"Origin": {"http://" + r.base}})
	p.send(&schema.LiveHello{Client: "test", Resume: resume})
	until(p, first[*schema.LiveWelcome])
	return p
}

// has reports whether a series ends with the value.
func has(all []schema.LiveSeries, ch string, value float64) bool {
	for _, s := range all {
		if f, _ := s.V[len(s.V)-1].Float(); s.Ch == ch && f == value {
			return true
		}
	}
	return false
}

func contains(t *testing.T, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("%q does not say %q", text, part)
	}
}
