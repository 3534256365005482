package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/telltale-iot/telltale/schema"
)

// server is a running hub that a command talks to.
type server struct {
	Hub string `default:"http://localhost:8080" placeholder:"URL" help:"The running hub."`
}

// do sends a request and returns the body of a good answer; a bad one becomes an error in the hub's words.
func (s *server) do(ctx context.Context, method, path string, query url.Values, body any) (io.ReadCloser, error) {
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		payload = bytes.NewReader(b)
	}
	req, err := s.request(ctx, method, path, query, payload)
	if err != nil {
		return nil, err
	}
	resp, err := s.send(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		return nil, s.refusal(resp)
	}
	return resp.Body, nil
}

func (s *server) request(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Request, error) {
	base, err := url.Parse(s.Hub)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("%q is not the address of a hub; it looks like http://localhost:8080", s.Hub)
	}
	full := base.JoinPath(path)
	full.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, full.String(), body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	return req, nil
}

// send returns the hub's answer, good or bad.
func (s *server) send(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		return resp, nil
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("no hub answers at %s; is it running? (%w)", s.Hub, err)
}

// refusal makes an error of a bad answer, and closes it.
func (s *server) refusal(resp *http.Response) error {
	defer resp.Body.Close()
	var p schema.Problem
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err == nil && json.Unmarshal(text, &p) == nil && p.Message != "" {
		return &p
	}
	return fmt.Errorf("%s answered %s: %s", s.Hub, resp.Status, strings.TrimSpace(string(text)))
}
