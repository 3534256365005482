// Package store keeps devices, readings, gaps and commands in one SQLite file.
package store

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// Options says where the store lives and how it behaves.
type Options struct {
	// Dir is the data folder; it is made when it does not exist.
	Dir string
	// CommitEvery is how long readings may be collected before a durable commit; 0 = DefaultCommitEvery.
	CommitEvery time.Duration
	// Log receives what a person should know; nil = nothing is logged.
	Log *slog.Logger
	// Now is the hub's clock; nil = time.Now.
	Now func() time.Time
	// OnCommit is told about every commit, from the writer's goroutine; it must not block. nil = nobody listens.
	OnCommit func(CommitInfo)
}

// CommitInfo describes one group commit, for metrics.
type CommitInfo struct {
	Frames     int           // frames in it: readings, gaps, events
	Readings   int           // rows of readings written
	Duplicates int           // frames that were there already
	Took       time.Duration // from begin to durable
	Err        error         // nil = committed
}

// Store is the open database.
type Store struct{}

var errSkeleton = errors.New("store: not written yet")

// Open opens or makes the store.
func Open(ctx context.Context, o Options) (*Store, error) { return nil, errSkeleton }

// HubID names this hub for life, 32 hex digits.
func (s *Store) HubID() string { return "" }

// Generation changes when the store was restored from a backup, 16 hex digits.
func (s *Store) Generation() string { return "" }

// Health returns nil while commits succeed, else the last commit's error.
func (s *Store) Health() error { return errSkeleton }

// Queued returns how many readings and frames wait for a commit.
func (s *Store) Queued() (readings, frames int) { return 0, 0 }

// Close commits what is queued and closes the file.
func (s *Store) Close() error { return errSkeleton }

// PairDevice gives a key its device id.
func (s *Store) PairDevice(ctx context.Context, want, name string, key ed25519.PublicKey) (string, error) {
	return "", errSkeleton
}

// DeviceKey returns the key of a device.
func (s *Store) DeviceKey(ctx context.Context, id string) (ed25519.PublicKey, bool, error) {
	return nil, false, errSkeleton
}

// Devices lists all devices by id.
func (s *Store) Devices(ctx context.Context) ([]schema.Device, error) { return nil, errSkeleton }

// Device returns one device.
func (s *Store) Device(ctx context.Context, id string) (schema.Device, bool, error) {
	return schema.Device{}, false, errSkeleton
}

// DescriptorHash returns the hash of the descriptor the store has of a device, "" when it has none.
func (s *Store) DescriptorHash(ctx context.Context, id string) (string, error) { return "", errSkeleton }

// SaveDescriptor replaces what a device says of itself.
func (s *Store) SaveDescriptor(ctx context.Context, id, hash string, d schema.Descriptor) error {
	return errSkeleton
}

// PatchDevice renames or moves a device.
func (s *Store) PatchDevice(ctx context.Context, id string, p schema.DevicePatch) (schema.Device, error) {
	return schema.Device{}, errSkeleton
}

// ForgetDevice deletes a device with all it measured.
func (s *Store) ForgetDevice(ctx context.Context, id string) error { return errSkeleton }

// TouchDevice notes when a device was last heard of. Durable with the next commit.
func (s *Store) TouchDevice(ctx context.Context, id string, lastSeenMS int64) error { return errSkeleton }

// Append queues one batch for the next group commit.
func (s *Store) Append(b schema.Batch, done func(error)) error { return errSkeleton }

// AppendGap queues a gap that takes the place of sequence numbers.
func (s *Store) AppendGap(device, epoch string, g schema.Gap, done func(error)) error {
	return errSkeleton
}

// AppendEvent queues an event; at carries its device, epoch, seq, t0 and time quality (no series).
func (s *Store) AppendEvent(at schema.Batch, e schema.Event, done func(error)) error {
	return errSkeleton
}

// Received returns the ranges of an epoch that are stored or known gaps.
func (s *Store) Received(ctx context.Context, device, epoch string) ([]schema.Range, error) {
	return nil, errSkeleton
}

