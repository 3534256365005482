// Package uplinktest is a hub for the agent's tests: it speaks the protocol over an in-memory network, writes down what it was told and
// can be made to withhold acks, drop the link and refuse.
//
// It is strict: whatever the agent sends must decode and validate as schema says, or the test fails. Safe for concurrent use.
package uplinktest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/telltale-iot/telltale/internal/memnet"
	"github.com/telltale-iot/telltale/schema"
)

// Code is the pairing code the hub accepts and hands out.
const Code = "ABCD-EFGH"

// Hub is the other end of the link.
type Hub struct {
	tb  testing.TB
	lis *memnet.Listener
	srv *http.Server

	mu        sync.Mutex
	id        string
	window    int
	batchMS   int64
	silent    bool // no acks
	refuse    *schema.Problem
	refuseSeq uint64
	holdSeq   uint64
	beside    []schema.Frame
	restored  int
	keys      map[string]string
	conn      *websocket.Conn
	writes    sync.Mutex
	links     int
	attempts  int
	heard     []schema.Frame
	stored    map[string]map[uint64]schema.Frame
	ranges    map[string][]schema.Range
	hello     *schema.Hello
	described *schema.Descriptor
	order     []uint64
	lenient   bool
	began     time.Time
}

// New starts a hub and stops it with the test.
func New(tb testing.TB) *Hub {
	h := &Hub{tb: tb, lis: memnet.Listen("hub:80", 0), id: "hub-1", window: 64, batchMS: 100, began: time.Now(), keys: map[string]string{},
		stored: map[string]map[uint64]schema.Frame{}, ranges: map[string][]schema.Range{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/pairing-codes", h.pairingCode)
	mux.HandleFunc("/api/v1/agent", h.agent)
	h.srv = &http.Server{Handler: mux}
	go h.srv.Serve(h.lis)
	tb.Cleanup(h.Close)
	return h
}

// Close ends the hub.
func (h *Hub) Close() {
	h.Drop()
	h.srv.Close()
	h.lis.Close()
}

// URL is the hub's address; it counts as this machine.
func (h *Hub) URL() string { return "http://localhost" }

// Dial connects to the hub; it is the agent's dial hook.
func (h *Hub) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	h.mu.Lock()
	h.attempts++
	h.mu.Unlock()
	return h.lis.Dial(ctx, network, addr)
}

func (h *Hub) pairingCode(w http.ResponseWriter, _ *http.Request) {
	if err := json.NewEncoder(w).Encode(schema.PairingCode{Code: Code, ExpiresMS: 1 << 50, Uses: 1}); err != nil {
		h.tb.Errorf("pairing code: %v", err)
	}
}

func (h *Hub) agent(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{Subprotocols: []string{schema.AgentProtocol}}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	const nonce = "0123456789abcdef0123456789abcdef"
	h.mu.Lock()
	id := h.id
	h.mu.Unlock()
	if h.send(conn, &schema.Challenge{HubID: id, Nonce: nonce, NowMS: time.Now().UnixMilli()}) != nil {
		return
	}
	for {
		_, msg, err := conn.ReadMessage()
		if err != nil {
			return
		}
		frames, err := schema.Decode(schema.AgentUp, msg)
		if err != nil && !h.tolerant() {
			h.tb.Errorf("the agent sent what is not valid: %v\n%.300s", err, msg)
		}
		for _, f := range frames {
			if !h.take(conn, nonce, f) {
				return
			}
		}
	}
}

func (h *Hub) take(conn *websocket.Conn, nonce string, f schema.Frame) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard = append(h.heard, f)
	switch f := f.(type) {
	case *schema.Pair:
		return h.pair(conn, nonce, f)
	case *schema.Hello:
		return h.greet(conn, nonce, f)
	case *schema.Describe:
		h.described = &f.Descriptor
	case *schema.Readings:
		h.store(conn, f.Seq, f.Seq, f)
	case *schema.Event:
		h.store(conn, f.Seq, f.Seq, f)
	case *schema.Gap:
		h.store(conn, f.First, f.Last, f)
	}
	return true
}

