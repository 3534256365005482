package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

const (
	// maxBody bounds a request's body, in bytes, but for a file that is imported.
	maxBody = 64 << 10
	// answerWithin bounds the writing of an answer; a client that does not read holds nothing for longer.
	answerWithin = 30 * time.Second
	// csp lets the dashboard load its own files and nothing else, and nobody frame it.
	csp = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; object-src 'none'"
)

// guard is what every request passes: headers, the Host allow-list, the origin of what changes something.
func (s *server) guard(next http.Handler) (http.Handler, error) {
	origin := http.NewCrossOriginProtection()
	for _, o := range s.o.Origins {
		if err := origin.AddTrustedOrigin(o); err != nil {
			return nil, fmt.Errorf("origin %q: %w", o, err)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", csp)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !s.hostAllowed(r) {
			s.refuse(w, r, http.StatusMisdirectedRequest, schema.Problemf(schema.CodeForbidden,
				"this hub does not answer to the name %q; use its address, or start it with --host and that name", host(r.Host)))
			return
		}
		if err := origin.Check(r); err != nil {
			s.fail(w, r, schema.Problemf(schema.CodeForbidden, "a page of another origin may not do this"))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit(r))
		next.ServeHTTP(w, r)
	}), nil
}

// bodyLimit bounds a request's body: small, but for files.
func bodyLimit(r *http.Request) int64 {
	if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/api/v1/devices/") && strings.HasSuffix(r.URL.Path, "/import") {
		return maxFile
	}
	return maxBody
}

// hostAllowed accepts the loopback names, the addresses of the connection itself, and the names that were configured. A name that
// somebody else points at this machine is none of them: DNS rebinding.
func (s *server) hostAllowed(r *http.Request) bool {
	name := host(r.Host)
	if ip, err := netip.ParseAddr(name); err == nil {
		if ip.Unmap().IsLoopback() || slices.Contains(s.o.Hosts, name) {
			return true
		}
		own, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		return ok && host(own.String()) == name
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || slices.ContainsFunc(s.o.Hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

// host takes the port off, and the brackets of an IPv6 address.
func host(hostport string) string {
	h, _, err := net.SplitHostPort(hostport)
	if err != nil {
		h = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	return strings.ToLower(strings.TrimSuffix(h, "."))
}

// local reports whether the request comes from this machine.
func local(r *http.Request) bool {
	ip, err := netip.ParseAddr(host(r.RemoteAddr))
	return err == nil && ip.Unmap().IsLoopback()
}

func crossSite(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site != "" && site != "same-origin" && site != "none"
}

func (s *server) localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !local(r) {
			s.fail(w, r, schema.Problemf(schema.CodeForbidden, "this is served to the hub's own machine only"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// actor names who asks, for the ledger. There are no accounts yet: this machine, or an address.
func (s *server) actor(r *http.Request) string {
	if local(r) {
		return "local"
	}
	return host(r.RemoteAddr)
}

// read decodes a JSON body, strictly; an empty one leaves out as it is. It answers the request itself when the body is wrong.
func (s *server) read(w http.ResponseWriter, r *http.Request, out any) bool {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(out)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more than one JSON value")
		}
	}
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return true
	case errors.As(err, &tooLarge):
		s.fail(w, r, schema.Problemf(schema.CodeTooLarge, "the body may have %d bytes", maxBody))
	default:
		s.fail(w, r, schema.Problemf(schema.CodeBadFrame, "the body is not what is expected here: %v", err))
	}
	return false
}

// answer writes body, or the error.
func (s *server) answer(w http.ResponseWriter, r *http.Request, status int, body any, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	b, err := json.Marshal(body)
	if err != nil {
		s.fail(w, r, fmt.Errorf("encode answer: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client may be gone, nothing can be done about it
}

// fail is the one place where errors become answers. What is not meant for people goes to the log only.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if p := s.problem(r, err); p != nil {
		s.refuse(w, r, status(p.Code), p)
	}
}

// problem turns an error into what people may see of it; nil when nobody is there to see it.
func (s *server) problem(r *http.Request, err error) *schema.Problem {
	var p *schema.Problem
	if errors.As(err, &p) {
		return p
	}
	if r.Context().Err() != nil { // the client has gone
		return nil
	}
	s.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "err", err)
	return schema.Problemf(schema.CodeInternal, "the hub could not do this; its log says why")
}

func (s *server) refuse(w http.ResponseWriter, r *http.Request, status int, p *schema.Problem) {
	if s.o.Refused != nil {
		s.o.Refused(string(p.Code))
	}
	s.answer(w, r, status, p, nil)
}

func status(c schema.Code) int {
	switch c {
	case schema.CodeBadFrame, schema.CodeOutOfRange, schema.CodeVersion, schema.CodeUnknownKind:
		return http.StatusBadRequest
	case schema.CodeUnauthorized:
		return http.StatusUnauthorized
	case schema.CodeForbidden, schema.CodeQuarantined:
		return http.StatusForbidden
	case schema.CodeNotFound, schema.CodeUnknownDevice, schema.CodeUnknownRoom, schema.CodeUnknownTarget:
		return http.StatusNotFound
	case schema.CodeConflict, schema.CodeOffline, schema.CodeReplaced:
		return http.StatusConflict
	case schema.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case schema.CodeBusy, schema.CodeRateLimited:
		return http.StatusTooManyRequests
	case schema.CodeUnavailable:
		return http.StatusServiceUnavailable
	case schema.CodeTimeout:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client may be gone, nothing can be done about it
}
