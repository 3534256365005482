// Package journal remembers which commands the agent has begun and how they ended, across crashes.
//
// It guarantees: when Start returns nil the entry is on the medium, so that a crash after it is known; after Open an entry that was
// started and never finished is "unknown" and stays so; the last Keep entries are answered from memory. A torn or damaged tail costs the
// entries in it and nothing else. It refuses nothing: the agent decides what a failing disk means.
//
// One file, "journal-<16 hex digits>", is appended to; it is replaced by a fresh one that begins with everything worth keeping when it
// has grown, at every start and after every failed write.
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/telltale-iot/telltale/device-agent/internal/disk"
	"github.com/telltale-iot/telltale/schema"
)

const (
	// Keep is how many commands are remembered; a hub repeats only those it has no final state of, at most schema.MaxPending.
	Keep = 256
	// maxFile bounds the file in bytes before it is replaced.
	maxFile = 256 << 10
	prefix  = "journal-"
)

// Entry is a command and what became of it.
type Entry struct {
	ID       string              `json:"id"`
	Seq      uint64              `json:"seq"`
	Entity   string              `json:"entity"`
	Channel  string              `json:"channel"`
	Op       schema.Op           `json:"op"`
	Value    schema.Value        `json:"value"`
	State    schema.CommandState `json:"state"` // running = started, or a final state
	Code     string              `json:"code,omitempty"`
	Message  string              `json:"message,omitempty"`
	Reported schema.Value        `json:"reported"`
	Proof    schema.Proof        `json:"proof,omitempty"`
}

// snapshot is the first record of a file.
type snapshot struct {
	Entries []Entry           `json:"entries"`
	Newest  map[string]uint64 `json:"newest"` // newest started seq per entity
	Last    []Entry           `json:"last"`   // last set that was done, per entity and channel
}

// Journal is safe for concurrent use.
type Journal struct {
	d   disk.Disk
	log *slog.Logger

	io     disk.Lock // held while the disk works; before mu
	file   disk.File
	name   string
	bytes  int
	number uint64

	mu     sync.Mutex // never held while the disk works: what is known is told at once
	order  []string   // ids, oldest first
	byID   map[string]Entry
	newest map[string]uint64
	last   map[string]Entry // by "<entity>.<channel>"
}

// Open reads what is there; entries that were started and not finished become unknown. A disk that refuses is reported by Start later.
func Open(d disk.Disk, log *slog.Logger) *Journal {
	j := &Journal{d: d, log: log, io: disk.NewLock(), byID: map[string]Entry{}, newest: map[string]uint64{}, last: map[string]Entry{}}
	names, err := d.List()
	if err != nil {
		log.Error("journal cannot be read", "err", err)
	}
	for _, name := range names {
		n, err := strconv.ParseUint(strings.TrimPrefix(name, prefix), 16, 64)
		if err != nil || !strings.HasPrefix(name, prefix) {
			continue
		}
		j.number = max(j.number, n)
		data, err := d.ReadFile(name)
		if err == nil {
			err = j.replay(data)
		}
		if err != nil {
			log.Warn("journal is damaged; keeping what is whole", "file", name, "err", err)
		}
	}
	for _, id := range j.order {
		if e := j.byID[id]; e.State == schema.StateRunning {
			e.State, e.Code, e.Message = schema.StateUnknown, "interrupted", "the device stopped while it was acting; it may or may not have happened"
			j.byID[id] = e
		}
	}
	if err := j.rotate(); err != nil {
		log.Error("journal cannot be written", "err", err)
	}
	return j
}

// replay takes over a file's records. Files are replayed oldest first; a later record of an id replaces an earlier one.
func (j *Journal) replay(data []byte) error {
	first := true
	_, err := disk.ReadRecords(data, func(body []byte) error {
		if first {
			first = false
			var s snapshot
			if err := json.Unmarshal(body, &s); err != nil {
				return fmt.Errorf("%w: %w", disk.ErrDamaged, err)
			}
			for e, n := range s.Newest {
				j.newest[e] = max(j.newest[e], n)
			}
			for _, e := range s.Last {
				j.last[e.Entity+"."+e.Channel] = e // not an entry of its own: its place among the ids is where Entries have it
			}
			for _, e := range s.Entries {
				j.take(e)
			}
			return nil
		}
		var e Entry
		if err := json.Unmarshal(body, &e); err != nil {
			return fmt.Errorf("%w: %w", disk.ErrDamaged, err)
		}
		j.take(e)
		return nil
	})
	return err
}

