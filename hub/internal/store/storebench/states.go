//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
)

// sqlStates has the shape of Home Assistant's recorder (homeassistant/components/recorder/db_schema.py): columns that are no longer used are
// there and empty, the value is text, and five indexes stand beside the key.
const sqlStates = `
CREATE TABLE IF NOT EXISTS states_meta (metadata_id INTEGER PRIMARY KEY, entity_id VARCHAR(255));
CREATE UNIQUE INDEX IF NOT EXISTS ix_states_meta_entity_id ON states_meta (entity_id);
CREATE TABLE IF NOT EXISTS state_attributes (attributes_id INTEGER PRIMARY KEY, hash BIGINT, shared_attrs TEXT);
CREATE INDEX IF NOT EXISTS ix_state_attributes_hash ON state_attributes (hash);
CREATE TABLE IF NOT EXISTS states (
  state_id INTEGER PRIMARY KEY, entity_id CHAR(0), state VARCHAR(255), attributes CHAR(0), event_id SMALLINT, last_changed CHAR(0), last_changed_ts FLOAT,
  last_reported_ts FLOAT, last_updated CHAR(0), last_updated_ts FLOAT, old_state_id INTEGER REFERENCES states (state_id),
  attributes_id INTEGER REFERENCES state_attributes (attributes_id), context_id CHAR(0), context_user_id CHAR(0), context_parent_id CHAR(0),
  origin_idx SMALLINT, context_id_bin BLOB, context_user_id_bin BLOB, context_parent_id_bin BLOB, metadata_id INTEGER REFERENCES states_meta (metadata_id));
CREATE INDEX IF NOT EXISTS ix_states_metadata_id_last_updated_ts ON states (metadata_id, last_updated_ts);
CREATE INDEX IF NOT EXISTS ix_states_context_id_bin ON states (context_id_bin);
CREATE INDEX IF NOT EXISTS ix_states_last_updated_ts ON states (last_updated_ts);
CREATE INDEX IF NOT EXISTS ix_states_old_state_id ON states (old_state_id);
CREATE INDEX IF NOT EXISTS ix_states_attributes_id ON states (attributes_id);
`

// states stores every reading as Home Assistant stores a state whose attributes did not change.
type states struct {
	*database
	last  []int64 // id of the newest state per series
	next  int64
	noise uint64 // stands for the random part of a context's id
}

// openStates opens the tables for a file that is new. synchronous: NORMAL is what Home Assistant sets.
func openStates(s spec, synchronous string) (*states, error) {
	d, err := openDatabase(filepath.Join(s.dir, "states.db"), synchronous, sqlStates,
		"states (state_id, state, last_updated_ts, old_state_id, attributes_id, origin_idx, context_id_bin, metadata_id)", 8)
	if err != nil {
		return nil, err
	}
	e := &states{database: d, last: make([]int64, s.wide), next: 1, noise: s.seed | 1}
	err = e.inTx(func() error {
		for i := range s.wide {
			query := fmt.Sprintf(`INSERT INTO states_meta VALUES (%d, 'sensor.device_%d_channel_%d');
				INSERT INTO state_attributes VALUES (%d, %d, '{"state_class":"measurement","unit_of_measurement":"°C","device_class":"temperature","friendly_name":"Channel %d"}')`,
				i+1, i%s.devices, i, i+1, uint32(i)*2_654_435_761, i)
			if err := e.exec(query); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return e, nil
}

// Store implements engine.
func (e *states) Store(ticks []tick) error {
	return e.inTx(func() error {
		for k := range ticks {
			t := &ticks[k]
			for i, v := range t.v {
				var old any
				if e.last[i] > 0 {
					old = e.last[i]
				}
				text := strconv.FormatFloat(v, 'f', -1, 64)
				if err := e.insert(e.next, text, float64(t.tMS[i])/1000, old, i+1, 0, e.ulid(t.tMS[i]), i+1); err != nil {
					return err
				}
				e.last[i] = e.next
				e.next++
			}
		}
		return nil
	})
}

// ulid makes a context's id: 48 bits of time, 80 bits of noise.
func (e *states) ulid(tMS int64) []byte {
	const stride = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio: no number comes twice
	b := make([]byte, 16)
	e.noise = e.noise*6364136223846793005 + stride
	binary.BigEndian.PutUint64(b[8:], e.noise)
	binary.BigEndian.PutUint64(b[:8], uint64(tMS)<<16|e.noise>>48)
	return b
}

// Chart implements engine: nobody asks these tables here.
func (e *states) Chart(context.Context, question) (curve, error) {
	return curve{}, errors.New("the states are only written here")
}

// Close implements engine.
func (e *states) Close() error { return e.close() }

// Size implements engine.
func (e *states) Size() (size, error) {
	return fileSize(e.file, sizeOf{readings: map[string]string{"states": "count(*)"}})
}
