package app

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/api"
	"github.com/telltale-iot/telltale/hub/internal/export"
	"github.com/telltale-iot/telltale/hub/internal/export/intake"
	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/schema"
)

var _ api.Files = people{}

// importSoftware marks the descriptor of a device that was made by an import: the next import may add to it.
const importSoftware = "telltale import"

// known is what the hub knows of a channel.
type known struct {
	typ      schema.ValueType
	unit     string
	class    string
	newestMS int64 // its newest reading, Unix ms; 0 = none
}

// knownChannels are those a device describes or has readings of.
func (p people) knownChannels(ctx context.Context, d *schema.Device) (all map[string]known, stored []string, err error) {
	all = map[string]known{}
	t0, series, err := p.h.store.Latest(ctx, d.ID)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range series {
		all[s.Ch] = known{typ: s.V[0].Type(), newestMS: t0 + s.DtMS[0]}
		stored = append(stored, s.Ch)
	}
	if d.Descriptor != nil {
		for _, e := range d.Descriptor.Entities {
			for _, c := range e.Channels {
				id := e.ID + "." + c.Name
				all[id] = known{typ: c.Type, unit: c.Unit, class: e.DeviceClass, newestMS: all[id].newestMS}
			}
		}
	}
	slices.Sort(stored)
	return all, stored, nil
}

// Export writes a device's readings, channel by channel.
func (p people) Export(ctx context.Context, q api.ExportQuery, out io.Writer) (readings, leftOut int64, err error) {
	d, ok, err := p.h.store.Device(ctx, q.Device)
	if err != nil || !ok {
		return 0, 0, cmp.Or[error](err, schema.Problemf(schema.CodeUnknownDevice, "there is no device %q", q.Device))
	}
	all, stored, err := p.knownChannels(ctx, &d)
	if err != nil {
		return 0, 0, err
	}
	channels := q.Channels
	if len(channels) == 0 {
		channels = stored
	}
	o := export.Options{Origin: p.h.HubID()}
	for _, ch := range channels {
		k, ok := all[ch]
		if !ok {
			return 0, 0, schema.Problemf(schema.CodeUnknownTarget, "device %s has no channel %q", d.ID, ch)
		}
		o.Units = append(o.Units, export.Unit{Name: k.unit, Class: k.class})
	}
	w, err := export.New(q.Format, out, o)
	if err != nil {
		return 0, 0, err
	}
	for _, ch := range channels {
		row := export.Row{Device: d.ID, Channel: ch, Unit: all[ch].unit, Class: all[ch].class}
		err := p.h.store.Scan(ctx, d.ID, ch, q.FromMS, q.ToMS, func(r store.Reading) error {
			row.TMS, row.Value, row.Quality, row.Time = r.TMS, r.Value, r.Quality, r.Time
			return w.Write(&row)
		})
		if err != nil {
			return w.Readings(), w.LeftOut(), fmt.Errorf("export device=%s channel=%s: %w", d.ID, ch, err)
		}
	}
	err = w.Close()
	return w.Readings(), w.LeftOut(), err
}

// Import reads a file into a device, which is made for it when the query has a name.
func (p people) Import(ctx context.Context, q api.ImportQuery, r io.Reader, progress func(schema.FileReport)) (schema.FileReport, error) {
	d, there, err := p.h.store.Device(ctx, q.Device)
	if err == nil && !there && q.Name == "" {
		err = schema.Problemf(schema.CodeUnknownDevice, "there is no device %q", q.Device)
	}
	if err != nil {
		return schema.FileReport{}, err
	}
	all, _, err := p.knownChannels(ctx, &d)
	if err != nil {
		return schema.FileReport{}, err
	}
	rep, err := intake.Import(ctx, r, intake.Options{Format: q.Format, Channel: q.Channel, Zone: q.Zone, Now: time.Now(),
		Known: func(ch string) (schema.ValueType, string, bool) { k, has := all[ch]; return k.typ, k.unit, has }},
		intake.Target{Device: q.Device, Store: history{p.h.store}, Check: q.Check, Dir: p.h.config.Data, Progress: progress,
			Ready: func(rep schema.FileReport) error { return p.receive(ctx, d, q, &rep) }})
	if rep.Stored > 0 {
		p.filled(context.WithoutCancel(ctx), &rep, all)
	}
	return rep, err
}

