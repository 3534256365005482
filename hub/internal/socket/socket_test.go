package socket_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/telltale-iot/telltale/hub/internal/socket"
	"github.com/telltale-iot/telltale/internal/memnet"
	"github.com/telltale-iot/telltale/schema"
)

const credit = 8

// rig is a socket server over an in-memory network, with the rest of the hub played by the rig itself.
type rig struct {
	t   *testing.T
	s   *socket.Server
	net *memnet.Listener
	end func()

	mu       sync.Mutex
	opened   []*session
	onOpen   func(a *socket.Agent)
	onHandle func(f schema.Frame) *schema.Problem
	pages    []*feed
	asked    []schema.Ask
	askErr   error
}

func newRig(t *testing.T, limits socket.Limits, buffer int) *rig {
	r := &rig{t: t, net: memnet.Listen("hub:80", buffer)}
	r.s = socket.New(socket.Options{Devices: r, Live: r, Limits: limits, Origins: []string{"https://front.example"}})
	mux := http.NewServeMux()
	mux.Handle("/agent", r.s.AgentHandler())
	mux.Handle("/live", r.s.LiveHandler())
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = web.Serve(r.net) })
	all.Go(func() { _ = r.s.Run(ctx) })
	r.end = sync.OnceFunc(func() {
		stop()
		_ = web.Close()
		_ = r.net.Close()
		all.Wait()
	})
	return r
}

func (r *rig) Challenge() schema.Challenge {
	return schema.Challenge{HubID: "hub1", Nonce: strings.Repeat("0", 32)}
}

func (r *rig) Pair(_ context.Context, _ string, p *schema.Pair) (string, error) {
	return p.Device + "-2", nil
}

func (r *rig) Identify(_ context.Context, _ string, h *schema.Hello) (uint64, error) {
	if h.Device == "stranger" {
		return 0, schema.Problemf(schema.CodeUnauthorized, "who are you?")
	}
	if h.Device == "broken" {
		return 0, errors.New("disk on fire at /dev/sda1")
	}
	return max(1, h.Last), nil // a test chooses the number of a session by its outbox
}

func (r *rig) Open(_ context.Context, h *schema.Hello, number uint64, a *socket.Agent) (*schema.Welcome, socket.Session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.onOpen != nil {
		r.onOpen(a)
	}
	s := &session{r: r, device: h.Device, closed: make(chan struct{})}
	r.opened = append(r.opened, s)
	return &schema.Welcome{Window: 64, Have: []schema.Range{}, Session: number}, s, nil
}

type session struct {
	r      *rig
	device string
	frames int
	closed chan struct{}
	once   sync.Once
}

func (s *session) Handle(_ context.Context, f schema.Frame) *schema.Problem {
	select {
	case <-s.closed:
		s.r.t.Error("a frame was handled after its session was closed")
	default:
	}
	s.r.mu.Lock()
	s.frames++
	handle := s.r.onHandle
	s.r.mu.Unlock()
	if handle != nil {
		return handle(f)
	}
	return nil
}

func (s *session) Close() { s.once.Do(func() { close(s.closed) }) }

func (s *session) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

func (r *rig) sessions() []*session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*session(nil), r.opened...)
}

func (r *rig) Welcome() schema.LiveWelcome {
	return schema.LiveWelcome{HubID: "hub1", PingMS: schema.LivePing.Milliseconds(), Credit: credit}
}

func (r *rig) Subscribe(wake func()) socket.Subscriber {
	f := &feed{wake: wake}
	r.mu.Lock()
	r.pages = append(r.pages, f)
	r.mu.Unlock()
	return f
}

func (r *rig) Ask(_ context.Context, actor string, a schema.Ask) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.Reason = actor
	r.asked = append(r.asked, a)
	return r.askErr
}

func (r *rig) Cancel(context.Context, string, string) error { return nil }

// feed is a room that has one big delta more whenever publish is called.
type feed struct {
	wake func()

	mu     sync.Mutex
	due    uint64
	ver    uint64
	hidden bool
	closed bool
}

func (f *feed) publish() {
	f.mu.Lock()
	f.due++
	f.mu.Unlock()
	f.wake()
}

func (f *feed) Join(at schema.RoomPosition) error {
	if at.Room == "device/nobody" {
		return &schema.Problem{Code: schema.CodeUnknownRoom, Message: "no such room", Room: at.Room}
	}
	f.publish()
	return nil
}

