package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"

	"github.com/telltale-iot/telltale/schema"
)

// Stored is one reading that the hub says it has.
type Stored struct {
	Device string             `json:"device"`
	Ch     string             `json:"ch"`   // wire id
	TMS    int64              `json:"t_ms"` // Unix ms
	V      schema.Value       `json:"v"`
	Q      schema.Quality     `json:"q"`
	Time   schema.TimeQuality `json:"time"`
}

// Audit calls fn for every reading in the store.
type Audit func(ctx context.Context, fn func(Stored) error) error

// AuditBy lets the hub's program read the database file: readings are packed, and nobody else can.
func AuditBy(hub, file string) Audit {
	return func(ctx context.Context, fn func(Stored) error) (err error) {
		cmd := exec.CommandContext(ctx, hub, "audit", "--data", filepath.Dir(file))
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		lines := json.NewDecoder(bufio.NewReaderSize(out, 1<<16))
		for err == nil {
			var s Stored
			if err = lines.Decode(&s); err == nil {
				err = fn(s)
			}
		}
		if err == io.EOF {
			err = nil
		}
		_, _ = io.Copy(io.Discard, out)
		if e := cmd.Wait(); err == nil && e != nil {
			err = fmt.Errorf("%s audit: %w", hub, e)
		}
		return err
	}
}

// about is what of a reading must come back in any case; its time only where the device's clock was believed.
type about struct {
	device, ch string
	v          schema.Value
	q          schema.Quality
}

// samples are the readings that must be in the store: how many of each, by time (Unix ms; 0 = the device did not know).
type samples map[about]map[int64]int

// expect adds what is in the frames of a life that are stored.
func (s samples) expect(l *life, rows *epochRows) {
	for seq, f := range l.frames {
		if f.event || !rows.stored(seq) {
			continue
		}
		for ch, all := range f.samples {
			for _, x := range all {
				key := about{l.device, ch, x.value, x.quality}
				if s[key] == nil {
					s[key] = map[int64]int{}
				}
				at := int64(0)
				if f.t0ms != 0 {
					at = f.t0ms + x.offsetMS
				}
				s[key][at]++
			}
		}
	}
}

// compare holds what is stored against what must be: the same readings, each as often.
func (s samples) compare(ctx context.Context, audit Audit, r *Report) error {
	placed := map[about]int{} // those whose time the hub chose: any time will do
	err := audit(ctx, func(x Stored) error {
		r.Readings++
		key := about{x.Device, x.Ch, x.V, x.Q}
		if x.Time != schema.TimeSynced {
			placed[key]++
			return nil
		}
		if s[key][x.TMS] > 0 {
			s[key][x.TMS]--
		} else {
			r.violate("stored but never generated, or more often: %s %s at %d = %s", x.Device, x.Ch, x.TMS, x.V)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for key, times := range s {
		left := 0
		for _, n := range times {
			left += n
		}
		if n := placed[key]; left > n {
			r.violate("%s %s: %d readings of %s generated and received are not stored", key.device, key.ch, left-n, key.v)
		} else if left < n {
			r.violate("stored but never generated, or more often: %d of %s %s = %s", n-left, key.device, key.ch, key.v)
		}
		delete(placed, key)
	}
	for key, n := range placed {
		r.violate("stored but never generated: %d of %s %s = %s", n, key.device, key.ch, key.v)
	}
	return nil
}
