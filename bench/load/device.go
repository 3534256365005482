//go:build linux

package load

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/telltale-iot/telltale/bench/figure"
	"github.com/telltale-iot/telltale/schema"
)

// answerWithin bounds every wait for an answer of the hub.
const answerWithin = 30 * time.Second

// Device is one connected agent. One goroutine sends; acks are read on another. Close it.
type Device struct {
	// ID that the hub gave it.
	ID string

	ws      *websocket.Conn
	clock   Clock
	signals *signals
	epoch   string
	began   time.Time
	buf     []byte
	seq     uint64
	room    chan struct{} // one token per frame that may be under way
	ended   chan struct{}
	err     error // why the reader ended; read after ended is closed

	mu      sync.Mutex
	flying  map[uint64]time.Time // unacked frames, when they were sent
	acked   uint64
	latency figure.Latencies
	refused error
}

// DeviceOptions of [Connect].
type DeviceOptions struct {
	// Addr of the hub.
	Addr string
	// Code is a pairing code with at least one use left.
	Code string
	// Number makes the device's id and, with Seed, its values.
	Number int
	// Seed of all inputs.
	Seed uint64
	// Shape of its frames.
	Shape Shape
	// Clock of the stamps.
	Clock Clock
}

// Connect dials, pairs a new device, says hello and describes itself.
func Connect(ctx context.Context, o DeviceOptions) (*Device, error) {
	dialer := websocket.Dialer{Subprotocols: []string{schema.AgentProtocol}, ReadBufferSize: 2048, WriteBufferSize: 16 << 10, HandshakeTimeout: answerWithin}
	ws, res, err := dialer.DialContext(ctx, "ws://"+o.Addr+"/api/v1/agent", nil)
	if err != nil {
		if res != nil {
			err = fmt.Errorf("%w: %s", err, res.Status)
		}
		return nil, fmt.Errorf("dial as agent %d: %w", o.Number, err)
	}
	rng := rand.New(rand.NewPCG(o.Seed, uint64(o.Number)))
	d := &Device{ws: ws, clock: o.Clock, signals: newSignals(o.Shape, o.Seed, uint64(o.Number)), began: time.Now(), ended: make(chan struct{}),
		epoch: fmt.Sprintf("%016x", rng.Uint64()), flying: map[uint64]time.Time{}}
	if err := d.greet(o, rng); err != nil {
		return nil, errors.Join(fmt.Errorf("agent %d: %w", o.Number, err), ws.Close())
	}
	go d.read()
	return d, nil
}

func (d *Device) greet(o DeviceOptions, rng *rand.Rand) error {
	var seed [ed25519.SeedSize]byte
	for i := 0; i < len(seed); i += 8 {
		binary.LittleEndian.PutUint64(seed[i:], rng.Uint64())
	}
	key := ed25519.NewKeyFromSeed(seed[:])
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return errors.New("the key has no public half")
	}
	sign := func(transcript []byte) string { return hex.EncodeToString(ed25519.Sign(key, transcript)) }
	challenge, err := await[*schema.Challenge](d)
	if err != nil {
		return err
	}
	d.ID = fmt.Sprintf("bench-%04d", o.Number)
	pub := hex.EncodeToString(public)
	err = d.write(&schema.Pair{Device: d.ID, Name: d.ID, PublicKey: pub, Proof: schema.PairProof(o.Code, challenge.Nonce, pub),
		Sig: sign(schema.PairTranscript(challenge.HubID, d.ID, pub, challenge.Nonce))})
	if err != nil {
		return err
	}
	paired, err := await[*schema.Paired](d)
	if err != nil {
		return err
	}
	d.ID = paired.Device
	descriptor := o.Shape.Descriptor(d.ID)
	err = d.write(&schema.Hello{Device: d.ID, Sig: sign(schema.HelloTranscript(challenge.HubID, d.ID, "bench-boot", challenge.Nonce)),
		Epoch: d.epoch, BootID: "bench-boot", MonoMS: d.monoMS(), WallMS: time.Now().UnixMilli(), Synced: true,
		DescriptorHash: descriptor.Hash(), Agent: "bench"})
	if err != nil {
		return err
	}
	welcome, err := await[*schema.Welcome](d)
	if err != nil {
		return err
	}
	d.room = make(chan struct{}, welcome.Window)
	for range welcome.Window {
		d.room <- struct{}{}
	}
	return d.write(&schema.Describe{Hash: descriptor.Hash(), Descriptor: descriptor})
}

