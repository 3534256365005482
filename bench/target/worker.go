//go:build linux

package target

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Line is what a worker prints: a phase that it has reached, or something that it measured in itself.
type Line struct {
	// Phase it has reached; it goes on after [Worker.Resume].
	Phase string `json:"phase"`
	// Name of a figure.
	Name string `json:"name"`
	// Unit of V.
	Unit string `json:"unit"`
	// V is the figure.
	V float64 `json:"v"`
	// Digest of an answer that is too large to print.
	Digest string `json:"digest"`
}

// Worker is a program that works through phases and stands still between them, so that it can be measured from outside.
type Worker struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	said  bytes.Buffer // its standard error; read after it has ended
	ended bool
}

// StartWorker starts a program. End with [Worker.Wait] or [Worker.Kill].
func StartWorker(binary string, args ...string) (*Worker, error) {
	w := &Worker{cmd: exec.Command(binary, args...)}
	w.cmd.Stderr = &w.said
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // never outlive the benchmark
	var err error
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.out = bufio.NewReader(out)
	if err := w.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	return w, nil
}

// Next returns the next line that the program prints; io.EOF after the last.
func (w *Worker) Next() (l Line, err error) {
	text, err := w.out.ReadBytes('\n')
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return l, fmt.Errorf("decode %q: %w", text, err)
	}
	return l, nil
}

// Resume lets the program go on after a phase.
func (w *Worker) Resume() error {
	_, err := w.in.Write([]byte{'\n'})
	return err
}

// Usage reads what the program has used so far.
func (w *Worker) Usage() (Usage, error) { return usage(w.cmd.Process.Pid) }

// Interrupt tells the program to end at once, from any goroutine. [Worker.Wait] or [Worker.Kill] is still to be called.
func (w *Worker) Interrupt() error { return w.cmd.Process.Kill() }

// Kill ends the program at once, as a power cut would for it.
func (w *Worker) Kill() error {
	if w.ended {
		return nil
	}
	w.ended = true
	if err := w.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	var exit *exec.ExitError
	if err := w.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

// Wait waits until the program has ended; what it said last is in the error when it did not end well.
func (w *Worker) Wait() error {
	if w.ended {
		return nil
	}
	w.ended = true
	late := time.AfterFunc(stopWithin, func() { _ = w.cmd.Process.Kill() }) // it may have ended meanwhile
	defer late.Stop()
	return w.Explain(w.cmd.Wait())
}

// Explain adds to an error what the program said last; nil stays nil. The program must have ended.
func (w *Worker) Explain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w; the program said: %s", filepath.Base(w.cmd.Path), err, tail(w.said.Bytes()))
}

// Watch reads the worker's memory until the returned function is called.
func (w *Worker) Watch(every time.Duration) (stop func() Footprint) { return watch(w.Usage, every) }

// Sync makes the file system of a folder write what it still has in memory.
func Sync(dir string) (err error) {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return syncFS(d)
}
