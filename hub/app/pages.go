package app

import (
	"context"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/api"
	"github.com/telltale-iot/telltale/hub/internal/socket"
	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/schema"
)

// credit is how many messages a page may be behind before it is left alone: three seconds of a busy room, so that a short hang
// of a phone is not noticed.
const credit = 32

// pages is what the dashboards' endpoint asks of the hub: socket.Live.
type pages struct{ h *Hub }

var _ socket.Live = pages{}

// Welcome describes the hub.
func (p pages) Welcome() schema.LiveWelcome {
	return schema.LiveWelcome{HubID: p.h.HubID(), Version: p.h.version, NowMS: time.Now().UnixMilli(), StartedMS: p.h.started.UnixMilli(),
		PingMS: schema.LivePing.Milliseconds(), Credit: credit}
}

// Subscribe makes a place in the rooms.
func (p pages) Subscribe(wake func()) socket.Subscriber { return p.h.rooms.Subscribe(wake) }

// Ask stores a wish; its life is shown in the device's room.
func (p pages) Ask(ctx context.Context, actor string, a schema.Ask) error {
	_, err := p.h.commands.Ask(ctx, actor, a)
	return err
}

// Cancel withdraws a command.
func (p pages) Cancel(ctx context.Context, actor, id string) error {
	_, err := p.h.commands.Cancel(ctx, actor, id)
	return err
}

// people is what the HTTP routes ask of the hub: api.Devices and api.Records.
type people struct{ h *Hub }

var (
	_ api.Devices = people{}
	_ api.Records = people{}
)

// Devices lists all devices with their presence.
func (p people) Devices(ctx context.Context) ([]schema.Device, error) {
	all, err := p.h.store.Devices(ctx)
	for i := range all {
		if pr, ok := p.h.presence.Presence(all[i].ID); ok {
			all[i].Presence = pr
		}
	}
	return all, err
}

// Device returns one device with its presence.
func (p people) Device(ctx context.Context, id string) (schema.Device, bool, error) {
	d, ok, err := p.h.store.Device(ctx, id)
	if pr, known := p.h.presence.Presence(id); known {
		d.Presence = pr
	}
	return d, ok, err
}

// PatchDevice renames or moves a device and shows it.
func (p people) PatchDevice(ctx context.Context, id string, patch schema.DevicePatch) (schema.Device, error) {
	d, err := p.h.store.PatchDevice(ctx, id, patch)
	if err != nil {
		return d, err
	}
	p.h.show(d)
	if pr, known := p.h.presence.Presence(id); known {
		d.Presence = pr
	}
	return d, nil
}

// ForgetDevice removes a device, its key and its history, and ends its connection.
func (p people) ForgetDevice(ctx context.Context, id string) error {
	if err := p.h.store.ForgetDevice(ctx, id); err != nil {
		return err
	}
	p.h.socket.Kick(id, schema.Problemf(schema.CodeUnauthorized, "this device was removed from the hub; to come back it must be paired anew"))
	p.h.rooms.Remove(id)
	p.h.presence.Forget(id)
	p.h.ingest.Forget(id)
	p.h.commands.Forget(id)
	p.h.sessions.Forget(id)
	return nil
}

// History reads a span.
func (p people) History(ctx context.Context, device string, q api.HistoryQuery) (schema.History, error) {
	h, err := p.h.store.History(ctx, device, store.HistoryQuery{Channels: q.Channels, FromMS: q.FromMS, ToMS: q.ToMS, Points: q.Points})
	if pr, ok := p.h.presence.Presence(device); ok {
		h.CompleteToMS = pr.CompleteToMS
	}
	return h, err
}

// Readings reads a page of readings one by one.
func (p people) Readings(ctx context.Context, device string, q api.ReadingsQuery) (schema.ReadingPage, error) {
	return p.h.store.Readings(ctx, device, store.ReadingsQuery{Channel: q.Channel, FromMS: q.FromMS, ToMS: q.ToMS, After: q.After, Limit: q.Limit})
}

// Commands lists a device's commands, newest first.
func (p people) Commands(ctx context.Context, device string, limit int, before uint64) ([]schema.Command, error) {
	return p.h.store.Commands(ctx, device, limit, before)
}

// Command returns one command.
func (p people) Command(ctx context.Context, id string) (schema.Command, bool, error) {
	return p.h.store.Command(ctx, id)
}

// tail hands every frame that passes to write.
func (h *Hub) tail(ctx context.Context, device string, pages bool, write func(any) error) error {
	t := h.socket.Watch(device, pages)
	defer t.Close()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case f := <-t.C:
			if err := write(f); err != nil {
				return err
			}
		}
	}
}
