package intake

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/telltale-iot/telltale/hub/internal/export"
	"github.com/telltale-iot/telltale/schema"
)

// The states of a report.
const (
	StateReading = "reading"
	StateStoring = "storing"
	StateChecked = "checked"
	StateRefused = "refused"
	StateDone    = "done"
)

// Target is where the readings of a file go.
type Target struct {
	// Device id.
	Device string
	// Store keeps the readings.
	Store Store
	// Check only looks: nothing is stored.
	Check bool
	// Ready is called before the first reading is stored, when the file is known to be right; nil = nothing to prepare.
	Ready func(schema.FileReport) error
	// Dir holds what of a large file has to wait for the end of the check.
	Dir string
	// Progress hears how far it is, every few thousand readings; nil = nobody listens.
	Progress func(schema.FileReport)
}

// Import reads a file and stores its readings, or only says what is in it.
//
// It reads to the end first; when a line is wrong nothing is stored and the report's state is refused. Readings that the device has are left out
// and counted as known. The batches of a file have an epoch of their own, made from the device and all the file's readings, and are numbered in
// order: a file that is imported again, after it was stopped in its middle for one, ends up stored once. Error: ctx's when it ended first, that of
// r or of the store; what is stored then stays, and importing the same file again goes on where it stopped.
// Held by TestAFileThatIsImportedTwiceIsStoredOnce, TestAWrongLineKeepsTheWholeFileOut.
func Import(ctx context.Context, r io.Reader, o Options, t Target) (schema.FileReport, error) {
	if t.Check {
		l := newLoader(ctx, t.Store, t.Device, "", true)
		rep, err := Read(r, o, l.put)
		if err == nil {
			err = l.end()
		}
		rep.Device, rep.Known, rep.State = t.Device, l.known, StateChecked
		return settle(rep, err)
	}
	kept := newSpool(t.Dir)
	defer func() { _ = kept.Close() }() // a leftover is removed at the next start
	mark := newFingerprint(t.Device)
	n := 0
	rep, err := Read(io.TeeReader(r, kept), o, func(row *export.Row) error {
		if n++; n%batchReadings == 0 && t.Progress != nil {
			t.Progress(schema.FileReport{Device: t.Device, Format: o.Format, State: StateReading, Readings: int64(n), Problems: []schema.FileProblem{}, Channels: []schema.FileChannel{}})
		}
		mark.add(row)
		return ctx.Err()
	})
	rep.Device, rep.State = t.Device, StateRefused
	if err != nil || rep.Wrong > 0 {
		return settle(rep, err)
	}
	if t.Ready != nil {
		if err := t.Ready(rep); err != nil {
			return rep, err
		}
	}
	return store(ctx, kept, o, t, rep, mark.epoch())
}

// settle makes a file that could not be read to its end a refused one.
func settle(rep schema.FileReport, err error) (schema.FileReport, error) {
	var bad *FileError
	if errors.As(err, &bad) {
		rep.State, err = StateRefused, nil
	}
	return rep, err
}

// store is the second reading of a file that is right.
func store(ctx context.Context, kept *spool, o Options, t Target, rep schema.FileReport, epoch string) (schema.FileReport, error) {
	again, err := kept.reader()
	if err != nil {
		return rep, err
	}
	rep.State = StateStoring
	l := newLoader(ctx, t.Store, t.Device, epoch, false)
	l.told = func(stored, known int64) {
		rep.Stored, rep.Known = stored, known
		if t.Progress != nil {
			t.Progress(rep)
		}
	}
	second, err := Read(again, o, l.put)
	if err == nil && (second.Wrong > 0 || second.Readings != rep.Readings) {
		err = fmt.Errorf("the file reads differently the second time: %d readings, %d wrong lines", second.Readings, second.Wrong)
	}
	if err == nil {
		err = l.end()
	}
	if err == nil {
		rep.State = StateDone
	}
	return rep, err
}

// fingerprint is a hash over the readings of a file, in their order.
type fingerprint struct {
	h   hash.Hash
	buf []byte
}

func newFingerprint(device string) *fingerprint {
	f := &fingerprint{h: sha256.New()}
	f.text("telltale import 1", device)
	return f
}

func (f *fingerprint) text(all ...string) {
	f.buf = f.buf[:0]
	for _, s := range all {
		f.buf = append(binary.AppendUvarint(f.buf, uint64(len(s))), s...)
	}
	_, _ = f.h.Write(f.buf) // a hash takes everything
}

func (f *fingerprint) add(r *export.Row) {
	f.buf = append(binary.AppendUvarint(f.buf[:0], uint64(len(r.Channel))), r.Channel...)
	f.buf = binary.AppendVarint(f.buf, r.TMS)
	f.buf = r.Value.AppendJSON(f.buf)
	f.buf = append(append(append(f.buf, 0), r.Quality...), 0)
	f.buf = append(append(f.buf, r.Time...), 0)
	_, _ = f.h.Write(f.buf) // a hash takes everything
}

// epoch names the import as an outbox of a device is named: 16 hex digits.
func (f *fingerprint) epoch() string { return hex.EncodeToString(f.h.Sum(nil)[:8]) }
