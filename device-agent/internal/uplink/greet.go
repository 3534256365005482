package uplink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/telltale-iot/telltale/schema"
)

const (
	// dialWithin bounds reaching the hub and each answer of the greeting.
	dialWithin = 10 * time.Second
	// maxFromHub bounds a message of the hub, in bytes: a welcome can carry thousands of ranges.
	maxFromHub = 1 << 20
)

// open dials the hub.
func (l *Link) open(ctx context.Context) (*session, error) {
	d := websocket.Dialer{NetDialContext: l.o.Dial, HandshakeTimeout: dialWithin, Subprotocols: []string{schema.AgentProtocol},
		ReadBufferSize: 2048, WriteBufferSize: 4096}
	conn, resp, err := d.DialContext(ctx, l.url.String(), http.Header{"User-Agent": {l.o.Software}})
	if err != nil {
		return nil, l.explain(err, resp)
	}
	if conn.Subprotocol() != schema.AgentProtocol {
		return nil, errors.Join(&hopelessError{fmt.Errorf("%s does not speak %s: is it a Telltale hub?", l.o.Hub, schema.AgentProtocol)}, conn.Close())
	}
	conn.SetReadLimit(maxFromHub)
	return &session{l: l, conn: conn, window: 1, ended: make(chan struct{})}, nil
}

// explain makes words of a failed handshake.
func (l *Link) explain(err error, resp *http.Response) error {
	if resp == nil || !errors.Is(err, websocket.ErrBadHandshake) {
		return fmt.Errorf("reach %s: %w", l.o.Hub, err)
	}
	var p schema.Problem
	body, readErr := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if readErr == nil && json.Unmarshal(body, &p) == nil && p.Message != "" {
		err = &p
	} else {
		err = fmt.Errorf("it answered %s: is it a Telltale hub?", resp.Status)
	}
	err = fmt.Errorf("%s refused the connection: %w", l.o.Hub, err)
	if resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests {
		return &hopelessError{err}
	}
	return err
}

// greet does challenge, pairing if needed, hello and welcome.
func (s *session) greet(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	defer stop()
	f, err := s.answer()
	if err != nil {
		return err
	}
	c, ok := f.(*schema.Challenge)
	if !ok {
		return fmt.Errorf("the hub began with %s instead of challenge", f.Kind())
	}
	id := s.l.o.Identity
	if !id.Paired() {
		if err := s.pair(ctx, c); err != nil {
			return err
		}
	} else if err := id.save(); err != nil {
		s.l.o.Log.Error("the pairing cannot be kept", "err", err)
	}
	if id.HubID != c.HubID {
		return &hopelessError{fmt.Errorf("%s is not the hub this device was paired with (it is %s, paired with %s); to change hubs, pair again",
			s.l.o.Hub, c.HubID, id.HubID)}
	}
	s.helloAt = s.l.o.Clock.Mono()
	if err := s.write(s.hello(c)); err != nil {
		return err
	}
	f, err = s.answer()
	if err != nil {
		return err
	}
	w, ok := f.(*schema.Welcome)
	if !ok {
		return fmt.Errorf("the hub answered hello with %s", f.Kind())
	}
	return s.welcome(w)
}

func (s *session) hello(c *schema.Challenge) *schema.Hello {
	o := &s.l.o
	st := o.Box.Stat()
	boot := o.Clock.BootID()
	return &schema.Hello{
		Device: o.Identity.Device, Sig: o.Identity.sign(schema.HelloTranscript(c.HubID, o.Identity.Device, boot, c.Nonce)),
		Epoch: st.Epoch, First: st.First, Last: st.Last, BootID: boot, MonoMS: o.Clock.Mono().Milliseconds(),
		WallMS: o.Clock.Now().UnixMilli(), Synced: o.Clock.Synced(), DescriptorHash: o.Descriptor.Hash(), Agent: o.Software,
	}
}

// pair introduces the device with a one-time code.
func (s *session) pair(ctx context.Context, c *schema.Challenge) error {
	o := &s.l.o
	code := o.Code
	if code == "" {
		var err error
		if code, err = s.l.fetchCode(ctx); err != nil {
			return err
		}
	}
	key := o.Identity.PublicKey()
	err := s.write(&schema.Pair{Device: o.Device, Name: o.Descriptor.Name, PublicKey: key, Proof: schema.PairProof(code, c.Nonce, key),
		Sig: o.Identity.sign(schema.PairTranscript(c.HubID, o.Device, key, c.Nonce))})
	if err != nil {
		return err
	}
	f, err := s.answer()
	if err != nil {
		return fmt.Errorf("pair: %w", err)
	}
	p, ok := f.(*schema.Paired)
	if !ok || p.HubID != c.HubID {
		return fmt.Errorf("the hub answered pair with %s", f.Kind())
	}
	if err := o.Identity.keep(p.Device, p.HubID); err != nil { // the link works without; it is tried again at every connection
		o.Log.Error("the pairing cannot be kept: after a restart this device would need a new code", "err", err)
	}
	o.Log.Info("paired with the hub", "hub", o.Hub, "name", p.Device)
	return nil
}

// fetchCode asks a hub on this machine for a pairing code; elsewhere a person has to.
func (l *Link) fetchCode(ctx context.Context) (string, error) {
	if !loopback(l.url.Hostname()) {
		return "", &hopelessError{fmt.Errorf("this device is not paired with %s: get a code there (Add device, or `hub pair`) and give it with --code", l.o.Hub)}
	}
	u := url.URL{Scheme: map[string]string{"ws": "http", "wss": "https"}[l.url.Scheme], Host: l.url.Host,
		Path: strings.TrimSuffix(l.url.Path, "agent") + "pairing-codes"}
	body, err := json.Marshal(schema.PairingRequest{Uses: 1})
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{DialContext: l.o.Dial, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("get a pairing code: %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", fmt.Errorf("get a pairing code: %w", err)
	}
	var code schema.PairingCode
	if resp.StatusCode/100 != 2 || json.Unmarshal(raw, &code) != nil || code.Code == "" {
		return "", fmt.Errorf("get a pairing code: %s answered %s", u.String(), resp.Status)
	}
	return code.Code, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// answer returns the next frame of the greeting; a problem becomes an error. A message may hold several frames: what comes behind the one
// that is asked for waits for the next call, or for the reader of the session.
func (s *session) answer() (schema.Frame, error) {
	if err := s.conn.SetReadDeadline(time.Now().Add(dialWithin)); err != nil {
		return nil, err
	}
	for len(s.early) == 0 {
		_, msg, err := s.conn.ReadMessage()
		if err != nil {
			return nil, s.ending(err)
		}
		if s.early, err = schema.Decode(schema.AgentDown, msg); err != nil {
			return nil, fmt.Errorf("the hub's message: %w", err)
		}
	}
	f := s.early[0]
	s.early = s.early[1:]
	if p, ok := f.(*schema.Problem); ok {
		return nil, problemError(p)
	}
	return f, nil
}

// problemError keeps the hub's words and says whether trying again helps.
func problemError(p *schema.Problem) error {
	if schema.RetryClose(p.Code.CloseCode()) {
		return p
	}
	return &hopelessError{p}
}
