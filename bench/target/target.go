//go:build linux

// Package target runs the program that is measured, the real hub or a naive baseline, as a child process on a free loopback port with a data folder of
// its own, and reads from /proc what it costs: processor time, memory, bytes handed to the disk.
//
// Everything is measured from outside, so that both kinds of programs are held to the same account. Begin with [Start], end with
// [Target.Stop], which removes the data folder.
package target

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// readyWithin bounds the wait for a program that starts.
	readyWithin = 15 * time.Second
	// stopWithin bounds the wait for a program that was asked to end.
	stopWithin = 15 * time.Second
)

// Target is a program under measurement.
type Target struct {
	// Addr it listens on, "127.0.0.1:port".
	Addr string
	// Dir is the folder that holds its data and its log.
	Dir string
	// PID of the process.
	PID int

	cmd  *exec.Cmd
	http http.Client
}

// Options of [Start].
type Options struct {
	// Binary to run.
	Binary string
	// Args before --listen and --data.
	Args []string
	// Env is added to the environment, "GOGC=50".
	Env []string
	// TempDir is where the data folder is made; "" = the system's.
	TempDir string
}

// Build compiles the real hub into dir and returns the binary's path.
func Build(ctx context.Context, dir string) (string, error) { return build(ctx, dir, "hub", "hub") }

// BuildStoreBench compiles the program that runs one workload on one storage engine into dir and returns the binary's path.
func BuildStoreBench(ctx context.Context, dir string) (string, error) {
	return build(ctx, dir, "storebench", "hub/internal/store/storebench")
}

// build compiles a program as the Makefile does: what SQLite is built with decides what a commit writes.
func build(ctx context.Context, dir, name, folder string) (string, error) {
	bin := filepath.Join(dir, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", bin, "github.com/telltale-iot/telltale/"+folder)
	if os.Getenv("CGO_CFLAGS") == "" {
		cmd.Env = append(os.Environ(), "CGO_CFLAGS=-O2 -g -DHAVE_FDATASYNC=1")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return bin, nil
}

// Start runs a program with --listen and --data and waits until /readyz answers 200.
func Start(ctx context.Context, o Options) (*Target, error) {
	dir, err := os.MkdirTemp(o.TempDir, "telltale-bench-")
	if err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	t := &Target{Dir: dir, http: http.Client{Timeout: 30 * time.Second}}
	if t.Addr, err = freePort(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	defer func() { _ = log.Close() }() // the child has its own
	t.cmd = exec.Command(o.Binary, append(o.Args, "--listen", t.Addr, "--data", filepath.Join(dir, "data"))...)
	t.cmd.Stdout, t.cmd.Stderr = log, log
	t.cmd.Env = append(os.Environ(), o.Env...)
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // never outlive the benchmark
	if err := t.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", o.Binary, err), os.RemoveAll(dir))
	}
	t.PID = t.cmd.Process.Pid
	if err := t.awaitReady(ctx); err != nil {
		return nil, errors.Join(t.Explain(err), t.Stop())
	}
	return t, nil
}

// Explain adds to an error what the program said last.
func (t *Target) Explain(err error) error {
	said, readErr := os.ReadFile(filepath.Join(t.Dir, "log"))
	return errors.Join(fmt.Errorf("%w; the program said:\n%s", err, tail(said)), readErr)
}

func freePort() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return ln.Addr().String(), ln.Close()
}

func (t *Target) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		if _, err := t.Get(ctx, "/readyz"); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not get ready: %w", t.cmd.Path, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends the program and removes its data. It returns when the process has ended.
func (t *Target) Stop() error {
	if err := t.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop: %w", err)
	}
	late := time.AfterFunc(stopWithin, func() { _ = t.cmd.Process.Kill() }) // it may have ended meanwhile
	err := t.cmd.Wait()
	late.Stop()
	var exit *exec.ExitError
	if errors.As(err, &exit) { // how it ends is not what is measured here
		err = nil
	}
	return errors.Join(err, os.RemoveAll(t.Dir))
}

// Get fetches a path and returns the body; a status other than 200 is an error.
func (t *Target) Get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.Addr+path, nil)
	if err != nil {
		return nil, err
	}
	return t.do(req)
}

// Post sends a JSON body and decodes the JSON answer.
func (t *Target) Post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+t.Addr+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := t.do(req)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("decode the answer of %s: %w", path, err)
	}
	return nil
}

func (t *Target) do(req *http.Request) ([]byte, error) {
	res, err := t.http.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	err = errors.Join(err, res.Body.Close())
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s %s", req.Method, req.URL.Path, res.Status, tail(body))
	}
	return body, err
}

// tail is the end of a program's output, for an error message.
func tail(b []byte) []byte {
	const most = 2000
	return bytes.TrimSpace(b[max(0, len(b)-most):])
}
