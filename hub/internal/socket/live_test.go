package socket_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/telltale-iot/telltale/hub/internal/socket"
	"github.com/telltale-iot/telltale/schema"
)

func TestAPageGetsCreditAndThenOneMergedDelta(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		p, f := r.view() // the welcome was the first message
		for range 50 {
			f.publish()
			synctest.Wait()
		}
		for want := uint64(1); want < credit; want++ {
			if d := p.expect("delta").(*schema.Delta); d.Ver != want {
				t.Fatalf("ver %d, want %d", d.Ver, want)
			}
		}
		synctest.Wait()
		p.send(&schema.Seen{N: credit})
		if d := p.expect("delta").(*schema.Delta); d.Ver != 50 {
			t.Errorf("after it said what it has seen: ver %d, want everything merged, 50", d.Ver)
		}
		if r.s.Stats().OutOfCredit == 0 {
			t.Error("not counted")
		}
		p.send(&schema.Seen{N: 1 << 60}) // a lie gives no more credit than it was sent
		synctest.Wait()
		for range 50 {
			f.publish()
			synctest.Wait()
		}
		for range credit {
			p.expect("delta")
		}
		p.send(&schema.Ping{NowMS: 7})
		for {
			frames, err := p.next()
			if err != nil {
				t.Fatal(err)
			}
			if pong, ok := frames[0].(*schema.Pong); ok && pong.NowMS == 7 {
				break
			}
			if frames[0].Kind() == "delta" {
				t.Fatal("more deltas than credit")
			}
		}
	})
}

// TestAStuckPageStopsNobody has pages that read nothing at all, more than there are workers. The others get every delta at once, and the
// stuck ones cost a bounded amount of memory until they are given up.
func TestAStuckPageStopsNobody(t *testing.T) {
	inBubbleWith(t, socket.Limits{}, 4<<10, func(t *testing.T, r *rig) {
		const stuck = 10
		good, goodFeed := r.view()
		feeds := make([]*feed, stuck)
		for i := range feeds {
			var p *peer
			p, feeds[i] = r.view()
			go func() { // it lies about what it has seen, so that only the network holds it back
				for n := uint64(0); ; n += 4 {
					b, _ := schema.Encode(&schema.Seen{N: n})
					if p.ws.WriteMessage(websocket.TextMessage, b) != nil {
						return
					}
					time.Sleep(400 * time.Millisecond)
				}
			}()
		}
		before := heap()
		slowest := time.Duration(0)
		for i := range 100 {
			for _, f := range feeds {
				f.publish()
			}
			start := time.Now()
			goodFeed.publish()
			good.expect("delta")
			slowest = max(slowest, time.Since(start))
			good.send(&schema.Seen{N: uint64(i + 2)})
			time.Sleep(100 * time.Millisecond)
		}
		if slowest > 25*time.Millisecond { // a few times the millisecond that a worker waits, once
			t.Errorf("the page that reads waited %s", slowest)
		}
		if grown := int64(heap()) - int64(before); grown > stuck*64<<10 {
			t.Errorf("%d stuck pages cost %d bytes, more than 64 KiB each", stuck, grown)
		}
		if r.s.Stats().Stalls < stuck {
			t.Errorf("%d stalls counted", r.s.Stats().Stalls)
		}
		time.Sleep(35 * time.Second)
		good.send(&schema.Ping{})
		good.expect("pong")
		if st := r.s.Stats(); st.Pages != 1 {
			t.Errorf("%d pages connected; the stuck ones should have been given up", st.Pages)
		}
	})
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestAFrozenPageWhoseBrowserAnswersStays(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		p, f := r.view()
		pings := 0
		go func() { // the browser reads and answers protocol pings; the script handles nothing
			for {
				frames, err := p.next()
				if err != nil {
					return
				}
				if frames[0].Kind() == "ping" {
					pings++
				}
			}
		}()
		for range 600 {
			f.publish()
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if f.closed {
			t.Error("it was cut off for being slow")
		}
		if pings < 20 || pings > 30 {
			t.Errorf("%d pings in ten minutes, want one every 25 s", pings)
		}
	})
}

