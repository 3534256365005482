// Package command carries commands from people to devices and back.
package command

import (
	"context"
	"log/slog"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// Ledger writes commands durably.
type Ledger interface {
	CreateCommand(ctx context.Context, c schema.Command, body string) (stored schema.Command, existed bool, err error)
	StepCommand(ctx context.Context, atMS int64, r schema.CommandReport) (schema.Command, error)
}

// Book reads commands and devices.
type Book interface {
	Device(ctx context.Context, id string) (schema.Device, bool, error)
	Command(ctx context.Context, id string) (schema.Command, bool, error)
	CommandByKey(ctx context.Context, key string) (c schema.Command, body string, ok bool, err error)
	OpenCommands(ctx context.Context, device string) ([]schema.Command, error)
}

// Store is what the engine needs of the store.
type Store interface {
	Ledger
	Book
}

// Options of the engine.
type Options struct {
	// Store keeps the ledger.
	Store Store
	// Publish tells whoever watches about every transition, after it was stored; it must not block.
	Publish func(device string, c schema.Command)
	// Log receives what a person should know; nil = nothing is logged.
	Log *slog.Logger
	// Now is the hub's clock; nil = time.Now.
	Now func() time.Time
}

// Engine is the ledger's engine.
type Engine struct{}

// New makes an engine. It works from the start; Run must be running for commands of earlier processes to expire.
func New(o Options) *Engine { return &Engine{} }

// Run takes up the commands of earlier processes and returns when ctx is done and all work has ended.
func (e *Engine) Run(ctx context.Context) error { return nil }

// Ask stores a wish as a command and sends it as soon as it may go. A refusal is a *schema.Problem; a refusal that was stored
// (the device is offline) returns the rejected command too.
func (e *Engine) Ask(ctx context.Context, actor string, a schema.Ask) (schema.Command, error) {
	return schema.Command{}, nil
}

// Cancel withdraws a command that has not started.
func (e *Engine) Cancel(ctx context.Context, actor, id string) (schema.Command, error) {
	return schema.Command{}, nil
}

// Attach gives the engine a device's connection.
func (e *Engine) Attach(device string, send func(schema.Frame) error) (detach func()) {
	return func() {}
}

// Report takes a device's report about one of its commands.
func (e *Engine) Report(ctx context.Context, device string, r schema.CommandReport) error { return nil }

// Forget drops what is remembered of a device that was removed.
func (e *Engine) Forget(device string) {}
