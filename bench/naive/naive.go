// Package naive is the hub that one writes in an afternoon, for comparison: what do the store, the rooms and the socket of the real one buy?
//
// It speaks enough of the protocol for the load generators: it pairs everybody without checking anything. It is built from the
// library's and the driver's examples: default buffers, the HTTP handler's goroutine reads, a second goroutine per connection
// writes, every dashboard has a channel of 256 messages and is dropped when it is full (gorilla's chat example), every readings frame is one
// transaction of one INSERT per reading with synchronous=FULL, and the ack follows. It is no straw man on purpose: it has an index that
// fits, WAL, prepared statements, and encodes once for all dashboards when asked to.
//
// Start with [Serve].
package naive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gorilla/websocket"

	"github.com/telltale-iot/telltale/schema"
)

// window is how many unacked frames an agent may have under way, as on the real hub.
const window = 64

// Options of [Serve].
type Options struct {
	// Listen is the address to listen on.
	Listen string
	// Data is the folder for the database.
	Data string
	// EncodeOnce encodes an update once for all dashboards, as the chat example does, instead of once for each.
	EncodeOnce bool
}

type hub struct {
	o    Options
	rows *rows
	chat *chat
	up   websocket.Upgrader
}

// Serve runs the naive hub until ctx ends.
func Serve(ctx context.Context, o Options) error {
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	rows, err := openRows(filepath.Join(o.Data, "naive.db"))
	if err != nil {
		return err
	}
	h := &hub{o: o, rows: rows, chat: newChat()}
	h.up = websocket.Upgrader{Subprotocols: []string{schema.AgentProtocol, schema.LiveProtocol}, CheckOrigin: func(*http.Request) bool { return true }}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ready") })
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "go_goroutines %d\n", runtime.NumGoroutine())
	})
	mux.HandleFunc("POST /api/v1/pairing-codes", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(schema.PairingCode{Code: "NAIV-EHUB"}) // the client may be gone
	})
	mux.HandleFunc("GET /api/v1/agent", h.agent)
	mux.HandleFunc("GET /api/v1/live", h.live)
	ln, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return errors.Join(err, rows.Close())
	}
	server := http.Server{Handler: mux}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // Serve returns with the reason
	defer stop()
	err = server.Serve(ln)
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, rows.Close())
}

// agent is the life of an agent's connection.
func (h *hub) agent(w http.ResponseWriter, r *http.Request) {
	ws, err := h.up.Upgrade(w, r, nil)
	if err != nil { // the library has answered
		return
	}
	defer ws.Close()
	if send(ws, &schema.Challenge{HubID: "naive", Nonce: "00000000000000000000000000000000", NowMS: time.Now().UnixMilli()}) != nil {
		return
	}
	device, epoch := "", ""
	for {
		_, message, err := ws.ReadMessage()
		if err != nil {
			return
		}
		frames, err := schema.Decode(schema.AgentUp, message)
		if err != nil {
			return
		}
		for _, f := range frames {
			var answer schema.Frame
			switch f := f.(type) {
			case *schema.Pair:
				answer = &schema.Paired{Device: f.Device, HubID: "naive"}
			case *schema.Hello:
				device, epoch = f.Device, f.Epoch
				answer = &schema.Welcome{NowMS: time.Now().UnixMilli(), Window: window, BatchMS: 1000}
			case *schema.Readings:
				h.chat.broadcast(delta(device, f), h.o.EncodeOnce)
				if err := h.rows.insert(device, f); err != nil {
					return
				}
				answer = &schema.Ack{Epoch: epoch, Ranges: []schema.Range{{f.Seq, f.Seq}}}
			default:
				continue
			}
			if send(ws, answer) != nil {
				return
			}
		}
	}
}

func send(ws *websocket.Conn, f schema.Frame) error {
	b, err := schema.Encode(f)
	if err != nil {
		return err
	}
	return ws.WriteMessage(websocket.TextMessage, b)
}

// delta is what dashboards are told of a readings frame.
func delta(device string, r *schema.Readings) *schema.Delta {
	d := &schema.Delta{Room: schema.RoomDevicePrefix + device, Ver: r.Seq, T0MS: r.T0MS}
	for _, s := range r.Series {
		d.Series = append(d.Series, schema.LiveSeries{Ch: s.Ch, DtMS: s.DtMS, V: s.V})
	}
	return d
}
