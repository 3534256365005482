package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/telltale-iot/telltale/internal/cli"
	"github.com/telltale-iot/telltale/schema"
)

type importCommand struct {
	server
	File      string `arg:"" help:"The file; - reads standard input."`
	Device    string `short:"d" xor:"where" placeholder:"ID" env:"-" help:"Bring the readings into this device."`
	NewDevice string `xor:"where" required:"" placeholder:"NAME" env:"-" help:"Make a device of this name for them. It can never connect."`
	Check     bool   `env:"-" help:"Only say what is in the file and what is wrong with it."`
	Format    string `short:"f" placeholder:"FORMAT" env:"-" help:"csv or senml; from the name of the file when that tells, else csv."`
	Channel   string `short:"c" placeholder:"ID" env:"-" help:"The channel, for a CSV file that has times and values only (air_temperature.state)."`
	Zone      string `placeholder:"ZONE" env:"-" help:"Where times without a zone were written: UTC, Europe/Berlin."`
}

// Help says more in --help.
func (importCommand) Help() string {
	return "A CSV file names its columns in the first line: time (or timestamp, date, t_ms) and value, with channel and unit beside them if you like; " +
		"or time and one column per channel. What 'hub export' writes can be read, and Home Assistant's history too.\n\n" +
		"All of a file is stored, or nothing when one line is wrong. Importing a file again stores nothing twice.\n\n" +
		"  hub import --check --new-device \"Old weather station\" old.csv\n  hub import -d pi-garage --zone Europe/Berlin notes.csv\n\n" +
		"docs/export.md says what a file may look like."
}

// Run sends the file and prints what the hub made of it.
func (c *importCommand) Run(ctx context.Context, streams *cli.IO) error {
	path, query, err := c.target()
	if err != nil {
		return cli.WithCode(cli.ExitUsage, err)
	}
	in, length, err := c.open(streams)
	if err != nil {
		return err
	}
	defer in.Close()
	line := newProgress(streams.Err)
	body := &counted{r: in, progress: line, lines: true}
	req, err := c.request(ctx, http.MethodPost, path, query, body)
	if err != nil {
		return err
	}
	req.ContentLength = length
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Accept", "application/x-ndjson")
	req.Header.Set("Expect", "100-continue") // a refusal comes before the file goes
	resp, err := c.send(req)
	line.clear()
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 && resp.StatusCode != http.StatusUnprocessableEntity {
		return c.refusal(resp)
	}
	defer resp.Body.Close()
	rep, err := follow(resp.Body, line)
	line.clear()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	return c.tell(rep, streams)
}

func (c *importCommand) open(streams *cli.IO) (in io.ReadCloser, length int64, err error) {
	if c.File == "-" {
		return io.NopCloser(streams.In), -1, nil
	}
	f, err := os.Open(c.File)
	if err != nil {
		return nil, 0, err
	}
	length = -1 // of a pipe nobody knows
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		length = info.Size()
	}
	return f, length, nil
}

// target says where the file goes.
func (c *importCommand) target() (path string, q url.Values, err error) {
	if c.Device == "" && c.NewDevice == "" {
		return "", nil, errors.New("say which device the readings are for: --device ID, or --new-device NAME")
	}
	id := c.Device
	q = url.Values{}
	if c.NewDevice != "" {
		q.Set("name", c.NewDevice)
		if id = deviceID(c.NewDevice); !schema.ValidDevice(id) {
			return "", nil, fmt.Errorf("%q has no letter or digit to make an id of", c.NewDevice)
		}
	}
	if c.Format == "" {
		c.Format = string(formatOf(c.File))
	}
	q.Set("format", c.Format)
	for name, value := range map[string]string{"channel": c.Channel, "zone": c.Zone} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if c.Check {
		q.Set("check", "true")
	}
	return "/api/v1/devices/" + url.PathEscape(id) + "/import", q, nil
}

// deviceID makes an id of a name: "Old weather station" becomes old-weather-station.
func deviceID(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') })
	id := strings.Join(words, "-")
	return strings.TrimRight(id[:min(len(id), 63)], "-")
}

// follow reads reports until the last one.
func follow(body io.Reader, line *progress) (rep schema.FileReport, err error) {
	dec := json.NewDecoder(body)
	for n := 0; ; n++ {
		var answer struct {
			schema.FileReport
			schema.Problem
		}
		switch err := dec.Decode(&answer); {
		case errors.Is(err, io.EOF) && n > 0 && rep.State != "storing":
			return rep, nil
		case err != nil:
			return rep, fmt.Errorf("the hub stopped answering; import the same file again, it goes on where it stopped (%w)", err)
		case answer.Message != "":
			return rep, &answer.Problem
		}
		rep = answer.FileReport
		line.show(func(since time.Duration) string {
			return fmt.Sprintf("%s of %s readings stored, %s", thousands(rep.Stored+rep.Known), thousands(rep.Readings), perSecond(rep.Stored+rep.Known, since))
		})
	}
}

// tell prints a report. Error: lines are wrong.
func (c *importCommand) tell(rep schema.FileReport, streams *cli.IO) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s readings of %d channels in %s lines\n", thousands(rep.Readings), len(rep.Channels), thousands(rep.Lines))
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, ch := range rep.Channels {
		fresh := ""
		if ch.New {
			fresh = "new"
		}
		fmt.Fprintf(table, "  %s\t%s\t%s readings\t%s to %s\t%s\n", ch.Ch, strings.TrimSpace(string(ch.Type)+" "+ch.Unit), thousands(ch.Readings), moment(ch.FromMS), moment(ch.ToMS), fresh)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if rep.Empty > 0 {
		fmt.Fprintf(&b, "%s cells are empty\n", thousands(rep.Empty))
	}
	for _, p := range rep.Problems {
		if p.Line > 0 {
			fmt.Fprintf(&b, "line %d: ", p.Line)
		}
		fmt.Fprintf(&b, "%s\n", p.Message)
	}
	switch {
	case rep.State == "done":
		fmt.Fprintf(&b, "%s readings stored in %s, %s were there already\n", thousands(rep.Stored), rep.Device, thousands(rep.Known))
	case rep.Wrong == 0:
		fmt.Fprintf(&b, "nothing is wrong; %s would be new, %s are there already; nothing was stored\n", thousands(rep.Readings-rep.Known), thousands(rep.Known))
	}
	if _, err := io.WriteString(streams.Out, b.String()); err != nil {
		return err
	}
	if rep.Wrong > 0 {
		return fmt.Errorf("%s lines are wrong; nothing was stored", thousands(rep.Wrong))
	}
	return nil
}

func moment(ms int64) string { return time.UnixMilli(ms).Format(time.DateTime) }