// receive makes the device that a file is for, or describes the new channels of one that was made this way.
func (p people) receive(ctx context.Context, d schema.Device, q api.ImportQuery, rep *schema.FileReport) error {
	if q.Name != "" {
		key, _, err := ed25519.GenerateKey(nil) // nobody has the other half: no agent can ever connect as this device
		if err != nil {
			return fmt.Errorf("make a key: %w", err)
		}
		id, err := p.h.store.PairDevice(ctx, q.Device, q.Name, key)
		if err != nil {
			return err
		}
		if id != q.Device {
			return errors.Join(p.h.store.ForgetDevice(ctx, id), schema.Problemf(schema.CodeConflict, "there is a device %q already", q.Device))
		}
		d = schema.Device{ID: id, Descriptor: &schema.Descriptor{Name: q.Name, Software: importSoftware}}
	}
	if d.Descriptor == nil || d.Descriptor.Software != importSoftware || !describe(d.Descriptor, rep.Channels) {
		return nil
	}
	if err := p.h.store.SaveDescriptor(ctx, d.ID, d.Descriptor.Hash(), *d.Descriptor); err != nil {
		return err
	}
	d, ok, err := p.h.store.Device(ctx, d.ID)
	if err != nil || !ok {
		return err
	}
	if _, has := p.h.presence.Presence(d.ID); !has {
		p.h.presence.Know(d, 0)
	}
	p.h.show(d)
	return nil
}

// describe adds the channels of a file that a descriptor does not have, as far as it has room, and reports whether it did. Units and types are
// the file's.
func describe(d *schema.Descriptor, channels []schema.FileChannel) (changed bool) {
	for _, c := range channels {
		entity, name, _ := strings.Cut(c.Ch, ".")
		if _, has := d.Channel(c.Ch); has != nil || c.Type == "" {
			continue
		}
		i := slices.IndexFunc(d.Entities, func(e schema.Entity) bool { return e.ID == entity })
		if i < 0 {
			if len(d.Entities) == schema.MaxEntities {
				continue
			}
			kind := schema.KindSensor
			if c.Type == schema.TypeBool {
				kind = schema.KindBinarySensor
			}
			label := c.Name
			if label == c.Ch || len(label) > schema.MaxName || label == "" {
				label = strings.ReplaceAll(entity, "_", " ")
			}
			i = len(d.Entities)
			d.Entities = append(d.Entities, schema.Entity{ID: entity, Kind: kind, Name: label})
		}
		if e := &d.Entities[i]; len(e.Channels) < schema.MaxChannels {
			unit := c.Unit
			if len(unit) > 32 {
				unit = ""
			}
			e.Channels = append(e.Channels, schema.Channel{Name: name, Type: c.Type, Unit: unit})
			changed = true
		}
	}
	return changed
}

// filled shows that history changed, and the readings that are the newest of their channels now. before is what was known of them.
func (p people) filled(ctx context.Context, rep *schema.FileReport, before map[string]known) {
	t0, series, err := p.h.store.Latest(ctx, rep.Device)
	if err != nil {
		p.h.log.Warn("imported readings are shown after the next start only", "device", rep.Device, "err", err)
		return
	}
	came := map[string]int64{}
	span := schema.Span{FromMS: rep.Channels[0].FromMS, ToMS: rep.Channels[0].ToMS}
	for _, c := range rep.Channels {
		came[c.Ch] = c.ToMS
		span = schema.Span{FromMS: min(span.FromMS, c.FromMS), ToMS: max(span.ToMS, c.ToMS)}
	}
	series = slices.DeleteFunc(series, func(s schema.LiveSeries) bool {
		newest := t0 + s.DtMS[0]
		return newest != came[s.Ch] || newest <= before[s.Ch].newestMS
	})
	p.h.rooms.Seed(rep.Device, t0, series, nil)
	p.h.rooms.PublishFilled(rep.Device, []schema.Span{span})
}

// history is the store as imports see it.
type history struct{ *store.Store }

// Scan calls fn for every reading of a channel in a span; a channel that has none yet, or a device that is not made yet, is empty.
func (h history) Scan(ctx context.Context, device, channel string, fromMS, toMS int64, fn func(tMS int64, v schema.Value, q schema.Quality) error) error {
	err := h.Store.Scan(ctx, device, channel, fromMS, toMS, func(r store.Reading) error { return fn(r.TMS, r.Value, r.Quality) })
	var p *schema.Problem
	if errors.As(err, &p) && (p.Code == schema.CodeUnknownTarget || p.Code == schema.CodeUnknownDevice) {
		return nil
	}
	return err
}
