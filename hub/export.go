package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/internal/cli"
	"github.com/telltale-iot/telltale/schema"
)

type exportCommand struct {
	server
	Device  string   `arg:"" help:"The device's id, as in the address of its page."`
	Channel []string `short:"c" placeholder:"ID" env:"-" help:"Only this channel (air_temperature.state). Repeatable."`
	From    string   `placeholder:"TIME" env:"-" help:"Only readings from then on."`
	To      string   `placeholder:"TIME" env:"-" help:"Only readings until then."`
	Format  string   `short:"f" placeholder:"FORMAT" env:"-" help:"csv, ndjson, senml or parquet; from the name of the file when that tells, else csv."`
	Out     string   `short:"o" name:"out" type:"path" placeholder:"FILE" env:"-" help:"Write to this file instead of standard output."`
}

// Help says more in --help.
func (exportCommand) Help() string {
	return timesHelp + "\n\nThe file gets its name when it is whole; until then it is called FILE.part.\n\n" +
		"  hub export pi-garage -o garage.csv\n  hub export pi-garage -c air_temperature.state --from 7d -o week.parquet\n\n" +
		"docs/export.md says what is in the files."
}

// Run streams the file.
func (c *exportCommand) Run(ctx context.Context, streams *cli.IO) error {
	query, err := c.query(time.Now())
	if err != nil {
		return cli.WithCode(cli.ExitUsage, err)
	}
	if c.Out == "" && query.Get("format") == string(schema.FormatParquet) && isTerminal(streams.Out) {
		return cli.WithCode(cli.ExitUsage, errors.New("a Parquet file is not for a terminal; say where to write it with -o"))
	}
	req, err := c.request(ctx, http.MethodGet, "/api/v1/devices/"+url.PathEscape(c.Device)+"/export", query, nil)
	if err != nil {
		return err
	}
	resp, err := c.send(req)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return c.refusal(resp)
	}
	defer resp.Body.Close()
	return c.save(ctx, resp, streams)
}

func (c *exportCommand) query(now time.Time) (url.Values, error) {
	q := url.Values{"channel": c.Channel}
	if c.Format == "" {
		c.Format = string(formatOf(c.Out))
	}
	q.Set("format", c.Format)
	for name, text := range map[string]string{"from": c.From, "to": c.To} {
		if text == "" {
			continue
		}
		t, err := parseWhen(text, now, name == "to")
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", name, err)
		}
		q.Set(name, strconv.FormatInt(t.UnixMilli(), 10))
	}
	return q, nil
}

// formatOf tells a format by a file's name; CSV when that says nothing.
func formatOf(name string) schema.FileFormat {
	name = strings.ToLower(name)
	for _, f := range []struct {
		ending string
		format schema.FileFormat
	}{{".ndjson", schema.FormatNDJSON}, {".jsonl", schema.FormatNDJSON}, {".senml", schema.FormatSenML}, {".senml.json", schema.FormatSenML}, {".json", schema.FormatSenML}, {".parquet", schema.FormatParquet}} {
		if strings.HasSuffix(name, f.ending) {
			return f.format
		}
	}
	return schema.FormatCSV
}

// save writes the hub's answer to where it belongs.
func (c *exportCommand) save(ctx context.Context, resp *http.Response, streams *cli.IO) error {
	in := &counted{r: resp.Body, progress: newProgress(streams.Err), lines: c.Format != string(schema.FormatParquet)}
	if c.Out == "" {
		_, err := io.Copy(streams.Out, in)
		return c.whole(ctx, err, in, resp, streams)
	}
	part := c.Out + ".part"
	file, err := os.Create(part)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, in)
	if err = c.whole(ctx, err, in, resp, streams); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(part, c.Out)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return nil
}

// whole says how it went. A file is whole when the trailer behind it came.
func (c *exportCommand) whole(ctx context.Context, err error, in *counted, resp *http.Response, streams *cli.IO) error {
	in.progress.clear()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	n, bad := strconv.ParseInt(resp.Trailer.Get("Telltale-Readings"), 10, 64)
	if err != nil || bad != nil {
		return fmt.Errorf("the file is not whole: the hub stopped after %s (%w)", size(in.bytes), cmpError(err, errors.New("no end was sent")))
	}
	if c.Out != "" || isTerminal(streams.Err) {
		since := time.Since(in.progress.began)
		if _, err := fmt.Fprintf(streams.Err, "%s readings, %s, %s\n", thousands(n), size(in.bytes), perSecond(n, since)); err != nil {
			return err
		}
	}
	if left, _ := strconv.ParseInt(resp.Trailer.Get("Telltale-Left-Out"), 10, 64); left > 0 {
		_, err := fmt.Fprintf(streams.Err, "%s readings are left out: they have no value, or are older than 1978, which this format cannot say\n", thousands(left))
		return err
	}
	return nil
}

func cmpError(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// counted counts what passes.
type counted struct {
	r        io.Reader
	progress *progress
	lines    bool // a line is a reading
	bytes    int64
	readings int64
}

// Read reads and counts.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.bytes += int64(n)
	if c.lines {
		c.readings += int64(bytes.Count(b[:n], []byte{'\n'}))
	}
	c.progress.show(func(since time.Duration) string {
		if !c.lines {
			return size(c.bytes) + ", " + size(int64(float64(c.bytes)/since.Seconds())) + "/s"
		}
		return thousands(c.readings) + " readings, " + perSecond(c.readings, since) + ", " + size(c.bytes)
	})
	return n, err
}
