package app

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/schema"
)

// Audited is one stored reading as [Audit] writes it.
type Audited struct {
	// Device that measured.
	Device string `json:"device"`
	// Ch is the channel's wire id.
	Ch string `json:"ch"`
	// TMS is the time, Unix ms.
	TMS int64 `json:"t_ms"`
	// V is the value, in the channel's unit.
	V schema.Value `json:"v"`
	// Q is the quality.
	Q schema.Quality `json:"q"`
	// Time is how the time was found.
	Time schema.TimeQuality `json:"time"`
}

// Audit writes every reading in a data folder as a line of JSON: for checkers that compare them with what was generated. No hub may run on the
// folder. Errors are for people, as of opening a store.
func Audit(ctx context.Context, dir string, log *slog.Logger, out io.Writer) (err error) {
	s, err := store.Open(ctx, store.Options{Dir: dir, Log: log})
	if err != nil {
		return err
	}
	defer func() {
		if e := s.Close(); err == nil && e != nil {
			err = fmt.Errorf("close store: %w", e)
		}
	}()
	devices, err := s.Devices(ctx)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(out, 1<<16)
	lines := json.NewEncoder(buffered)
	for _, d := range devices {
		err := s.Audit(ctx, d.ID, func(r store.Reading) error {
			return lines.Encode(Audited{Device: d.ID, Ch: r.Channel, TMS: r.TMS, V: r.Value, Q: r.Quality, Time: r.Time})
		})
		if err != nil {
			return err
		}
	}
	return buffered.Flush()
}
