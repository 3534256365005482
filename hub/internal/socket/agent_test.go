package socket_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/telltale-iot/telltale/hub/internal/socket"
	"github.com/telltale-iot/telltale/internal/memnet"
	"github.com/telltale-iot/telltale/schema"
)

func inBubble(t *testing.T, limits socket.Limits, test func(t *testing.T, r *rig)) {
	t.Helper()
	inBubbleWith(t, limits, memnet.DefaultBuffer, test)
}

// inBubbleWith says how many bytes the network takes before a writer waits.
func inBubbleWith(t *testing.T, limits socket.Limits, buffer int, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, limits, buffer)
		defer r.end()
		test(t, r)
	})
}

func TestTheWelcomeComesBeforeWhatTheSessionSends(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		r.onOpen = func(a *socket.Agent) {
			for i := range 100 {
				if err := a.Send(&schema.DeviceCommand{ID: fmt.Sprintf("%032d", i), Entity: "lamp", Channel: "state", Op: schema.OpSet, RemainingMS: 1000}); err != nil {
					r.t.Error(err)
				}
			}
		}
		p := r.agent()
		p.send(hello("pi"))
		frames, err := p.next()
		if err != nil || len(frames) != 1 || frames[0].Kind() != "welcome" {
			t.Fatalf("the first message is %v, %v; want the welcome alone", frames, err)
		}
		for n := 0; n < 100; {
			frames, err := p.next()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range frames {
				if c := f.(*schema.DeviceCommand); c.ID != fmt.Sprintf("%032d", n) {
					t.Fatalf("command %s at place %d", c.ID, n)
				}
				n++
			}
		}
	})
}

func TestPairThenHelloOnOneConnection(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		p := r.agent()
		p.send(&schema.Pair{Device: "pi", PublicKey: strings.Repeat("0", 64), Proof: strings.Repeat("0", 64), Sig: strings.Repeat("0", 128)})
		if paired := p.expect("paired").(*schema.Paired); paired.Device != "pi-2" {
			t.Errorf("paired as %q", paired.Device)
		}
		p.send(hello("pi-2"))
		p.expect("welcome")
	})
}

func TestBadBeginnings(t *testing.T) {
	for _, c := range []struct {
		name  string
		first string
		code  schema.Code
	}{
		{"not json", `{`, schema.CodeBadFrame},
		{"too large", `{"t":"hello","agent":"` + strings.Repeat("x", schema.MaxFirstMessage) + `"}`, schema.CodeTooLarge},
		{"nested deeply", strings.Repeat("[", 2000), schema.CodeBadFrame},
		{"a kind that must be understood", `{"t":"dance!"}`, schema.CodeUnknownKind},
		{"an unknown kind", `{"t":"dance"}`, schema.CodeBadFrame},
		{"two frames", `[{"t":"status","mono_ms":1},{"t":"status","mono_ms":1}]`, schema.CodeBadFrame},
		{"readings before hello", `{"t":"status","mono_ms":1}`, schema.CodeBadFrame},
		{"hello with bad fields", `{"t":"hello","device":"../etc"}`, schema.CodeBadFrame},
		{"a stranger", string(encoded(t, hello("stranger"))), schema.CodeUnauthorized},
		{"a fault of the hub", string(encoded(t, hello("broken"))), schema.CodeInternal},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
				p := r.agent()
				p.raw(c.first)
				if problem := p.expectEnd(c.code); strings.Contains(problem.Message, "/dev/sda1") {
					t.Errorf("an internal detail left the hub: %s", problem.Message)
				}
				if len(r.sessions()) != 0 {
					t.Error("a session was opened")
				}
			})
		})
	}
}

func encoded(t *testing.T, f schema.Frame) []byte {
	t.Helper()
	b, err := schema.Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBinaryMessagesAreRefused(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		p := r.connect("pi")
		if err := p.ws.WriteMessage(websocket.BinaryMessage, []byte("x")); err != nil {
			t.Fatal(err)
		}
		p.expectEnd(schema.CodeBadFrame)
	})
}

func TestWhoSaysNothingIsClosedAfterFiveSeconds(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		start := time.Now()
		p := r.agent()
		p.expectEnd(schema.CodeTimeout)
		if took := time.Since(start); took > schema.FirstMessageWithin+time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// TestAHalfOpenAgentIsDropped has an agent whose machine lost power: its end takes bytes and answers nothing.
func TestAHalfOpenAgentIsDropped(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		r.connect("pi") // and never reads or writes again
		start := time.Now()
		<-r.sessions()[0].closed
		if took := time.Since(start); took < schema.AgentPing || took > 45*time.Second {
			t.Errorf("it took %s, want 15 to 45 s", took)
		}
	})
}