// Boot returns the offset of a boot's monotonic clock.
func (s *Store) Boot(ctx context.Context, device, boot string) (offsetMS int64, tq schema.TimeQuality, err error) {
	return 0, "", errSkeleton
}

// SaveBoot keeps the offset of a boot's monotonic clock.
func (s *Store) SaveBoot(ctx context.Context, device, boot string, offsetMS int64, tq schema.TimeQuality) error {
	return errSkeleton
}

// LastBefore returns the time of the newest reading of a device before a time, 0 when there is none.
func (s *Store) LastBefore(ctx context.Context, device string, ms int64) (int64, error) {
	return 0, errSkeleton
}

// HistoryQuery asks for the history of some channels of one device.
type HistoryQuery struct {
	Channels []string // wire ids, 1 to MaxHistoryChannels
	FromMS   int64    // first ms, Unix ms
	ToMS     int64    // last ms, Unix ms
	Points   int      // most points per channel, 1 to MaxHistoryPoints; 0 = DefaultHistoryPoints
}

// History returns channels' readings in a span.
func (s *Store) History(ctx context.Context, device string, q HistoryQuery) (schema.History, error) {
	return schema.History{}, errSkeleton
}

// Latest returns the newest reading of each channel.
func (s *Store) Latest(ctx context.Context, device string) (t0MS int64, series []schema.LiveSeries, err error) {
	return 0, nil, errSkeleton
}

// Gaps lists the gaps that touch a span.
func (s *Store) Gaps(ctx context.Context, device string, fromMS, toMS int64) ([]schema.GapRecord, error) {
	return nil, errSkeleton
}

// AddGap stores a gap that has no sequence numbers: a device that was off.
func (s *Store) AddGap(ctx context.Context, device string, g schema.GapRecord) error {
	return errSkeleton
}

// Reading is one row of readings, for [Store.Audit].
type Reading struct {
	Channel string             // wire id
	TMS     int64              // Unix ms
	Value   schema.Value       // in the channel's unit
	Quality schema.Quality     // never ""
	Time    schema.TimeQuality // never ""
	Epoch   string             // of the outbox
	Seq     uint64             // of the frame
}

// Audit calls fn for every reading of a device.
func (s *Store) Audit(ctx context.Context, device string, fn func(Reading) error) error {
	return errSkeleton
}

// ErrTransition is returned for a step that the table of transitions forbids.
var ErrTransition = errors.New("transition is not allowed")

// CreateCommand stores a new command with its state and log as given.
func (s *Store) CreateCommand(ctx context.Context, c schema.Command, body string) (stored schema.Command, existed bool, err error) {
	return schema.Command{}, false, errSkeleton
}

// StepCommand makes one transition: to r.State, with r's code, message, reported value and proof.
func (s *Store) StepCommand(ctx context.Context, atMS int64, r schema.CommandReport) (schema.Command, error) {
	return schema.Command{}, errSkeleton
}

// Command returns one command.
func (s *Store) Command(ctx context.Context, id string) (schema.Command, bool, error) {
	return schema.Command{}, false, errSkeleton
}

// CommandByKey returns the command with an idempotency key and the fingerprint of its body.
func (s *Store) CommandByKey(ctx context.Context, key string) (c schema.Command, body string, ok bool, err error) {
	return schema.Command{}, "", false, errSkeleton
}

// Commands lists a device's commands, newest first; before = only seq below it, 0 = from the newest.
func (s *Store) Commands(ctx context.Context, device string, limit int, before uint64) ([]schema.Command, error) {
	return nil, errSkeleton
}

// OpenCommands lists the commands of a device that have no final state, by seq; device "" = of all devices.
func (s *Store) OpenCommands(ctx context.Context, device string) ([]schema.Command, error) {
	return nil, errSkeleton
}

// LatestCommands returns the last command of each channel of a device.
func (s *Store) LatestCommands(ctx context.Context, device string) ([]schema.Command, error) {
	return nil, errSkeleton
}
