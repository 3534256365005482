package fault

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// SocketName is the control socket's file in the simulator's state folder.
const SocketName = "control.sock"

const (
	maxPath     = 100             // bytes; a socket's address holds 107 on Linux, 103 elsewhere
	maxRequest  = 64 << 10        // bytes of a request or an answer's line
	maxClients  = 8               // at once: they are people at terminals
	requestTime = 5 * time.Second // for one request and its answer
	acceptAgain = time.Second     // after an Accept that failed
)

// Request is what a second terminal asks of a running simulator.
type Request struct {
	Op     string   `json:"op"` // "add", "clear" or "list"
	Faults []string `json:"faults,omitempty"`
	IDs    []int    `json:"ids,omitempty"`
}

// Answer is what it gets.
type Answer struct {
	Err    string   `json:"err,omitempty"`
	IDs    []int    `json:"ids,omitempty"` // of the faults that were added
	Count  int      `json:"count"`         // of the faults that were cleared
	Faults []Status `json:"faults,omitempty"`
}

// Listen opens the control socket in the folder dir, for its owner only. Errors: another simulator runs there, or the path is too long
// for a socket.
func Listen(ctx context.Context, dir string) (net.Listener, error) {
	path := filepath.Join(dir, SocketName)
	if len(path) > maxPath {
		return nil, fmt.Errorf("control socket: the path %s is longer than %d bytes; choose a shorter --state", path, maxPath)
	}
	if c, err := dialSocket(ctx, path); err == nil {
		_ = c.Close() // it was only a question
		return nil, fmt.Errorf("control socket: another simulator runs with the state folder %s", dir)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("control socket: %w", err), l.Close())
	}
	return l, nil
}

func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	d := net.Dialer{Timeout: requestTime}
	return d.DialContext(ctx, "unix", path)
}

// Serve answers requests on l until ctx ends; it closes l and returns when every answer was given.
func Serve(ctx context.Context, l net.Listener, i *Injector) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() }) // Accept reports it
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, maxClients)
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("control socket: %w", err)
		}
		if err != nil { // too many open files, most likely: it passes
			i.log.Warn("control socket takes nobody for a moment", "err", err)
			pause(ctx, acceptAgain)
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			serveOne(c, i)
		})
	}
}

// pause waits, or less when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// serveOne answers one request. What goes wrong with the connection is the caller's to see, at the other end.
func serveOne(c net.Conn, i *Injector) {
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(requestTime))
	line, err := bufio.NewReader(io.LimitReader(c, maxRequest)).ReadBytes('\n')
	var req Request
	var ans Answer
	if err != nil || json.Unmarshal(line, &req) != nil {
		ans.Err = "the request is not one line of JSON"
	} else {
		ans = i.answer(req)
	}
	_ = json.NewEncoder(c).Encode(ans)
}

// answer carries a request out. All faults of an "add" are taken, or none.
func (i *Injector) answer(req Request) Answer {
	switch req.Op {
	case "add":
		specs, err := ParseAll(req.Faults)
		for _, s := range specs {
			if err == nil {
				err = i.target.Check(s)
			}
		}
		var ids []int
		for _, s := range specs {
			if err != nil {
				break
			}
			var id int
			if id, err = i.Add(s); err == nil {
				ids = append(ids, id)
			}
		}
		if err != nil {
			if len(ids) > 0 {
				i.Clear(ids...)
			}
			return Answer{Err: err.Error()}
		}
		return Answer{IDs: ids, Faults: i.List()}
	case "clear":
		return Answer{Count: i.Clear(req.IDs...), Faults: i.List()}
	case "list":
		return Answer{Faults: i.List()}
	}
	return Answer{Err: fmt.Sprintf("unknown request %q; there is add, clear, list", req.Op)}
}

// Ask sends a request to the simulator whose state folder is dir. Errors: none runs there, or it refuses, in its words.
func Ask(ctx context.Context, dir string, req Request) (Answer, error) {
	c, err := dialSocket(ctx, filepath.Join(dir, SocketName))
	if err != nil {
		return Answer{}, fmt.Errorf("no simulator runs with the state folder %s (%w); start one with: firmware-sim run", dir, err)
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(requestTime)); err != nil {
		return Answer{}, fmt.Errorf("ask the simulator: %w", err)
	}
	if err := json.NewEncoder(c).Encode(req); err != nil {
		return Answer{}, fmt.Errorf("ask the simulator: %w", err)
	}
	var ans Answer
	if err := json.NewDecoder(io.LimitReader(c, maxRequest*8)).Decode(&ans); err != nil {
		return Answer{}, fmt.Errorf("the simulator's answer: %w", err)
	}
	if ans.Err != "" {
		return ans, errors.New(ans.Err)
	}
	return ans, nil
}
