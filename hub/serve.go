package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/dashboard"
	"github.com/telltale-iot/telltale/hub/app"
	"github.com/telltale-iot/telltale/internal/cli"
	"github.com/telltale-iot/telltale/internal/yamlfile"
)

// settings are the flags that set app.Config. Nil means: neither flag nor environment said anything.
type settings struct {
	File          string         `name:"config" type:"path" placeholder:"FILE" help:"File with settings (YAML); 'hub config' prints one."`
	Listen        *string        `placeholder:"ADDR" help:"Address to listen on (127.0.0.1:8080)."`
	AllowNetwork  *bool          `help:"Let other machines in. There are no accounts yet: whoever reaches the hub can command it."`
	Host          []string       `placeholder:"NAME" help:"Name the hub is reached by, beside localhost and its own addresses. Repeatable."`
	Origin        []string       `placeholder:"URL" help:"Origin of another front end that may use this hub. Repeatable."`
	Data          *string        `placeholder:"DIR" help:"Folder that keeps everything."`
	CommitEvery   *time.Duration `placeholder:"1s" help:"How long readings are collected before they are written durably and acked; 5s spares a card."`
	StorageBudget *app.Bytes     `placeholder:"8GB" help:"How large the store may grow before the oldest readings go (as the disk allows)."`
	CardEndurance *app.Bytes     `placeholder:"15TB" help:"How much may be written to the card before it wears out (a guess by its size)."`
	BackupEvery   *time.Duration `placeholder:"24h" help:"How often a backup is made by itself; 0 = never."`
	BackupKeep    *int           `placeholder:"7" help:"How many backups are kept; 0 = all."`
	Grace         *time.Duration `placeholder:"8s" help:"How long stopping may take."`
	LogLevel      *string        `placeholder:"info" help:"debug, info, warn or error."`
	LogFormat     *string        `placeholder:"text" help:"text or json."`
}

// load puts default, file, environment and flags together, in this order.
func (s *settings) load() (app.Config, error) {
	c := app.Default()
	if s.File != "" {
		if _, err := yamlfile.Load(s.File, &c); err != nil {
			return c, err
		}
	}
	set(&c.Listen, s.Listen)
	set(&c.AllowNetwork, s.AllowNetwork)
	set(&c.Data, s.Data)
	set(&c.CommitEvery, s.CommitEvery)
	set(&c.StorageBudget, s.StorageBudget)
	set(&c.CardEndurance, s.CardEndurance)
	set(&c.BackupEvery, s.BackupEvery)
	set(&c.BackupKeep, s.BackupKeep)
	set(&c.Grace, s.Grace)
	set(&c.LogLevel, s.LogLevel)
	set(&c.LogFormat, s.LogFormat)
	if len(s.Host) > 0 {
		c.Hosts = s.Host
	}
	if len(s.Origin) > 0 {
		c.Origins = s.Origin
	}
	return c, c.Validate()
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// gcPercent is Go's GOGC where nobody sets it. With 500 series at 1 Hz some 23 MB live; at Go's own 100 the hub took 73 to 99 MiB, at 40 it took 60,
// for no more processor time that could be measured. docs/performance.md has the figures.
const gcPercent = 30

type serveCommand struct{ settings }

// Run serves until the context ends.
func (s *serveCommand) Run(ctx context.Context, streams *cli.IO) error {
	c, err := s.load()
	if err != nil {
		return cli.WithCode(cli.ExitUsage, err)
	}
	log := logger(c, streams.Err)
	if c.AllowNetwork {
		log.Warn("other machines may come in, and there are no accounts yet: whoever reaches this address can command your devices", "listen", c.Listen)
	}
	var page fs.FS
	if dashboard.Built() {
		page = dashboard.Files()
	} else {
		log.Warn("the dashboard was not built: run make build, or npm ci && npm run build in the folder dashboard, and build the hub again")
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	hub, err := app.New(ctx, c, app.Options{Log: log, Version: cli.Version(), Page: page})
	if err != nil {
		return err
	}
	return hub.Run(ctx)
}

func logger(c app.Config, to io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil { // Validate has looked
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(to, o))
	}
	return slog.New(slog.NewTextHandler(to, o))
}

type configCommand struct{ settings }

// Run prints the settings with their meaning.
func (s *configCommand) Run(streams *cli.IO) error {
	c, err := s.load()
	if err != nil {
		return cli.WithCode(cli.ExitUsage, err)
	}
	_, err = fmt.Fprintf(streams.Out, `# Settings of the hub. Each can also be a flag (--log-level) or a variable (TELLTALE_LOG_LEVEL), which win.
listen: %q            # address to listen on; other machines only with allow_network
allow_network: %t     # let other machines in; there are no accounts yet
hosts: [%s]           # names the hub is reached by, beside localhost and its own addresses
origins: [%s]         # origins of other front ends, "https://hub.example"
data: %q              # folder that keeps everything
commit_every: %s      # how long readings are collected before they are written durably
storage_budget: %q    # how large the store may grow before the oldest readings go, "8GB"; 0 = as the disk allows
card_endurance: %q    # how much may be written to the disk before it wears out, "15TB"; 0 = a guess by its size
backup_every: %s      # how often a backup is made by itself, 24h for one; 0s = never
backup_keep: %d        # how many backups are kept; 0 = all
grace: %s             # how long stopping may take
log_level: %s         # debug, info, warn or error
log_format: %s        # text or json
`, c.Listen, c.AllowNetwork, quoted(c.Hosts), quoted(c.Origins), c.Data, c.CommitEvery, c.StorageBudget.String(), c.CardEndurance.String(), c.BackupEvery, c.BackupKeep,
		c.Grace, c.LogLevel, c.LogFormat)
	return err
}

func quoted(all []string) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(out, ", ")
}
