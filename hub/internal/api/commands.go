package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// ask stores a wish and answers 202 with the command as it is now; its life goes on in the device's room and under /commands/{id}. A
// wish that was stored and refused at once (the device is offline) is answered with the problem.
func (s *server) ask(w http.ResponseWriter, r *http.Request) {
	var a schema.Ask
	if !s.read(w, r, &a) {
		return
	}
	a.Device = r.PathValue("id")
	if err := a.Validate(); err != nil {
		p := schema.Problemf(schema.CodeBadFrame, "%v", err)
		p.Key = a.Key
		s.fail(w, r, p)
		return
	}
	c, err := s.o.Commander.Ask(r.Context(), s.actor(r), a)
	s.answer(w, r, http.StatusAccepted, c, err)
}

func (s *server) command(w http.ResponseWriter, r *http.Request) {
	c, ok, err := s.o.Records.Command(r.Context(), r.PathValue("id"))
	if err == nil && !ok {
		err = schema.Problemf(schema.CodeNotFound, "there is no command %q", r.PathValue("id"))
	}
	s.answer(w, r, http.StatusOK, c, err)
}

func (s *server) cancel(w http.ResponseWriter, r *http.Request) {
	c, err := s.o.Commander.Cancel(r.Context(), s.actor(r), r.PathValue("id"))
	s.answer(w, r, http.StatusOK, c, err)
}

func (s *server) newCode(w http.ResponseWriter, r *http.Request) {
	var req schema.PairingRequest
	if !s.read(w, r, &req) {
		return
	}
	code, err := s.o.NewCode(req)
	if err == nil {
		s.log.Info("pairing code made", "uses", code.Uses, "expires", time.UnixMilli(code.ExpiresMS).Format(time.TimeOnly), "addr", r.RemoteAddr)
	}
	s.answer(w, r, http.StatusCreated, code, err)
}

// tail streams the frames that pass, one JSON object per line, until the client goes.
func (s *server) tail(w http.ResponseWriter, r *http.Request) {
	if !local(r) || r.Header.Get("Origin") != "" || crossSite(r) {
		s.fail(w, r, schema.Problemf(schema.CodeForbidden, "only `hub tail` on the hub's own machine can watch"))
		return
	}
	out := http.NewResponseController(w)
	if err := errors.Join(out.SetWriteDeadline(time.Time{}), out.SetReadDeadline(time.Time{})); err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	if err := out.Flush(); err != nil {
		return
	}
	enc := json.NewEncoder(w)
	err := s.o.Tail(r.Context(), r.URL.Query().Get("device"), r.URL.Query().Get("pages") != "", func(frame any) error {
		if err := out.SetWriteDeadline(time.Now().Add(answerWithin)); err != nil {
			return err
		}
		if err := enc.Encode(frame); err != nil {
			return err
		}
		return out.Flush()
	})
	s.log.Debug("tail ended", "addr", r.RemoteAddr, "err", err)
}
