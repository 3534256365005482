package socket

import (
	"encoding/json"
	"net/http"
	"runtime/debug"
	"slices"

	"github.com/gorilla/websocket"

	"github.com/telltale-iot/telltale/schema"
)

// AgentHandler serves /api/v1/agent.
func (s *Server) AgentHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header.Values("Origin")) > 0 {
			s.refuse(w, http.StatusForbidden, schema.Problemf(schema.CodeForbidden, "this endpoint is for device agents, not for web pages"))
			return
		}
		if l := s.open(w, r, schema.AgentProtocol); l != nil {
			l.agent = true
			s.start(l, s.serveAgent)
		}
	})
}

// LiveHandler serves /api/v1/live.
func (s *Server) LiveHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.originAllowed(r) {
			s.refuse(w, http.StatusForbidden, schema.Problemf(schema.CodeForbidden,
				"a page of another origin may not connect; if this is your own front end, start the hub with --origin and its origin"))
			return
		}
		if l := s.open(w, r, schema.LiveProtocol); l != nil {
			s.start(l, s.serveLive)
		}
	})
}

// originAllowed compares scheme, host and port exactly. The Host header was checked against the allow-list before. A missing Origin
// is not allowed: browsers always send it, and other programs can.
func (s *Server) originAllowed(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if len(origins) != 1 {
		return false
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return origins[0] == scheme+r.Host || slices.Contains(s.o.Origins, origins[0])
}

// open upgrades the request, or answers it with a problem and returns nil.
func (s *Server) open(w http.ResponseWriter, r *http.Request, protocol string) *link {
	if !websocket.IsWebSocketUpgrade(r) {
		w.Header().Set("Upgrade", "websocket")
		s.refuse(w, http.StatusUpgradeRequired, schema.Problemf(schema.CodeBadFrame, "this is a WebSocket endpoint"))
		return nil
	}
	if !slices.Contains(websocket.Subprotocols(r), protocol) {
		s.refuse(w, http.StatusBadRequest, schema.Problemf(schema.CodeVersion,
			"this hub speaks the subprotocol %s here; the other side offers %q: one of the two needs an update", protocol, r.Header.Get("Sec-Websocket-Protocol")))
		return nil
	}
	if p := s.reserve(); p != nil {
		w.Header().Set("Retry-After", "5")
		s.refuse(w, http.StatusServiceUnavailable, p)
		return nil
	}
	ws, err := s.up.Upgrade(upgradeWriter{w, s}, r, http.Header{"Sec-Websocket-Protocol": {protocol}})
	if err != nil { // the library has answered
		s.release()
		s.stats.refused.Add(1)
		return nil
	}
	l := newLink(s, ws, r.RemoteAddr)
	return l
}

// reserve takes a place among the unknown; release or newLink's end gives it back.
func (s *Server) reserve() *schema.Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining:
		return schema.Problemf(schema.CodeUnavailable, "the hub is stopping")
	case s.unknown >= s.o.Limits.Unknown:
		return schema.Problemf(schema.CodeUnavailable, "too many connections are being set up; come back in a few seconds")
	case len(s.links) >= s.o.Limits.Agents+s.o.Limits.Pages+s.o.Limits.Unknown:
		return schema.Problemf(schema.CodeUnavailable, "the hub has as many connections as it may")
	}
	s.unknown++
	return nil
}

func (s *Server) release() {
	s.mu.Lock()
	s.unknown--
	s.mu.Unlock()
}

// start runs serve on a goroutine of its own, so that the HTTP handler's goroutine with its large stack can end.
func (s *Server) start(l *link, serve func(*link)) {
	s.mu.Lock()
	s.links[l] = struct{}{}
	stopping := s.draining
	s.readers.Add(1)
	s.mu.Unlock()
	if stopping {
		l.cut()
	}
	go func() {
		defer s.readers.Done()
		defer s.forget(l)
		defer l.cut()
		defer l.contain()
		serve(l)
	}()
}

// contain keeps a panic inside the connection that caused it. The deferred call of whoever starts a goroutine.
func (l *link) contain() {
	if r := recover(); r != nil {
		l.s.log.Error("connection ended by a bug", "who", l.name(), "err", r, "stack", string(debug.Stack()))
		l.cut()
	}
}

// admit turns a stranger into a friend, if there is room.
func (s *Server) admit(l *link) *schema.Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	friends := 0
	most := s.o.Limits.Pages
	if l.agent {
		friends, most = len(s.agents), s.o.Limits.Agents
	} else {
		friends = len(s.links) - len(s.agents) - s.unknown
	}
	if friends >= most {
		return schema.Problemf(schema.CodeUnavailable, "the hub has as many connections as it may")
	}
	l.known = true
	s.unknown--
	return nil
}

func (s *Server) forget(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.links, l)
	if !l.known {
		s.unknown--
	}
}

func (s *Server) refuse(w http.ResponseWriter, status int, p *schema.Problem) {
	s.stats.refused.Add(1)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p) // the peer may be gone, nothing can be done about it
}