// take puts an entry into memory.
func (j *Journal) take(e Entry) {
	if e.ID == "" {
		return
	}
	old, known := j.byID[e.ID]
	if known && old.State.Final() {
		return // final states never change
	}
	if !known {
		j.order = append(j.order, e.ID)
		if len(j.order) > Keep {
			delete(j.byID, j.order[0])
			j.order = slices.Delete(j.order, 0, 1)
		}
	}
	j.byID[e.ID] = e
	switch e.State {
	case schema.StateRunning, schema.StateDone, schema.StateFailed, schema.StateUnknown: // it was started
		j.newest[e.Entity] = max(j.newest[e.Entity], e.Seq)
	}
	if e.State == schema.StateDone && e.Op == schema.OpSet {
		j.last[e.Entity+"."+e.Channel] = e
	}
}

// Lookup returns what is known of a command.
func (j *Journal) Lookup(id string) (Entry, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e, ok := j.byID[id]
	return e, ok
}

// Newest returns the highest sequence number that was started for an entity.
func (j *Journal) Newest(entity string) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.newest[entity]
}

// LastSet returns the last value that a set command brought about, for on_boot: restore.
func (j *Journal) LastSet(entity, channel string) (schema.Value, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e, ok := j.last[entity+"."+channel]
	return e.Value, ok
}

// Start notes that a command is about to act and returns once that is on the medium.
func (j *Journal) Start(e Entry) error {
	e.State = schema.StateRunning
	return j.write(e)
}

// Finish notes a started command's final state and returns once that is on the medium. In memory it counts at once.
func (j *Journal) Finish(e Entry) error { return j.write(e) }

// Note remembers a final state of a command that never started, in memory only: a repeat after a restart would be judged anew.
func (j *Journal) Note(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.take(e)
}

// Close gives the file back.
func (j *Journal) Close() error {
	j.io.Lock()
	defer j.io.Unlock()
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}

func (j *Journal) write(e Entry) error {
	j.Note(e)
	j.io.Lock()
	defer j.io.Unlock()
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if j.file == nil || j.bytes+len(body) > maxFile {
		return j.rotate() // the fresh file begins with this entry among the others
	}
	buf := disk.AppendRecord(nil, body)
	if _, err = j.file.Write(buf); err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		// What a failed sync left behind is anybody's guess: write everything anew.
		return j.rotate()
	}
	j.bytes += len(buf)
	return nil
}

// rotate writes a fresh file with everything worth keeping and removes the older ones.
func (j *Journal) rotate() error {
	body, err := j.everything()
	if err != nil {
		return err
	}
	if j.file != nil {
		if err := j.file.Close(); err != nil {
			j.log.Warn("journal close", "file", j.name, "err", err)
		}
		j.file = nil
	}
	old := j.name
	j.number++
	name := fmt.Sprintf("%s%016x", prefix, j.number)
	f, err := j.d.Create(name)
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	buf := disk.AppendRecord(nil, body)
	if _, err = f.Write(buf); err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), f.Close(), j.d.Remove(name))
	}
	j.file, j.name, j.bytes = f, name, len(buf)
	j.removeOlder(old)
	return nil
}

// everything encodes what is worth keeping as one record.
func (j *Journal) everything() ([]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := snapshot{Newest: j.newest}
	for _, id := range j.order {
		s.Entries = append(s.Entries, j.byID[id])
	}
	for _, e := range j.last {
		s.Last = append(s.Last, e)
	}
	body, err := json.Marshal(s)
	for err == nil && len(body) > disk.MaxRecord && len(s.Entries) > 1 { // long messages: keep the newer half
		s.Entries = s.Entries[len(s.Entries)/2:]
		body, err = json.Marshal(s)
	}
	return body, err
}

func (j *Journal) removeOlder(old string) {
	names, err := j.d.List()
	if err != nil {
		names = []string{old}
	}
	for _, n := range names {
		if strings.HasPrefix(n, prefix) && n < j.name {
			if err := j.d.Remove(n); err != nil {
				j.log.Warn("journal remove", "file", n, "err", err)
			}
		}
	}
}
