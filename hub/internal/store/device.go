package store

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/telltale-iot/telltale/schema"
)

const (
	sqlDeviceOfKey = `SELECT device_id FROM device WHERE public_key = ?1 AND device_id IS NOT NULL`
	sqlAddDevice   = `INSERT INTO device (device_id, own_name, public_key, paired_ms) VALUES (?1, ?2, ?3, ?4)`
)

// maxSuffix bounds the tries for a free id: sim-lamp, sim-lamp-2 … sim-lamp-9999.
const maxSuffix = 9999

// PairDevice gives a key its device id: the wanted one, or with -2, -3 … when another key has that. A key that is paired already keeps
// its id. want must be a valid id; name is what the device calls itself.
func (s *Store) PairDevice(ctx context.Context, want, name string, key ed25519.PublicKey) (string, error) {
	if !schema.ValidDevice(want) || len(key) != ed25519.PublicKeySize {
		return "", fmt.Errorf("pair device=%q: id or key is not valid", want)
	}
	var id string
	err := s.writer.do(ctx, func(w *writer) error {
		err := w.conn.row(sqlDeviceOfKey, []byte(key)).Scan(&id)
		if !isNoRows(err) {
			return err
		}
		if id, err = w.freeID(want); err != nil {
			return err
		}
		return w.conn.exec(sqlAddDevice, id, name, []byte(key), s.now().UnixMilli())
	})
	if err != nil {
		return "", fmt.Errorf("pair device=%s: %w", want, err)
	}
	return id, nil
}

func (w *writer) freeID(want string) (string, error) {
	id := want
	for n := 2; n <= maxSuffix; n++ {
		var row int64
		err := w.conn.row(sqlDeviceRow, id).Scan(&row)
		if isNoRows(err) {
			return id, nil
		}
		if err != nil {
			return "", err
		}
		suffix := "-" + strconv.Itoa(n)
		id = want[:min(len(want), 63-len(suffix))] + suffix
	}
	return "", fmt.Errorf("all ids like %s are taken", want)
}

const sqlKeyOf = `SELECT public_key FROM device WHERE device_id = ?1`

// DeviceKey returns the public key that a device paired with; false when there is no such device.
func (s *Store) DeviceKey(ctx context.Context, id string) (ed25519.PublicKey, bool, error) {
	var key []byte
	err := s.read.QueryRowContext(ctx, sqlKeyOf, id).Scan(&key)
	if isNoRows(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("key of device=%s: %w", id, err)
	}
	return key, true, nil
}

const (
	sqlDevices = `SELECT device_id, own_name, name, area, paired_ms, last_seen_ms, descriptor FROM device
	WHERE device_id IS NOT NULL ORDER BY device_id`
	sqlDevice = `SELECT device_id, own_name, name, area, paired_ms, last_seen_ms, descriptor FROM device WHERE device_id = ?1`
)

// Devices lists all devices by id. Their presence is what the file knows: "never" or "offline" since they were last heard of.
func (s *Store) Devices(ctx context.Context) ([]schema.Device, error) {
	rows, err := s.read.QueryContext(ctx, sqlDevices)
	if err != nil {
		return nil, fmt.Errorf("devices: %w", err)
	}
	defer rows.Close()
	all := []schema.Device{}
	for rows.Next() {
		d, err := scanDevice(rows)
		if err != nil {
			return nil, fmt.Errorf("devices: %w", err)
		}
		all = append(all, d)
	}
	return all, rows.Err()
}

// Device returns one device as in Devices; false when there is none.
func (s *Store) Device(ctx context.Context, id string) (schema.Device, bool, error) {
	d, err := scanDevice(s.read.QueryRowContext(ctx, sqlDevice, id))
	if isNoRows(err) {
		return schema.Device{}, false, nil
	}
	if err != nil {
		return schema.Device{}, false, fmt.Errorf("device=%s: %w", id, err)
	}
	return d, true, nil
}

func scanDevice(row scanner) (schema.Device, error) {
	var d schema.Device
	var own string
	var name, area, descriptor *string
	if err := row.Scan(&d.ID, &own, &name, &area, &d.PairedMS, &d.Presence.LastSeenMS, &descriptor); err != nil {
		return d, err
	}
	d.Name = own
	if descriptor != nil {
		d.Descriptor = &schema.Descriptor{}
		if err := json.Unmarshal([]byte(*descriptor), d.Descriptor); err != nil {
			return d, fmt.Errorf("descriptor of device=%s: %w", d.ID, err)
		}
		if d.Descriptor.Name != "" {
			d.Name = d.Descriptor.Name
		}
		d.Area = d.Descriptor.Area
	}
	if name != nil {
		d.Name = *name
	}
	if area != nil {
		d.Area = *area
	}
	d.Presence.State, d.Presence.SinceMS = schema.PresenceNever, d.PairedMS
	if d.Presence.LastSeenMS > 0 {
		d.Presence.State, d.Presence.SinceMS = schema.PresenceOffline, d.Presence.LastSeenMS
	}
	return d, nil
}

const (
	sqlSaveDescriptor   = `UPDATE device SET descriptor_hash = ?2, descriptor = ?3 WHERE device_id = ?1`
	sqlDescriptorHashOf = `SELECT coalesce(descriptor_hash, '') FROM device WHERE device_id = ?1`
)

