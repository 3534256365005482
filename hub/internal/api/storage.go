package api

import (
	"context"
	"net/http"

	"github.com/telltale-iot/telltale/schema"
)

// Storage is what the store holds, what that costs and how long it is kept.
type Storage interface {
	Storage(ctx context.Context) (schema.Storage, error)
	SetRetention(ctx context.Context, rules []schema.RetentionRule) error
	PreviewRetention(ctx context.Context, rules []schema.RetentionRule) (schema.RetentionPreview, error)
}

func (s *server) storageRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/storage", s.storage)
	mux.HandleFunc("PUT /api/v1/storage/retention", s.setRetention)
	mux.HandleFunc("POST /api/v1/storage/retention/preview", s.previewRetention)
}

func (s *server) storage(w http.ResponseWriter, r *http.Request) {
	all, err := s.o.Storage.Storage(r.Context())
	s.answer(w, r, http.StatusOK, all, err)
}

func (s *server) setRetention(w http.ResponseWriter, r *http.Request) {
	var rules schema.RetentionRules
	if !s.read(w, r, &rules) {
		return
	}
	if rules.Rules == nil { // an empty body must not delete the rules
		s.fail(w, r, schema.Problemf(schema.CodeBadFrame, `the body must say the rules: {"rules": []}`))
		return
	}
	if err := s.o.Storage.SetRetention(r.Context(), rules.Rules); err != nil {
		s.fail(w, r, err)
		return
	}
	s.log.Info("retention rules were set", "actor", s.actor(r), "count", len(rules.Rules))
	s.storage(w, r)
}

func (s *server) previewRetention(w http.ResponseWriter, r *http.Request) {
	var rules schema.RetentionRules
	if !s.read(w, r, &rules) {
		return
	}
	p, err := s.o.Storage.PreviewRetention(r.Context(), rules.Rules)
	s.answer(w, r, http.StatusOK, p, err)
}
