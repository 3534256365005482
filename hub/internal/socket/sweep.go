package socket

import (
	"math/rand/v2"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

const (
	// sweepEvery is how often time limits are looked at: one goroutine for all connections instead of timers for each.
	sweepEvery = time.Second
	// agentSilence is when an agent is given up.
	agentSilence = schema.AgentPing + schema.AgentPongWithin
	// pageSilence is when a page's connection is given up: three pings to its browser, which answers even for a frozen page.
	pageSilence = 3 * schema.LivePing
	// closeWithin is how long a closing connection may take to say goodbye.
	closeWithin = 5 * time.Second
)

// sweep pings, gives up and cuts.
func (s *Server) sweep(now time.Time) {
	s.mu.Lock()
	all := make([]*link, 0, len(s.links))
	for l := range s.links {
		if l.known || l.closingFor(now) > 0 {
			all = append(all, l)
		}
	}
	s.mu.Unlock()
	for _, l := range all {
		l.check(now)
	}
}

// check pings, gives up or cuts one connection. An agent whose message is still being handled is not silent: it is the hub that does not read,
// because the store is busy or the agent sends too fast. Held by TestAnAgentThatWaitsForTheStoreIsNotGivenUp.
func (l *link) check(now time.Time) {
	if l.busy.Load() {
		l.heard.Store(now.UnixNano())
	}
	silent := now.Sub(time.Unix(0, l.heard.Load()))
	switch {
	case l.closingFor(now) > closeWithin:
		l.cut()
	case l.closing():
	case l.agent && silent > agentSilence, silent > pageSilence:
		l.s.log.Info("connection given up: silent", "who", l.name(), "addr", l.addr, "silent", silent.Round(time.Second))
		l.fail(schema.Problemf(schema.CodeTimeout, "nothing was heard for %s", silent.Round(time.Second)))
	case l.agent:
		l.ping(now, schema.AgentPing)
	default:
		l.ping(now, schema.LivePing)
		if now.Sub(time.Unix(0, l.wrote.Load())) >= schema.LivePing-sweepEvery {
			_ = l.send(&schema.Ping{NowMS: now.UnixMilli()})
		}
	}
}

// ping asks the peer's WebSocket library for a sign of life.
func (l *link) ping(now time.Time, every time.Duration) {
	if now.Sub(time.Unix(0, l.pinged.Load())) < every {
		return
	}
	l.pinged.Store(now.UnixNano())
	l.mu.Lock()
	l.wantsPing = true
	l.wake()
}

func (l *link) closingFor(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closeCode == 0 {
		return 0
	}
	return max(now.Sub(l.closedAt), 1)
}

// spread moves a connection's first ping to a random place in the second half of the interval, so that they do not all come at once.
func (l *link) spread(every time.Duration) {
	ago := time.Now().Add(-rand.N(every / 2)).UnixNano()
	l.pinged.Store(ago)
	l.wrote.Store(ago)
}