func (h *Hub) pair(conn *websocket.Conn, nonce string, f *schema.Pair) bool {
	if f.Proof != schema.PairProof(Code, nonce, f.PublicKey) || !verify(f.PublicKey, f.Sig, schema.PairTranscript(h.id, f.Device, f.PublicKey, nonce)) {
		h.stop(conn, schema.Problemf(schema.CodeUnauthorized, "wrong pairing code"))
		return false
	}
	h.keys[f.Device] = f.PublicKey
	return h.send(conn, &schema.Paired{Device: f.Device, HubID: h.id}) == nil
}

func (h *Hub) greet(conn *websocket.Conn, nonce string, f *schema.Hello) bool {
	h.hello = f
	switch {
	case h.refuse != nil:
		h.stop(conn, h.refuse)
		return false
	case !verify(h.keys[f.Device], f.Sig, schema.HelloTranscript(h.id, f.Device, f.BootID, nonce)):
		h.stop(conn, schema.Problemf(schema.CodeUnauthorized, "unknown device or wrong key"))
		return false
	}
	h.conn = conn
	h.links++
	return h.send(conn, append([]schema.Frame{&schema.Welcome{StoreGeneration: fmt.Sprint("g", h.restored), Have: h.ranges[f.Epoch], NowMS: time.Now().UnixMilli(), MonoMS: h.MonoMS(),
		Describe: h.described == nil || h.described.Hash() != f.DescriptorHash, BatchMS: h.batchMS, Window: h.window, Session: uint64(h.links)}}, h.beside...)...) == nil
}

func (h *Hub) store(conn *websocket.Conn, first, last uint64, f schema.Frame) {
	epoch := h.hello.Epoch
	if h.refuseSeq == first && f.Kind() != "gap" {
		h.send(conn, &schema.Problem{Code: schema.CodeBadFrame, Message: "refused by the test", Seq: first})
		return
	}
	h.order = append(h.order, first)
	if h.stored[epoch] == nil {
		h.stored[epoch] = map[uint64]schema.Frame{}
	}
	if _, known := h.stored[epoch][first]; !known {
		h.stored[epoch][first] = f
	}
	if h.silent || first == h.holdSeq {
		return
	}
	h.ranges[epoch] = merge(h.ranges[epoch], schema.Range{first, last})
	h.send(conn, &schema.Ack{Epoch: epoch, Ranges: []schema.Range{{first, last}}})
}

// send writes one message: a frame, or several as an array.
func (h *Hub) send(conn *websocket.Conn, frames ...schema.Frame) error {
	var all [][]byte
	for _, f := range frames {
		one, err := schema.Encode(f)
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	msg := bytes.Join(all, []byte{','})
	if len(frames) > 1 {
		msg = slices.Concat([]byte{'['}, msg, []byte{']'})
	}
	h.writes.Lock()
	defer h.writes.Unlock()
	return conn.WriteMessage(websocket.TextMessage, msg)
}

func (h *Hub) stop(conn *websocket.Conn, p *schema.Problem) {
	if h.send(conn, p) == nil {
		msg := websocket.FormatCloseMessage(p.Code.CloseCode(), p.Message)
		conn.WriteControl(websocket.CloseMessage, msg, time.Now().Add(time.Second))
	}
}

// MonoMS is the hub's monotonic clock, for commands.
func (h *Hub) MonoMS() int64 { return time.Since(h.began).Milliseconds() }

// Send sends a frame to the agent; the test fails when there is none.
func (h *Hub) Send(f schema.Frame) {
	h.mu.Lock()
	conn := h.conn
	h.mu.Unlock()
	if conn == nil {
		h.tb.Fatalf("no agent to send %s to", f.Kind())
	}
	if err := h.send(conn, f); err != nil {
		h.tb.Errorf("send %s: %v", f.Kind(), err)
	}
}

// Tolerate accepts messages that do not decode: for links that are cut in the middle of one.
func (h *Hub) Tolerate() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lenient = true
}

func (h *Hub) tolerant() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lenient
}

// Drop cuts the connection without a word.
func (h *Hub) Drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn != nil {
		h.conn.NetConn().Close()
		h.conn = nil
	}
}

