package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/auth"
	"github.com/telltale-iot/telltale/hub/internal/ingest"
	"github.com/telltale-iot/telltale/hub/internal/presence"
	"github.com/telltale-iot/telltale/hub/internal/socket"
	"github.com/telltale-iot/telltale/schema"
)

const (
	// watchedBatchMS is how long an agent may collect readings while somebody watches it, idleBatchMS while nobody does, in ms.
	watchedBatchMS = 100
	idleBatchMS    = 1000
	// window is how many unacked frames an agent may have under way: some seconds of backlog at full speed.
	window = 64
)

// agents is what the agents' endpoint asks of the hub: socket.Devices.
type agents struct{ h *Hub }

var _ socket.Devices = agents{}

// Challenge makes a nonce that is good for one connection.
func (a agents) Challenge() schema.Challenge {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails: crypto/rand ends the program instead
	return schema.Challenge{HubID: a.h.HubID(), Nonce: hex.EncodeToString(nonce[:]), NowMS: time.Now().UnixMilli()}
}

// Pair checks the key, then uses the code up, then gives the device its id.
func (a agents) Pair(ctx context.Context, nonce string, p *schema.Pair) (string, error) {
	key, err := auth.VerifyPair(a.h.HubID(), nonce, p)
	if err != nil {
		return "", err
	}
	if err := a.h.pairing.Redeem(nonce, p.PublicKey, p.Proof); err != nil {
		return "", err
	}
	id, err := a.h.store.PairDevice(ctx, p.Device, p.Name, key)
	if err != nil {
		return "", err
	}
	d, ok, err := a.h.store.Device(ctx, id)
	if err != nil || !ok {
		return "", errors.Join(err, fmt.Errorf("device %s is gone right after pairing", id))
	}
	if _, known := a.h.presence.Presence(id); !known {
		a.h.presence.Know(d, 0)
	}
	a.h.show(d)
	return id, nil
}

// Identify checks the signature and numbers the connection. Clones are kept out, the one that is connected too.
func (a agents) Identify(ctx context.Context, nonce string, hello *schema.Hello) (uint64, error) {
	key, ok, err := a.h.store.DeviceKey(ctx, hello.Device)
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, schema.Problemf(schema.CodeUnauthorized, "this hub does not know a device %s; pair it (again) with a new code", hello.Device)
	}
	if err := auth.VerifyHello(key, a.h.HubID(), nonce, hello); err != nil {
		return 0, err
	}
	session, err := a.h.sessions.Open(hello.Device, hello.BootID)
	var p *schema.Problem
	if errors.As(err, &p) && p.Code == schema.CodeQuarantined {
		a.h.socket.Kick(hello.Device, p)
		a.h.presence.Warn(hello.Device, p.Message)
	}
	return session, err
}

// Open begins a session: ingest, presence and commands get to know the connection.
func (a agents) Open(ctx context.Context, hello *schema.Hello, number uint64, agent *socket.Agent) (*schema.Welcome, socket.Session, error) {
	h := a.h
	d, ok, err := h.store.Device(ctx, hello.Device)
	if err != nil {
		return nil, nil, err
	}
	if !ok {
		return nil, nil, schema.Problemf(schema.CodeUnauthorized, "this hub does not know a device %s", hello.Device)
	}
	hash, err := h.store.DescriptorHash(ctx, hello.Device)
	if err != nil {
		return nil, nil, err
	}
	in, have, err := h.ingest.Open(ctx, hello, ingest.Link{
		Ack:  func(epoch string, ranges []schema.Range) { _ = agent.Send(&schema.Ack{Epoch: epoch, Ranges: ranges}) }, // a lost ack is repeated by the next hello
		Fail: agent.Fail,
	})
	if err != nil {
		return nil, nil, err
	}
	if d.Descriptor != nil {
		in.Descriptor(d.Descriptor)
	}
	s := &session{h: h, device: hello.Device, number: number, in: in}
	clock, offset := in.Clock()
	h.presence.Online(hello.Device, presence.Arrival{Session: number, Agent: hello.Agent, Addr: agent.Addr(), Clock: clock, OffsetMS: offset,
		Backlog: missing(hello, have)})
	s.detach = h.commands.Attach(hello.Device, agent.Send)
	if have == nil {
		have = []schema.Range{}
	}
	return &schema.Welcome{StoreGeneration: h.store.Generation(), Have: have, NowMS: time.Now().UnixMilli(), Describe: hash != hello.DescriptorHash,
		BatchMS: batchMS(h.rooms.Watched(hello.Device)), Window: window, Session: number}, s, nil
}

// missing is how many frames of the outbox the hub does not have.
func missing(hello *schema.Hello, have []schema.Range) uint64 {
	if hello.First == 0 {
		return 0
	}
	n := hello.Last - hello.First + 1
	for _, r := range have {
		if lo, hi := max(r[0], hello.First), min(r[1], hello.Last); lo <= hi {
			n -= hi - lo + 1
		}
	}
	return n
}

