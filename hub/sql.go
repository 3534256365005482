package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/hub/internal/store/look"
	"github.com/telltale-iot/telltale/internal/cli"
)

type sqlCommand struct {
	folder
	File   string `type:"path" placeholder:"FILE" help:"A file instead of the data folder's store, a backup for one."`
	Format string `enum:"table,csv,json" default:"table" help:"table, csv, or json (one object per line)."`
	Query  string `arg:"" help:"The query; the view readings has every reading: device, channel, t, t_ms, value, quality, time_quality."`
}

// Run asks and prints; a hub may run on the file meanwhile.
func (c *sqlCommand) Run(ctx context.Context, streams *cli.IO) error {
	file := c.File
	if file == "" {
		file = store.File(c.dir())
	}
	out := bufio.NewWriter(streams.Out)
	answer := newAnswer(c.Format, out)
	err := look.Ask(ctx, file, c.Query, answer)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no file %s", file)
	}
	return errors.Join(err, answer.end(), out.Flush())
}

// answer prints rows in one of the formats.
type answer interface {
	look.Answer
	end() error
}

func newAnswer(format string, to io.Writer) answer {
	switch format {
	case "csv":
		return &csvAnswer{w: csv.NewWriter(to)}
	case "json":
		return &jsonAnswer{w: to}
	}
	return &tableAnswer{w: tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)}
}

// text is a value as people read it; null is nothing.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []byte:
		return hex.EncodeToString(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

type tableAnswer struct{ w *tabwriter.Writer }

// maxCell bounds a value in a table, in bytes: packed readings would fill the screen.
const maxCell = 60

func (a *tableAnswer) Columns(names []string) error {
	_, err := fmt.Fprintln(a.w, strings.Join(names, "\t"))
	return err
}

func (a *tableAnswer) Row(values []any) error {
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = strings.NewReplacer("\t", " ", "\n", " ").Replace(text(v))
		if len(cells[i]) > maxCell {
			cells[i] = strings.ToValidUTF8(cells[i][:maxCell], "") + "…"
		}
	}
	_, err := fmt.Fprintln(a.w, strings.Join(cells, "\t"))
	return err
}

func (a *tableAnswer) end() error { return a.w.Flush() }

type csvAnswer struct {
	w     *csv.Writer
	cells []string
}

func (a *csvAnswer) Columns(names []string) error { return a.w.Write(names) }

func (a *csvAnswer) Row(values []any) error {
	a.cells = a.cells[:0]
	for _, v := range values {
		a.cells = append(a.cells, text(v))
	}
	return a.w.Write(a.cells)
}

func (a *csvAnswer) end() error {
	a.w.Flush()
	return a.w.Error()
}

type jsonAnswer struct {
	w     io.Writer
	names []string
	line  []byte
}

func (a *jsonAnswer) Columns(names []string) error {
	for _, n := range names {
		key, err := json.Marshal(n)
		if err != nil {
			return err
		}
		a.names = append(a.names, string(key))
	}
	return nil
}

// Row prints the columns in their order, which a map would lose.
func (a *jsonAnswer) Row(values []any) error {
	a.line = append(a.line[:0], '{')
	for i, v := range values {
		if b, ok := v.([]byte); ok {
			v = hex.EncodeToString(b)
		}
		value, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("column %s: %w", a.names[i], err)
		}
		if i > 0 {
			a.line = append(a.line, ',')
		}
		a.line = append(append(append(a.line, a.names[i]...), ':'), value...)
	}
	_, err := a.w.Write(append(a.line, '}', '\n'))
	return err
}

func (a *jsonAnswer) end() error { return nil }