func TestAnAgentThatAnswersPingsStays(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		p := r.connect("pi")
		go func() {
			for { // the library answers pings while it reads
				if _, err := p.next(); err != nil {
					return
				}
			}
		}()
		time.Sleep(10 * time.Minute)
		if r.sessions()[0].isClosed() {
			t.Error("dropped")
		}
	})
}

func TestANewerConnectionTakesOver(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		old := r.connect("pi")
		other := r.connect("other")
		fresh := r.connect("pi")
		if s := r.sessions(); !s[0].isClosed() || s[1].isClosed() || s[2].isClosed() {
			t.Error("the older session of the device must be closed, and only that")
		}
		for range 50 { // must not be handled: session.Handle fails the test
			_ = old.ws.WriteMessage(websocket.TextMessage, encoded(t, &schema.Status{}))
		}
		old.expectEnd(schema.CodeReplaced)
		fresh.send(&schema.Status{})
		other.send(&schema.Status{})
		if err := r.s.Send("pi", &schema.Pace{BatchMS: 100}); err != nil {
			t.Error(err)
		}
		fresh.expect("pace")
		synctest.Wait()
		if s := r.sessions(); s[2].frames != 1 || s[1].frames != 1 {
			t.Errorf("frames of the newer and the other session: %d and %d", s[2].frames, s[1].frames)
		}
	})
}

func TestOfTwoConnectionsAtOnceTheOneWithTheHigherNumberStays(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		fast, late := r.agent(), r.agent()
		h := hello("pi")
		h.Last = 2
		fast.send(h)
		fast.expect("welcome")
		late.send(hello("pi")) // number 1: it was identified first and is slower
		late.expectEnd(schema.CodeReplaced)
		if s := r.sessions(); len(s) != 1 || s[0].isClosed() {
			t.Error("the newer session must stay, and be the only one")
		}
	})
}

func TestOneBadFrameLosesNoOther(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		p := r.connect("pi")
		p.raw(`[{"t":"status","mono_ms":1},{"t":"readings","seq":7,"mono_ms":1,"series":[{"ch":"a.b","v":[1e999]}]},{"t":"status","mono_ms":2}]`)
		problem := p.expect("problem").(*schema.Problem)
		if problem.Seq != 7 || problem.Code != schema.CodeBadFrame {
			t.Errorf("%+v", problem)
		}
		synctest.Wait()
		if n := r.sessions()[0].frames; n != 2 {
			t.Errorf("%d good frames handled, want 2", n)
		}
	})
}

func TestWhoKeepsSendingBadFramesIsClosed(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		p := r.connect("pi")
		go func() {
			for range 2000 {
				if p.ws.WriteMessage(websocket.TextMessage, []byte(`{"t":"event","seq":0}`)) != nil {
					return
				}
			}
		}()
		p.expectClosedAfterProblems(schema.CodeBadFrame)
	})
}

// expectClosedAfterProblems reads problems until the close.
func (p *peer) expectClosedAfterProblems(code schema.Code) {
	p.t.Helper()
	for {
		frames, err := p.next()
		if err != nil {
			if !websocket.IsCloseError(err, code.CloseCode()) {
				p.t.Errorf("ended with %v, want %d", err, code.CloseCode())
			}
			return
		}
		for _, f := range frames {
			if f.Kind() != "problem" {
				p.t.Errorf("got %s", f.Kind())
			}
		}
	}
}

func TestAFloodIsReadSlowlyAndHurtsNobody(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		flood, good := r.connect("flood"), r.connect("good")
		go func() {
			for flood.ws.WriteMessage(websocket.TextMessage, []byte(`{"t":"status","mono_ms":1}`)) == nil {
			}
		}()
		start := time.Now()
		for i := range 20 {
			good.send(&schema.Status{Backlog: uint64(i)})
			time.Sleep(100 * time.Millisecond)
		}
		s := r.sessions()
		r.mu.Lock()
		defer r.mu.Unlock()
		if most := 1000 + int(500*time.Since(start).Seconds()) + 1; s[0].frames > most {
			t.Errorf("%d frames of the flood were handled in %s, at most %d", s[0].frames, time.Since(start), most)
		}
		if s[1].frames != 20 {
			t.Errorf("%d frames of the other agent were handled, want 20", s[1].frames)
		}
	})
}