// Set changes the hub under its lock.
func (h *Hub) Set(change func(k *Knobs)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := Knobs{ID: h.id, Window: h.window, BatchMS: h.batchMS, Silent: h.silent, Refuse: h.refuse, RefuseSeq: h.refuseSeq, HoldSeq: h.holdSeq, Beside: h.beside}
	change(&k)
	h.id, h.window, h.batchMS, h.silent, h.refuse, h.refuseSeq, h.holdSeq, h.beside = k.ID, k.Window, k.BatchMS, k.Silent, k.Refuse, k.RefuseSeq, k.HoldSeq, k.Beside
}

// Knobs are what a test can turn.
type Knobs struct {
	ID        string          // the hub's identity
	Window    int             // frames under way
	BatchMS   int64           // pace
	Silent    bool            // stores and never acks
	Refuse    *schema.Problem // answer to every hello
	RefuseSeq uint64          // a frame that is refused
	HoldSeq   uint64          // a frame that is not acked
	Beside    []schema.Frame  // frames in the same message as the welcome
}

// Restore puts an empty store in the place of the hub's: one from a backup that was made before the device was.
func (h *Hub) Restore() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.restored++
	clear(h.stored)
	clear(h.ranges)
}

// Stored returns what the hub has of the newest epoch, by sequence number.
func (h *Hub) Stored() map[uint64]schema.Frame {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[uint64]schema.Frame{}
	if h.hello != nil {
		for k, v := range h.stored[h.hello.Epoch] {
			out[k] = v
		}
	}
	return out
}

// Order returns the first sequence numbers in the order of arrival, repeats included.
func (h *Hub) Order() []uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.order)
}

// Heard returns every frame that arrived, in order.
func (h *Hub) Heard() []schema.Frame {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.heard)
}

// Reports returns the states reported for a command, in order.
func (h *Hub) Reports(id string) []*schema.CommandReport {
	var out []*schema.CommandReport
	for _, f := range h.Heard() {
		if r, ok := f.(*schema.CommandReport); ok && r.ID == id {
			out = append(out, r)
		}
	}
	return out
}

// Values returns every value received for a channel, in order of arrival, null for faults.
func (h *Hub) Values(ch string) []schema.Value {
	var out []schema.Value
	for _, f := range h.Heard() {
		if r, ok := f.(*schema.Readings); ok {
			for _, s := range r.Series {
				if s.Ch == ch {
					out = append(out, s.V...)
				}
			}
		}
	}
	return out
}

// Links and Attempts count accepted hellos and dials.
func (h *Hub) Links() int { h.mu.Lock(); defer h.mu.Unlock(); return h.links }

// Attempts counts dials, those for pairing codes too.
func (h *Hub) Attempts() int { h.mu.Lock(); defer h.mu.Unlock(); return h.attempts }

// Missing returns the sequence numbers up to the newest that the hub has neither as a frame nor in a gap.
func (h *Hub) Missing() []uint64 {
	stored := h.Stored()
	have := map[uint64]bool{}
	var last uint64
	for seq, f := range stored {
		hi := seq
		if g, ok := f.(*schema.Gap); ok {
			hi = g.Last
		}
		for q := seq; q <= hi; q++ {
			have[q] = true
		}
		last = max(last, hi)
	}
	var out []uint64
	for q := uint64(1); q <= last; q++ {
		if !have[q] {
			out = append(out, q)
		}
	}
	return out
}

func merge(rs []schema.Range, r schema.Range) []schema.Range {
	rs = append(rs, r)
	slices.SortFunc(rs, func(a, b schema.Range) int { return int(int64(a[0]) - int64(b[0])) })
	out := rs[:1]
	for _, x := range rs[1:] {
		if last := &out[len(out)-1]; x[0] <= last[1]+1 {
			last[1] = max(last[1], x[1])
		} else {
			out = append(out, x)
		}
	}
	return out
}

func verify(key, sig string, msg []byte) bool {
	k, err1 := hex.DecodeString(key)
	s, err2 := hex.DecodeString(sig)
	return err1 == nil && err2 == nil && len(k) == ed25519.PublicKeySize && ed25519.Verify(k, msg, s)
}

// String describes the hub's books, for failure messages.
func (h *Hub) String() string {
	return fmt.Sprintf("links %d, stored %d, order %v", h.Links(), len(h.Stored()), h.Order())
}
