// Package ingest takes a device's frames from the socket, places them in time and hands them to the rooms and the store.
package ingest

import (
	"context"
	"log/slog"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// Appender queues frames for a durable commit. done is called once, after the commit or when it failed. An error with
// Temporary() true means: the queue is full, try again a little later.
type Appender interface {
	Append(b schema.Batch, done func(error)) error
	AppendGap(device, epoch string, g schema.Gap, done func(error)) error
	AppendEvent(at schema.Batch, e schema.Event, done func(error)) error
}

// Book answers what is already stored of a device.
type Book interface {
	Received(ctx context.Context, device, epoch string) ([]schema.Range, error)
	Latest(ctx context.Context, device string) (t0MS int64, series []schema.LiveSeries, err error)
}

// Clocks keeps the offsets of boots' monotonic clocks.
type Clocks interface {
	Boot(ctx context.Context, device, boot string) (offsetMS int64, tq schema.TimeQuality, err error)
	SaveBoot(ctx context.Context, device, boot string, offsetMS int64, tq schema.TimeQuality) error
	LastBefore(ctx context.Context, device string, ms int64) (int64, error)
}

// Store is what ingest needs of the store.
type Store interface {
	Appender
	Book
	Clocks
}

// Publisher shows frames to whoever watches. Its methods must not block.
type Publisher interface {
	Publish(b schema.Batch)
	PublishFilled(device string, spans []schema.Span)
	PublishGap(device string, g schema.GapRecord)
}

// Options of the ingest.
type Options struct {
	// Store keeps the frames.
	Store Store
	// Rooms show them at once.
	Rooms Publisher
	// Log receives what a person should know; nil = nothing is logged.
	Log *slog.Logger
	// Now is the hub's clock; nil = time.Now.
	Now func() time.Time
}

// Link is the way back to a device's connection. Its functions are called one at a time, never after Session.Close; they must not
// block for long and must not call Close.
type Link struct {
	// Ack sends the ranges that were just committed.
	Ack func(epoch string, ranges []schema.Range)
	// Fail is called at most once, when frames could not be stored: the connection should be closed with the problem, so that the
	// device comes back and sends again what was not acked.
	Fail func(p *schema.Problem)
}

// Ingest is the path from sockets to rooms and store, for all devices.
type Ingest struct{}

// Stats counts since the start.
type Stats struct {
	Frames   uint64 // frames accepted: readings, gaps, events
	Readings uint64 // readings in them
	Repeats  uint64 // frames that were stored already and only acked again
	Refused  uint64 // frames refused with a problem
	Failed   uint64 // frames that could not be committed
	Skewed   uint64 // frames whose device's clock was not believed
}

// New makes an ingest.
func New(o Options) *Ingest { return &Ingest{} }

// Stats returns the counts.
func (in *Ingest) Stats() Stats { return Stats{} }

// Forget drops what is remembered of a device that was removed.
func (in *Ingest) Forget(device string) {}

// Open begins a device's connection. have is what is stored of the epoch, for the welcome.
func (in *Ingest) Open(ctx context.Context, h *schema.Hello, l Link) (s *Session, have []schema.Range, err error) {
	return &Session{}, nil, nil
}

// Session is one connection of one device.
type Session struct{}

// Clock says how the device's wall clock compares with the hub's: its quality, and by how many ms it is ahead.
func (s *Session) Clock() (tq schema.TimeQuality, aheadMS int64) { return "", 0 }

// Descriptor sets what the device has; call it before the first frame when the hub knows the descriptor, and after each describe.
func (s *Session) Descriptor(d *schema.Descriptor) {}

// Readings takes a readings frame.
func (s *Session) Readings(r *schema.Readings) *schema.Problem { return nil }

// Gap takes a gap frame.
func (s *Session) Gap(g *schema.Gap) *schema.Problem { return nil }

// Event takes an event frame.
func (s *Session) Event(e *schema.Event) *schema.Problem { return nil }

// Status follows the device's clock.
func (s *Session) Status(st *schema.Status) {}

// Close ends the session; no Ack or Fail runs after it returned.
func (s *Session) Close() {}
