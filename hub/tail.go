package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/internal/cli"
	"github.com/telltale-iot/telltale/schema"
)

// maxLine bounds a line of the hub's stream, in bytes: a snapshot of a large fleet.
const maxLine = 16 << 20

type tailCommand struct {
	server
	Device string `arg:"" optional:"" help:"Only this device."`
	Pages  bool   `help:"Show the frames of dashboards too."`
	JSON   bool   `name:"json" help:"Print frames as they are, one JSON object per line."`
}

// passed is one frame as the hub streams it.
type passed struct {
	AtMS    int64           `json:"at_ms"`
	Dir     string          `json:"dir"`
	Agent   bool            `json:"agent"`
	Who     string          `json:"who"`
	Kind    string          `json:"kind"`
	Bytes   int             `json:"bytes"`
	Frame   json.RawMessage `json:"frame"`
	Dropped uint64          `json:"dropped"`
}

// Run prints frames until the context ends.
func (c *tailCommand) Run(ctx context.Context, streams *cli.IO) error {
	query := url.Values{}
	if c.Device != "" {
		query.Set("device", c.Device)
	}
	if c.Pages {
		query.Set("pages", "1")
	}
	body, err := c.do(ctx, "GET", "/api/v1/tail", query, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for lines.Scan() {
		if c.JSON {
			if _, err := fmt.Fprintf(streams.Out, "%s\n", lines.Bytes()); err != nil {
				return err
			}
			continue
		}
		var f passed
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			return fmt.Errorf("read the hub's stream: %w", err)
		}
		if err := f.print(streams.Out); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("the hub's stream ended: %w", err)
	}
	return ctx.Err()
}

func (f *passed) print(to io.Writer) error {
	if f.Dropped > 0 {
		if _, err := fmt.Fprintf(to, "… %d frames left out: too fast for this window\n", f.Dropped); err != nil {
			return err
		}
	}
	arrow := "→" // to the hub
	if f.Dir == "out" {
		arrow = "←"
	}
	_, err := fmt.Fprintf(to, "%s %s %-24s %-13s %s\n", time.UnixMilli(f.AtMS).Format("15:04:05.000"), arrow, f.Who, f.Kind, f.summary())
	return err
}

// maxSummary bounds the summary of a frame, in runes, so that a line stays a line.
const maxSummary = 160

// summary says the gist of a frame.
func (f *passed) summary() string {
	var r schema.Readings
	if f.Agent && f.Kind == "readings" && json.Unmarshal(f.Frame, &r) == nil {
		return summarize(&r)
	}
	text := string(f.Frame)
	text = strings.TrimPrefix(text, `{"t":"`+f.Kind+`",`)
	text = strings.TrimSuffix(text, "}")
	if runes := []rune(text); len(runes) > maxSummary {
		text = string(runes[:maxSummary]) + fmt.Sprintf("… %d B", f.Bytes)
	}
	return text
}

// summarize gives the last value of the first channels.
func summarize(r *schema.Readings) string {
	const show = 4
	var b strings.Builder
	fmt.Fprintf(&b, "seq %d", r.Seq)
	if r.Backfill {
		b.WriteString(" backfill")
	}
	n := 0
	for i := range r.Series {
		s := &r.Series[i]
		n += len(s.V)
		if i < show && len(s.V) > 0 {
			fmt.Fprintf(&b, " %s=%s", s.Ch, s.V[len(s.V)-1])
		}
	}
	if len(r.Series) > show {
		fmt.Fprintf(&b, " … %d channels", len(r.Series))
	}
	fmt.Fprintf(&b, " (%d readings)", n)
	return b.String()
}