func batchMS(watched bool) int64 {
	if watched {
		return watchedBatchMS
	}
	return idleBatchMS
}

// watched tells an agent to send more often while somebody looks.
func (h *Hub) watched(device string, watched bool) {
	_ = h.socket.Send(device, &schema.Pace{BatchMS: batchMS(watched)}) // an agent that is not there hears it in its welcome
}

// session is one agent's connection: where its frames go.
type session struct {
	h      *Hub
	device string
	number uint64
	in     *ingest.Session
	detach func()
}

// Handle sends each kind of frame where it belongs.
func (s *session) Handle(ctx context.Context, f schema.Frame) *schema.Problem {
	switch f := f.(type) {
	case *schema.Readings:
		return s.counted(s.in.Readings(f))
	case *schema.Gap:
		return s.counted(s.in.Gap(f))
	case *schema.Event:
		return s.counted(s.in.Event(f))
	case *schema.Status:
		s.in.Status(f)
		clock, offset := s.in.Clock()
		s.h.presence.Status(s.device, f, clock, offset)
	case *schema.Describe:
		return s.counted(s.problem(ctx, "describe", s.describe(ctx, f)))
	case *schema.CommandReport:
		return s.counted(s.problem(ctx, "report", s.h.commands.Report(ctx, s.device, *f)))
	case *schema.Bye:
		s.h.log.Info("device says goodbye", "device", s.device, "reason", f.Reason)
	case *schema.Problem:
		s.h.log.Warn("device reports a problem", "device", s.device, "code", f.Code, "reason", f.Message)
	default:
		return s.counted(schema.Problemf(schema.CodeBadFrame, "%s is not expected after the welcome", f.Kind()))
	}
	return nil
}

// Close ends the session everywhere.
func (s *session) Close() {
	s.detach()
	s.in.Close()
	s.h.presence.Offline(s.device, s.number)
}

func (s *session) describe(ctx context.Context, f *schema.Describe) error {
	if err := s.h.store.SaveDescriptor(ctx, s.device, f.Hash, f.Descriptor); err != nil {
		return err
	}
	s.in.Descriptor(&f.Descriptor)
	s.h.presence.Describe(s.device, &f.Descriptor)
	d, ok, err := s.h.store.Device(ctx, s.device)
	if err != nil || !ok {
		return err
	}
	s.h.show(d)
	return nil
}

// problem turns an error into one for the agent; what is not meant for it goes to the log only.
func (s *session) problem(ctx context.Context, doing string, err error) *schema.Problem {
	if err == nil || ctx.Err() != nil { // a connection that ended meanwhile: the device says it again
		return nil
	}
	var p *schema.Problem
	if errors.As(err, &p) {
		return p
	}
	s.h.log.Error("frame not handled", "doing", doing, "device", s.device, "err", err)
	return schema.Problemf(schema.CodeInternal, "the hub could not handle the %s; its log says why", doing)
}

func (s *session) counted(p *schema.Problem) *schema.Problem {
	if p != nil {
		s.h.metrics.Refused(string(p.Code))
	}
	return p
}

// show brings a device as the store has it, with its presence, into the rooms.
func (h *Hub) show(d schema.Device) {
	if p, ok := h.presence.Presence(d.ID); ok {
		d.Presence = p
	}
	h.rooms.PublishDevice(d)
}

// shown is where ingest shows frames: the rooms, and presence, which follows for when there are readings.
type shown struct{ h *Hub }

// Publish shows fresh readings.
func (s shown) Publish(b schema.Batch) {
	from, to := int64(0), int64(0)
	for i := range b.Series {
		one := &b.Series[i]
		first, last := b.T0MS+one.OffsetMS(0), b.T0MS+one.OffsetMS(len(one.V)-1)
		if i == 0 {
			from, to = first, last
		}
		from, to = min(from, first), max(to, last)
	}
	if len(b.Series) > 0 {
		s.h.presence.Measured(b.Device, from, to)
	}
	s.h.rooms.Publish(b)
}

// PublishFilled shows that history changed.
func (s shown) PublishFilled(device string, spans []schema.Span) {
	for _, span := range spans {
		s.h.presence.Measured(device, span.FromMS, span.ToMS)
	}
	s.h.rooms.PublishFilled(device, spans)
}

// PublishGap shows a gap.
func (s shown) PublishGap(device string, g schema.GapRecord) {
	if g.FromMS > 0 && g.ToMS >= g.FromMS && g.Ch == "" {
		s.h.presence.Explained(device, g.FromMS, g.ToMS)
	}
	s.h.rooms.PublishGap(device, g)
}
