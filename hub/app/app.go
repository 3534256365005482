// Package app puts the hub together: it is the only place that knows all of its parts.
//
// The parts under hub/internal never import each other; each says in small interfaces what it needs, and the adapters here (agents.go, pages.go,
// people.go) connect them. app holds no rules of its own, only the order of things: what a device's frames go through, and the order of
// starting and stopping.
//
// Stopping loses nothing: /readyz says no, agents and pages are told goodbye and to come back spread over a time, the last frames are handled,
// then the store commits what it has and closes. What was never acked the agents send again.
//
// Start with [New] and [Hub.Run]; [Config] is everything that can be set.
package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/api"
	"github.com/telltale-iot/telltale/hub/internal/auth"
	"github.com/telltale-iot/telltale/hub/internal/command"
	"github.com/telltale-iot/telltale/hub/internal/export/intake"
	"github.com/telltale-iot/telltale/hub/internal/ingest"
	"github.com/telltale-iot/telltale/hub/internal/metrics"
	"github.com/telltale-iot/telltale/hub/internal/presence"
	"github.com/telltale-iot/telltale/hub/internal/room"
	"github.com/telltale-iot/telltale/hub/internal/socket"
	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/hub/internal/store/backup"
	"github.com/telltale-iot/telltale/hub/internal/wear"
	"github.com/telltale-iot/telltale/schema"
)

const (
	// headerWithin and maxHeader bound what a client may do before it has asked for anything (slowloris).
	headerWithin = 5 * time.Second
	maxHeader    = 16 << 10
	// answerWithin bounds a request and its answer; WebSockets have limits of their own.
	answerWithin = 30 * time.Second
	// idleFor is how long an HTTP connection may wait for its next request.
	idleFor = 60 * time.Second
	// returnSpread is over how long agents and pages come back after a stop.
	returnSpread = 5 * time.Second
)

// Options are what New needs beside the configuration.
type Options struct {
	// Log receives what a person should know; nil = nothing is logged.
	Log *slog.Logger
	// Version of the program.
	Version string
	// Page holds the built dashboard; nil = it was not built.
	Page fs.FS
	// Listener to serve on instead of Config.Listen.
	Listener net.Listener
}

// Hub is one running hub. Make it with [New], let [Hub.Run] run once.
type Hub struct {
	config   Config
	log      *slog.Logger
	version  string
	started  time.Time
	listener net.Listener
	handler  http.Handler
	draining atomic.Bool

	store    *store.Store
	rooms    *room.Rooms
	presence *presence.Register
	ingest   *ingest.Ingest
	commands *command.Engine
	pairing  *auth.Pairing
	sessions *auth.Sessions
	socket   *socket.Server
	metrics  *metrics.Registry
	wear     *wear.Gauge
	backups  *backup.Keeper
	commits  commitCounts
}

