package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// hubProcess is the real hub: a process that can be killed and started again on the same data and port.
type hubProcess struct {
	bin, data, addr, log string

	mu  sync.Mutex
	cmd *exec.Cmd
}

// newHub builds the hub's binary and chooses a free port. It does not start it.
func newHub(t *testing.T) *hubProcess {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "hub")
	build := exec.Command("go", "build", "-o", bin, "github.com/telltale-iot/telltale/hub")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the hub: %v\n%s", err, out)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	return &hubProcess{bin: bin, data: filepath.Join(dir, "data"), addr: addr, log: filepath.Join(dir, "hub.log")}
}

func (h *hubProcess) database() string { return filepath.Join(h.data, "telltale.db") }

// start runs the hub and waits until it is ready.
func (h *hubProcess) start(ctx context.Context) error {
	out, err := os.OpenFile(h.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(h.bin, "serve", "--data", h.data, "--listen", h.addr)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return err
	}
	h.mu.Lock()
	h.cmd = cmd
	h.mu.Unlock()
	for {
		if res, err := http.Get("http://" + h.addr + "/readyz"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("the hub did not get ready: %w", err)
		}
	}
}

// stop ends the hub with a signal and waits for it.
func (h *hubProcess) stop(sig syscall.Signal) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cmd == nil {
		return nil
	}
	_ = h.cmd.Process.Signal(sig)
	err := h.cmd.Wait()
	h.cmd = nil
	if sig == syscall.SIGKILL {
		return nil
	}
	return err
}

// do speaks the HTTP API; a status of 400 or more is the hub's problem as an error.
func (h *hubProcess) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+h.addr+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= http.StatusBadRequest {
		problem := &schema.Problem{}
		if err := json.Unmarshal(b, problem); err != nil || problem.Code == "" {
			return fmt.Errorf("%s %s: %s %s", method, path, res.Status, b)
		}
		return problem
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

// pause waits, or returns why it could not.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
