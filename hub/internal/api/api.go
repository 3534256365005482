// Package api is the hub's HTTP side: the routes under /api/v1, the dashboard's files, and what machines ask (/metrics, /healthz, /readyz).
//
// It guarantees: a request whose Host is not one of the hub's names is refused before anything else (DNS rebinding), a page of another
// origin changes nothing, every answer carries the security headers, every body and every wait is bounded, and every error is a
// schema.Problem in words without internal detail. Requests that read have no effect. It refuses to show what passes on the wire (/api/v1/tail)
// and the metrics to other machines.
//
// It knows nothing of how things are stored or sent: the interfaces say what it needs. Start with [New]; guard.go is what every request
// passes.
package api

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"

	"github.com/telltale-iot/telltale/schema"
)

// Devices are the devices as people see them, with their presence.
type Devices interface {
	Devices(ctx context.Context) ([]schema.Device, error)
	Device(ctx context.Context, id string) (schema.Device, bool, error)
	PatchDevice(ctx context.Context, id string, p schema.DevicePatch) (schema.Device, error)
	ForgetDevice(ctx context.Context, id string) error
}

// Records are what was stored.
type Records interface {
	History(ctx context.Context, device string, q HistoryQuery) (schema.History, error)
	Readings(ctx context.Context, device string, q ReadingsQuery) (schema.ReadingPage, error)
	Commands(ctx context.Context, device string, limit int, before uint64) ([]schema.Command, error)
	Command(ctx context.Context, id string) (schema.Command, bool, error)
}

// HistoryQuery asks for a span of some channels.
type HistoryQuery struct {
	Channels     []string // wire ids
	FromMS, ToMS int64    // both included
	Points       int      // most points per channel; 0 = the store's choice
}

// ReadingsQuery asks for a page of one channel's readings, one by one.
type ReadingsQuery struct {
	Channel      string // wire id
	FromMS, ToMS int64  // both included
	After        string // Next of the page before; "" = the first page
	Limit        int    // most readings; 0 = the store's choice
}

// Commander gives orders.
type Commander interface {
	Ask(ctx context.Context, actor string, a schema.Ask) (schema.Command, error)
	Cancel(ctx context.Context, actor, id string) (schema.Command, error)
}

// Options of [New].
type Options struct {
	// Devices, Records, Storage and Commander answer.
	Devices   Devices
	Records   Records
	Storage   Storage
	Commander Commander
	// Backups are made and fetched.
	Backups Backups
	// Files go out and come in.
	Files Files
	// NewCode makes a pairing code.
	NewCode func(schema.PairingRequest) (schema.PairingCode, error)
	// Info describes the hub.
	Info func(ctx context.Context) (schema.Info, error)
	// Tail calls write with every frame that passes until ctx ends or write fails.
	Tail func(ctx context.Context, device string, pages bool, write func(frame any) error) error
	// Ready says why the hub should get no new work; nil = it is ready.
	Ready func() error
	// Agent and Live are the two WebSocket endpoints.
	Agent, Live http.Handler
	// Metrics are served to this machine only.
	Metrics http.Handler
	// Page holds the built dashboard, index.html at its root; nil = it was not built.
	Page fs.FS
	// Hosts are names that the hub is reached by, beside the loopback names and its own addresses.
	Hosts []string
	// Origins of other front ends that may change things, "https://hub.example".
	Origins []string
	// Refused hears the code of every problem answered; nil = nobody listens.
	Refused func(code string)
	// Log receives what a person should know; nil = nothing is logged.
	Log *slog.Logger
}

type server struct {
	o     Options
	log   *slog.Logger
	page  *page
	files chan struct{} // one for each export and import that runs
}

// New returns the handler of all routes. Errors: an origin that is not one, a dashboard that cannot be read.
func New(o Options) (http.Handler, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{o: o, log: o.Log, files: make(chan struct{}, maxFiles)}
	var err error
	if s.page, err = newPage(o.Page); err != nil {
		return nil, err
	}
	return s.guard(s.routes())
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /api/v1/agent", s.o.Agent)
	mux.Handle("GET /api/v1/live", s.o.Live)
	mux.HandleFunc("GET /api/v1/info", s.info)
	mux.HandleFunc("GET /api/v1/devices", s.devices)
	mux.HandleFunc("GET /api/v1/devices/{id}", s.device)
	mux.HandleFunc("PATCH /api/v1/devices/{id}", s.patchDevice)
	mux.HandleFunc("DELETE /api/v1/devices/{id}", s.forgetDevice)
	mux.HandleFunc("GET /api/v1/devices/{id}/history", s.history)
	mux.HandleFunc("GET /api/v1/devices/{id}/readings", s.readings)
	mux.HandleFunc("GET /api/v1/devices/{id}/export", s.export)
	mux.HandleFunc("POST /api/v1/devices/{id}/import", s.load)
	mux.HandleFunc("GET /api/v1/devices/{id}/commands", s.commands)
	mux.HandleFunc("POST /api/v1/devices/{id}/commands", s.ask)
	mux.HandleFunc("GET /api/v1/commands/{id}", s.command)
	mux.HandleFunc("POST /api/v1/commands/{id}/cancel", s.cancel)
	s.storageRoutes(mux)
	mux.HandleFunc("POST /api/v1/pairing-codes", s.newCode)
	mux.HandleFunc("GET /api/v1/tail", s.tail)
	s.backupRoutes(mux)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, schema.Problemf(schema.CodeNotFound, "there is no %s %s", r.Method, r.URL.Path))
	})
	mux.Handle("GET /metrics", s.localOnly(s.o.Metrics))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("/", s.page)
	return mux
}

func (s *server) ready(w http.ResponseWriter, _ *http.Request) {
	if err := s.o.Ready(); err != nil {
		plain(w, http.StatusServiceUnavailable, err.Error()+"\n")
		return
	}
	plain(w, http.StatusOK, "ready\n")
}

func (s *server) info(w http.ResponseWriter, r *http.Request) {
	info, err := s.o.Info(r.Context())
	s.answer(w, r, http.StatusOK, info, err)
}