func (d *Device) monoMS() int64 { return time.Since(d.began).Milliseconds() + 1 }

func (d *Device) write(f schema.Frame) error {
	b, err := schema.Encode(f)
	if err != nil {
		return err
	}
	return d.ws.WriteMessage(websocket.TextMessage, b)
}

// await reads until a frame of type F comes; a problem is an error.
func await[F schema.Frame](d *Device) (want F, err error) {
	if err := d.ws.SetReadDeadline(time.Now().Add(answerWithin)); err != nil {
		return want, err
	}
	for {
		_, message, err := d.ws.ReadMessage()
		if err != nil {
			return want, fmt.Errorf("waiting for %s: %w", want.Kind(), err)
		}
		frames, err := schema.Decode(schema.AgentDown, message)
		if err != nil {
			return want, err
		}
		for _, f := range frames {
			switch f := f.(type) {
			case F:
				return f, nil
			case *schema.Problem:
				return want, f
			}
		}
	}
}

// Send sends the next frame, with t0MS as its time (Unix ms). It waits while the window is full. It returns when the frame was handed to the kernel.
func (d *Device) Send(ctx context.Context, t0MS int64) error {
	select {
	case <-d.room:
	case <-d.ended:
		return d.reason()
	case <-ctx.Done():
		return ctx.Err()
	}
	d.seq++
	d.buf = d.signals.appendReadings(d.buf[:0], d.seq, t0MS, d.monoMS(), d.clock.Stamp())
	d.mu.Lock()
	d.flying[d.seq] = time.Now()
	d.mu.Unlock()
	if err := d.ws.WriteMessage(websocket.TextMessage, d.buf); err != nil {
		return fmt.Errorf("send as %s: %w", d.ID, err)
	}
	return nil
}

// read takes acks until the connection ends.
func (d *Device) read() {
	defer close(d.ended)
	if d.err = d.ws.SetReadDeadline(time.Time{}); d.err != nil {
		return
	}
	for {
		_, message, err := d.ws.ReadMessage()
		if err != nil {
			d.err = err
			return
		}
		frames, err := schema.Decode(schema.AgentDown, message)
		if err != nil {
			d.err = err
			return
		}
		for _, f := range frames {
			switch f := f.(type) {
			case *schema.Ack:
				d.take(f, time.Now())
			case *schema.Problem:
				d.mu.Lock()
				d.refused = errors.Join(d.refused, f)
				d.mu.Unlock()
			}
		}
	}
}

// take notes what an ack covers. Ranges may cover more than is under way.
func (d *Device) take(a *schema.Ack, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for seq, sent := range d.flying {
		for _, r := range a.Ranges {
			if seq >= r[0] && seq <= r[1] {
				delete(d.flying, seq)
				d.latency.Note(now.Sub(sent))
				d.acked++
				d.room <- struct{}{} // never waits: the token was taken by Send
				break
			}
		}
	}
}

// Drained waits until everything that was sent is acked.
func (d *Device) Drained(ctx context.Context) error {
	for n := range cap(d.room) {
		select {
		case <-d.room:
		case <-d.ended:
			return d.reason()
		case <-ctx.Done():
			return fmt.Errorf("%s: %d of %d frames unacked: %w", d.ID, cap(d.room)-n, d.seq, ctx.Err())
		}
	}
	for range cap(d.room) {
		d.room <- struct{}{}
	}
	return nil
}

// Progress returns how many frames are acked so far and moves their latencies to the caller.
func (d *Device) Progress() (acked uint64, latency figure.Latencies, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	latency, d.latency = d.latency, nil
	return d.acked, latency, d.refused
}

func (d *Device) reason() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return errors.Join(fmt.Errorf("the connection of %s ended", d.ID), d.err, d.refused)
}

// Close ends the connection.
func (d *Device) Close() error {
	err := d.ws.Close()
	<-d.ended
	return err
}