// SaveDescriptor replaces what a device says of itself. Error: ErrUnknownDevice.
func (s *Store) SaveDescriptor(ctx context.Context, id, hash string, d schema.Descriptor) error {
	body, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("descriptor of device=%s: %w", id, err)
	}
	if err := s.update(ctx, id, sqlSaveDescriptor, id, hash, string(body)); err != nil {
		return fmt.Errorf("save descriptor: %w", err)
	}
	return nil
}

// DescriptorHash returns the hash of the descriptor that is stored of a device; "" when there is none.
func (s *Store) DescriptorHash(ctx context.Context, id string) (string, error) {
	var hash string
	err := s.read.QueryRowContext(ctx, sqlDescriptorHashOf, id).Scan(&hash)
	if err != nil {
		return "", fmt.Errorf("descriptor hash: %w", orUnknown(err, id))
	}
	return hash, nil
}

// update runs an UPDATE of one device. Error: ErrUnknownDevice when it met none.
func (s *Store) update(ctx context.Context, id, query string, args ...any) error {
	return s.writer.do(ctx, func(w *writer) error { return w.update(id, query, args...) })
}

func (w *writer) update(id, query string, args ...any) error {
	r, err := w.conn.run(query, args...)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return fmt.Errorf("device %q: %w", id, ErrUnknownDevice)
}

const (
	sqlRenameDevice = `UPDATE device SET name = ?2 WHERE device_id = ?1`
	sqlMoveDevice   = `UPDATE device SET area = ?2 WHERE device_id = ?1`
)

// PatchDevice renames or moves a device; empty = back to its own name or area. Error: ErrUnknownDevice.
func (s *Store) PatchDevice(ctx context.Context, id string, p schema.DevicePatch) (schema.Device, error) {
	var d schema.Device
	err := s.writer.do(ctx, func(w *writer) error {
		if p.Name != nil {
			if err := w.update(id, sqlRenameDevice, id, orNull(*p.Name)); err != nil {
				return err
			}
		}
		if p.Area != nil {
			if err := w.update(id, sqlMoveDevice, id, orNull(*p.Area)); err != nil {
				return err
			}
		}
		var err error
		d, err = scanDevice(w.conn.row(sqlDevice, id))
		return orUnknown(err, id)
	})
	if err != nil {
		return schema.Device{}, fmt.Errorf("patch: %w", err)
	}
	return d, nil
}

const sqlTouchDevice = `UPDATE device SET last_seen_ms = max(last_seen_ms, ?2) WHERE device_id = ?1`

// TouchDevice notes when a device was last heard of, Unix ms. It does not wait: the time is durable with the next commit.
// Errors: ErrFull, ErrClosed.
func (s *Store) TouchDevice(_ context.Context, id string, lastSeenMS int64) error {
	return s.writer.push(job{write: func(w *writer) error { return w.conn.exec(sqlTouchDevice, id, lastSeenMS) }}, false)
}

const (
	sqlBoot = `SELECT b.offset_ms, b.time_quality FROM device d JOIN boot b ON b.device_id = d.id
	WHERE d.device_id = ?1 AND b.boot_id = ?2`
	sqlSaveBoot = `INSERT INTO boot (device_id, boot_id, offset_ms, time_quality, saved_ms) VALUES (?1, ?2, ?3, ?4, ?5)
	ON CONFLICT DO UPDATE SET offset_ms = excluded.offset_ms, time_quality = excluded.time_quality, saved_ms = excluded.saved_ms`
	sqlDropBoots = `DELETE FROM boot WHERE device_id = ?1 AND boot_id <> ?3 AND saved_ms <
	(SELECT saved_ms FROM boot WHERE device_id = ?1 ORDER BY saved_ms DESC LIMIT 1 OFFSET ?2)`
)

// keepBoots is how many boots of a device are remembered: only frames that still wait in its outbox need them, and an outbox that spans
// more restarts than this gets estimated times for the oldest.
const keepBoots = 256

// Boot returns the hub's clock minus a boot's monotonic clock, in ms, and how it was found; the quality "" says that the boot was
// never seen.
func (s *Store) Boot(ctx context.Context, device, boot string) (offsetMS int64, tq schema.TimeQuality, err error) {
	var q int64
	err = s.read.QueryRowContext(ctx, sqlBoot, device, boot).Scan(&offsetMS, &q)
	if isNoRows(err) {
		return 0, "", nil
	}
	if err != nil {
		return 0, "", fmt.Errorf("boot of device=%s: %w", device, err)
	}
	return offsetMS, timeQualityFromSQL(q), nil
}

// SaveBoot keeps the hub's clock minus a boot's monotonic clock, in ms, of a device's newest 256 boots. Error: ErrUnknownDevice. Held by
// TestOnlyTheNewestBootsAreKept.
func (s *Store) SaveBoot(ctx context.Context, device, boot string, offsetMS int64, tq schema.TimeQuality) error {
	err := s.writer.do(ctx, func(w *writer) error {
		h, err := w.device(device)
		if err != nil {
			return err
		}
		if err := w.conn.exec(sqlSaveBoot, h.id, boot, offsetMS, timeQualityToSQL(tq), s.now().UnixMilli()); err != nil {
			return err
		}
		return w.conn.exec(sqlDropBoots, h.id, keepBoots-1, boot)
	})
	if err != nil {
		return fmt.Errorf("save boot: %w", err)
	}
	return nil
}