func (f *feed) Leave(string) {}

func (f *feed) SetHidden(hidden bool) {
	f.mu.Lock()
	f.hidden = hidden
	f.mu.Unlock()
}

func (f *feed) Next(buf []byte) ([]byte, []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ver == f.due {
		return nil, buf
	}
	f.ver = f.due
	return fmt.Appendf(buf[:0], `{"t":"delta","room":"device/pi","ver":%d,"pad":%q}`, f.ver, strings.Repeat("x", 2000)), buf
}

func (f *feed) Close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
}

// peer is a client of either endpoint.
type peer struct {
	t      *testing.T
	ws     *websocket.Conn
	stream schema.Stream
}

// dial connects; header may be nil.
func (r *rig) dial(path, protocol string, header http.Header) (*websocket.Conn, *http.Response, error) {
	d := websocket.Dialer{Subprotocols: []string{protocol}, EnableCompression: true,
		NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return r.net.Dial(ctx, network, addr)
		}}
	return d.Dial("ws://hub"+path, header)
}

func (r *rig) agent() *peer {
	r.t.Helper()
	ws, _, err := r.dial("/agent", schema.AgentProtocol, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	p := &peer{r.t, ws, schema.AgentDown}
	p.expect("challenge")
	return p
}

func (r *rig) page() *peer {
	r.t.Helper()
	ws, _, err := r.dial("/live", schema.LiveProtocol, http.Header{"Origin": {"http://hub"}})
	if err != nil {
		r.t.Fatal(err)
	}
	return &peer{r.t, ws, schema.LiveDown}
}

func (p *peer) send(frames ...schema.Frame) {
	p.t.Helper()
	b, err := schema.Encode(frames...)
	if err != nil {
		p.t.Fatal(err)
	}
	p.raw(string(b))
}

func (p *peer) raw(text string) {
	p.t.Helper()
	if err := p.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

// next reads the frames of one message; an error is the end of the connection.
func (p *peer) next() ([]schema.Frame, error) {
	_, b, err := p.ws.ReadMessage()
	if err != nil {
		return nil, err
	}
	return schema.Decode(p.stream, b)
}

// expect reads until a frame of the kind comes; pings are skipped, anything else is an error.
func (p *peer) expect(kind string) schema.Frame {
	p.t.Helper()
	for {
		frames, err := p.next()
		if err != nil {
			p.t.Fatalf("waiting for %s: %v", kind, err)
		}
		for _, f := range frames {
			if f.Kind() == kind {
				return f
			}
			if f.Kind() != "ping" {
				p.t.Fatalf("got %s %+v, want %s", f.Kind(), f, kind)
			}
		}
	}
}

// expectEnd reads a problem of the code and then the close with its number.
func (p *peer) expectEnd(code schema.Code) *schema.Problem {
	p.t.Helper()
	problem := p.expect("problem").(*schema.Problem)
	if problem.Code != code || problem.Message == "" {
		p.t.Errorf("problem %q %q, want code %q", problem.Code, problem.Message, code)
	}
	p.expectClose(code.CloseCode())
	return problem
}

func (p *peer) expectClose(number int) {
	p.t.Helper()
	for {
		_, err := p.next()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			if closed.Code != number {
				p.t.Errorf("closed with %d %q, want %d", closed.Code, closed.Text, number)
			}
			return
		}
		if err != nil {
			p.t.Fatalf("the connection broke without a close: %v", err)
		}
	}
}

func hello(device string) *schema.Hello {
	return &schema.Hello{Device: device, Sig: strings.Repeat("0", 128), Epoch: strings.Repeat("a", 16), BootID: "b1", Agent: "test"}
}

// connect makes an agent that has been welcomed.
func (r *rig) connect(device string) *peer {
	r.t.Helper()
	p := r.agent()
	p.send(hello(device))
	p.expect("welcome")
	return p
}

// view makes a page that has been welcomed, and its feed.
func (r *rig) view() (*peer, *feed) {
	r.t.Helper()
	r.mu.Lock()
	n := len(r.pages)
	r.mu.Unlock()
	p := r.page()
	p.send(&schema.LiveHello{Client: "test"})
	p.expect("welcome")
	r.mu.Lock()
	defer r.mu.Unlock()
	return p, r.pages[n]
}