func TestAPageThatIsGoneIsGivenUp(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		_, f := r.view() // never reads again: nobody answers pings
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if !f.closed {
			t.Error("still there after two minutes of silence")
		}
	})
}

func TestAskIsAnsweredWithAProblemAndItsKey(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		p, _ := r.view()
		ask := &schema.Ask{Key: "key-0001", Device: "pi", Entity: "lamp", Op: schema.OpSet, Value: schema.Bool(true)}
		p.send(ask)
		synctest.Wait()
		r.mu.Lock()
		if len(r.asked) != 1 || r.asked[0].Reason != "hub:80" && r.asked[0].Reason != "local" && r.asked[0].Reason == "" {
			t.Errorf("asked %+v", r.asked)
		}
		r.askErr = schema.Problemf(schema.CodeOffline, "pi is not connected")
		r.mu.Unlock()
		p.send(ask)
		if problem := p.expect("problem").(*schema.Problem); problem.Key != "key-0001" || problem.Code != schema.CodeOffline {
			t.Errorf("%+v", problem)
		}
		r.mu.Lock()
		r.askErr = fmt.Errorf("sqlite: disk I/O error")
		r.mu.Unlock()
		p.send(ask)
		if problem := p.expect("problem").(*schema.Problem); problem.Code != schema.CodeInternal || strings.Contains(problem.Message, "sqlite") {
			t.Errorf("%+v", problem)
		}
	})
}

func TestManyRoomsThatAreGoneDoNotEndAPage(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		p := r.page()
		h := &schema.LiveHello{}
		for range 200 {
			h.Resume = append(h.Resume, schema.RoomPosition{Room: "device/nobody"})
		}
		if b := encoded(t, h); len(b) > schema.MaxFirstMessage {
			h.Resume = h.Resume[:len(h.Resume)*schema.MaxFirstMessage/len(b)-1]
		}
		p.send(h)
		problems := 0
		for problems < len(h.Resume) {
			frames, err := p.next()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range frames {
				if f.Kind() == "problem" {
					problems++
				}
			}
		}
		p.send(&schema.Ping{NowMS: 1})
		p.expect("pong")
	})
}

func TestPagesBeginWithHello(t *testing.T) {
	for name, first := range map[string]string{
		"join first":   `{"t":"join","room":"fleet"}`,
		"two messages": `[{"t":"hello","client":"x"},{"t":"join","room":"fleet"}]`,
		"too large":    `{"t":"hello","client":"` + strings.Repeat("x", schema.MaxFirstMessage) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
				p := r.page()
				p.raw(first)
				code := schema.CodeBadFrame
				if name == "too large" {
					code = schema.CodeTooLarge
				}
				p.expectEnd(code)
			})
		})
	}
}

func TestASlowWatcherMissesFramesAndHearsHowMany(t *testing.T) {
	inBubble(t, socket.Limits{}, func(t *testing.T, r *rig) {
		agent := r.connect("pi")
		tap, other := r.s.Watch("pi", false), r.s.Watch("else", true)
		defer other.Close()
		const sent = 3000
		for range sent {
			agent.send(&schema.Status{Backlog: 3})
		}
		time.Sleep(10 * time.Second) // the flood limit lets them through slowly
		synctest.Wait()
		got := 0
		for len(tap.C) > 0 {
			if f := <-tap.C; f.Kind != "status" || f.Who != "pi" || !strings.Contains(string(f.Frame), `"backlog":3`) {
				t.Fatalf("%+v", f)
			}
			got++
		}
		agent.send(&schema.Status{})
		f := <-tap.C
		if f.Dropped == 0 || got+int(f.Dropped) != sent {
			t.Errorf("got %d, missed %d of %d", got, f.Dropped, sent)
		}
		tap.Close()
		tap.Close()
		if len(other.C) != 0 {
			t.Error("a watcher of another device saw frames")
		}
	})
}