// New opens the store and the port and puts everything together; nothing is served before [Hub.Run]. If Run is not called, call
// [Hub.Close].
//
// Errors are for people: a configuration that cannot work, a port that is taken, a store that cannot be opened.
func New(ctx context.Context, c Config, o Options) (*Hub, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &Hub{config: c, log: o.Log, version: o.Version, started: time.Now(), listener: o.Listener, metrics: metrics.New()}
	if h.listener == nil {
		var err error
		if h.listener, err = listen(ctx, c.Listen); err != nil {
			return nil, err
		}
	}
	var err error
	h.store, err = store.Open(ctx, store.Options{Dir: c.Data, CommitEvery: c.CommitEvery, Log: o.Log, Budget: c.StorageBudget.Int64(), OnCommit: h.committed})
	if err != nil {
		return nil, errors.Join(err, h.listener.Close())
	}
	if err := h.wire(ctx, o.Page); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// wire makes the parts and connects them.
func (h *Hub) wire(ctx context.Context, files fs.FS) error {
	h.wear = wear.New(func() int64 { return int64(h.commits.readings.Load()) }, nil)
	if err := intake.Clean(h.config.Data); err != nil {
		h.log.Warn("leftovers of an import stay in the data folder", "err", err)
	}
	h.rooms = room.New(room.Options{CommitEvery: h.config.CommitEvery, OnWatch: h.watched, OnEncoded: h.commits.encoded})
	h.presence = presence.New(presence.Options{Store: h.store, Rooms: h.rooms, Log: h.log})
	h.ingest = ingest.New(ingest.Options{Store: h.store, Rooms: shown{h}, Log: h.log})
	h.commands = command.New(command.Options{Store: h.store, Publish: h.rooms.PublishCommand, Log: h.log})
	h.pairing, h.sessions = auth.NewPairing(nil), auth.NewSessions(nil)
	h.socket = socket.New(socket.Options{Devices: agents{h}, Live: pages{h}, Origins: h.config.Origins, Log: h.log})
	h.backups = h.newBackups()
	if err := h.seed(ctx); err != nil {
		return err
	}
	h.countAll()
	var err error
	h.handler, err = api.New(api.Options{
		Devices: people{h}, Records: people{h}, Storage: storage{h}, Commander: h.commands, Files: people{h}, NewCode: h.pairing.NewCode, Info: h.info, Tail: h.tail, Ready: h.ready,
		Backups: copies{h.backups}, Agent: h.socket.AgentHandler(), Live: h.socket.LiveHandler(), Metrics: h.metrics.Handler(), Page: files,
		Hosts: h.config.Hosts, Origins: h.config.Origins, Refused: h.metrics.Refused, Log: h.log,
	})
	return err
}

// seed fills rooms and presence with what the store knows.
func (h *Hub) seed(ctx context.Context) error {
	devices, err := h.store.Devices(ctx)
	if err != nil {
		return fmt.Errorf("read devices: %w", err)
	}
	for _, d := range devices {
		t0, series, err := h.store.Latest(ctx, d.ID)
		if err != nil {
			return fmt.Errorf("read latest values device=%s: %w", d.ID, err)
		}
		newest := int64(0)
		for _, s := range series {
			for _, dt := range s.DtMS {
				newest = max(newest, t0+dt)
			}
		}
		h.presence.Know(d, newest)
		d.Presence, _ = h.presence.Presence(d.ID)
		h.rooms.PublishDevice(d)
		open, err := h.store.OpenCommands(ctx, d.ID)
		if err != nil {
			return fmt.Errorf("read commands device=%s: %w", d.ID, err)
		}
		last, err := h.store.LatestCommands(ctx, d.ID)
		if err != nil {
			return fmt.Errorf("read commands device=%s: %w", d.ID, err)
		}
		h.rooms.Seed(d.ID, t0, series, append(last, open...))
	}
	return nil
}

// Addr is the address the hub listens on.
func (h *Hub) Addr() net.Addr { return h.listener.Addr() }

// HubID names the hub.
func (h *Hub) HubID() string { return h.store.HubID() }

// Close ends a hub that was never run.
func (h *Hub) Close() error { return errors.Join(h.listener.Close(), h.store.Close()) }

// Run serves until ctx ends, then stops in order. It returns nil after an orderly stop, else what broke.
func (h *Hub) Run(ctx context.Context) error {
	parts, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var all sync.WaitGroup
	broken := make(chan error, 8)
	run := func(name string, part func(context.Context) error) {
		all.Go(func() {
			if err := part(parts); err != nil && parts.Err() == nil {
				broken <- fmt.Errorf("%s: %w", name, err)
			}
		})
	}
	run("rooms", h.rooms.Run)
	run("presence", h.presence.Run)
	run("commands", h.commands.Run)
	run("sockets", h.socket.Run)
	run("wear", h.wear.Run)
	run("backups", h.backups.Run)
	web := webServer(h.handler, h.log)
	all.Go(func() {
		if err := web.Serve(h.listener); !errors.Is(err, http.ErrServerClosed) {
			broken <- fmt.Errorf("listen: %w", err)
		}
	})
	h.log.Info("hub serves", "url", "http://"+h.Addr().String(), "hub", h.HubID(), "data", h.config.Data, "version", h.version)
	var err error
	select {
	case <-ctx.Done():
		h.log.Info("hub stops", "wait", h.config.Grace)
	case err = <-broken:
		h.log.Error("hub stops: a part of it broke", "err", err)
	}
	h.drain(context.WithoutCancel(ctx), web)
	stop()
	all.Wait()
	if closeErr := h.store.Close(); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("close store: %w", closeErr))
	}
	h.log.Info("hub stopped")
	return err
}

// webServer puts the limits around a handler.
func webServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{Handler: handler, ReadHeaderTimeout: headerWithin, ReadTimeout: answerWithin, WriteTimeout: answerWithin, IdleTimeout: idleFor,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
}

// drain tells everybody and waits until they have gone, at most the grace.
func (h *Hub) drain(ctx context.Context, web *http.Server) {
	h.draining.Store(true)
	ctx, cancel := context.WithTimeout(ctx, h.config.Grace)
	defer cancel()
	h.socket.Drain(ctx, returnSpread, "the hub restarts")
	short, cancelShort := context.WithTimeout(ctx, time.Second)
	defer cancelShort()
	if err := web.Shutdown(short); err != nil {
		_ = web.Close() // long requests, `hub tail` among them, had their time
	}
}

// ready says why the hub should get no new work.
func (h *Hub) ready() error {
	if h.draining.Load() {
		return errors.New("the hub is stopping")
	}
	switch err := h.store.Health(); {
	case errors.Is(err, store.ErrNoRoom):
		return errors.New("the disk is full; nothing is stored until there is room")
	case err != nil:
		return errors.New("the store cannot write; the hub's log says why")
	}
	return nil
}

func (h *Hub) info(ctx context.Context) (schema.Info, error) {
	known, _ := h.presence.Count()
	return schema.Info{HubID: h.HubID(), Version: h.version, StartedMS: h.started.UnixMilli(), NowMS: time.Now().UnixMilli(), Devices: known}, nil
}