func TestAPanicStaysInItsConnection(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		good := r.connect("good")
		r.mu.Lock()
		r.onHandle = func(f schema.Frame) *schema.Problem {
			if f.(*schema.Status).Backlog == 13 {
				panic("a bug")
			}
			return nil
		}
		r.mu.Unlock()
		bad := r.connect("bad")
		bad.send(&schema.Status{Backlog: 13})
		if _, err := bad.next(); err == nil {
			t.Error("the connection goes on after a panic")
		}
		good.send(&schema.Status{})
		synctest.Wait()
		if s := r.sessions(); s[0].frames != 1 || !s[1].isClosed() {
			t.Errorf("%d frames of the other; the broken session is closed: %v", s[0].frames, s[1].isClosed())
		}
	})
}

func TestDrainSaysGoodbyeAndEndsEverything(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		p := r.connect("pi")
		v, _ := r.view()
		done := make(chan struct{})
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			r.s.Drain(ctx, 5*time.Second, "the hub restarts")
			close(done)
		}()
		for _, peer := range []*peer{p, v} {
			if bye := peer.expect("bye").(*schema.Bye); bye.SpreadMS != 5000 {
				t.Errorf("%+v", bye)
			}
			peer.expectClose(schema.CodeUnavailable.CloseCode())
			_ = peer.ws.Close()
		}
		<-done
		if !r.sessions()[0].isClosed() || r.s.Connected() != 0 {
			t.Error("something is still open")
		}
		_, resp, err := r.dial("/agent", schema.AgentProtocol, nil)
		if err == nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("a connection during the drain: %v", err)
		}
	})
}

func TestWhoMayConnect(t *testing.T) {
	live, agent := schema.LiveProtocol, schema.AgentProtocol
	for _, c := range []struct {
		name, path, protocol, origin string
		status                       int
	}{
		{"own page", "/live", live, "http://hub", 101},
		{"configured front end", "/live", live, "https://front.example", 101},
		{"another site", "/live", live, "http://evil.example", 403},
		{"another port", "/live", live, "http://hub:81", 403},
		{"another scheme", "/live", live, "https://hub", 403},
		{"no origin", "/live", live, "", 403},
		{"null origin", "/live", live, "null", 403},
		{"prefix of the own name", "/live", live, "http://hub.evil.example", 403},
		{"other protocol", "/live", agent, "http://hub", 400},
		{"older protocol", "/live", "telltale.live.v0+json", "http://hub", 400},
		{"agent", "/agent", agent, "", 101},
		{"page at the agents' endpoint", "/agent", agent, "http://hub", 403},
		{"page protocol at the agents' endpoint", "/agent", live, "", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
				header := http.Header{}
				if c.origin != "" {
					header.Set("Origin", c.origin)
				}
				ws, resp, err := r.dial(c.path, c.protocol, header)
				if ws != nil {
					defer ws.Close()
				}
				if resp == nil || resp.StatusCode != c.status {
					t.Fatalf("%v, %v; want status %d", resp, err, c.status)
				}
				if ext := resp.Header.Get("Sec-Websocket-Extensions"); ext != "" {
					t.Errorf("negotiated %q; there is no compression on sockets", ext)
				}
				if c.status != 101 {
					if body, _ := io.ReadAll(resp.Body); !strings.Contains(string(body), `"message"`) {
						t.Errorf("the refusal has no words: %s", body)
					}
				}
			})
		})
	}
}

func TestStrangersAreBounded(t *testing.T) {
	inBubble(t, socket.Limits{Unknown: 3, Agents: 2}, func(t *testing.T, r *rig) {
		for range 3 {
			r.agent()
		}
		if _, resp, err := r.dial("/agent", schema.AgentProtocol, nil); err == nil || resp.StatusCode != 503 {
			t.Errorf("one stranger too many: %v", err)
		}
		time.Sleep(schema.FirstMessageWithin + 3*time.Second) // they are closed and free their places
		r.connect("a")
		r.connect("b")
		p := r.agent()
		p.send(hello("c"))
		p.expectEnd(schema.CodeUnavailable)
	})
}

func TestAnAgentThatWaitsForTheStoreIsNotGivenUp(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		free := make(chan struct{})
		r.onHandle = func(schema.Frame) *schema.Problem {
			<-free
			return schema.Problemf(schema.CodeOutOfRange, "handled")
		}
		p := r.connect("pi")
		p.send(&schema.Status{MonoMS: 1})
		<-time.After(2 * (schema.AgentPing + schema.AgentPongWithin)) // nothing is read meanwhile, no pong either
		close(free)
		if problem := p.expect("problem").(*schema.Problem); problem.Message != "handled" {
			t.Fatalf("the agent heard: %s", problem.Message)
		}
	})
}
