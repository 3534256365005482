package memnet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/internal/memnet"
)

func TestAnHTTPServerRunsOverIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen("hub:80", 0)
		started := time.Now()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Hour) // in the bubble: costs nothing
			_, _ = io.Copy(w, r.Body)
		})}
		go func() { _ = server.Serve(l) }()
		client := &http.Client{Transport: &http.Transport{DialContext: l.Dial}}
		body := bytes.Repeat([]byte("telltale "), 50_000) // several buffers full
		resp, err := client.Post("http://hub/", "text/plain", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d bytes came back of %d, %v", len(got), len(body), err)
		}
		if took := time.Since(started); took != time.Hour {
			t.Errorf("took %v of bubble time", took)
		}
		client.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second) // net/http holds a half-closed connection for another half second
	})
}

func TestWriterWaitsForReaderWhenFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(4)
		wrote := make(chan int, 1)
		go func() { n, _ := a.Write([]byte("abcdefg")); wrote <- n }()
		synctest.Wait()
		if len(wrote) != 0 || a.Buffered() != 4 {
			t.Errorf("a writer of 7 bytes went through a buffer of 4 (%d buffered)", a.Buffered())
		}
		p := make([]byte, 3)
		if n, err := b.Read(p); n != 3 || err != nil {
			t.Error(n, err)
		}
		if n := <-wrote; n != 7 {
			t.Errorf("wrote %d", n)
		}
	})
}

func TestDeadlinesEndWaitingCallsOnTime(t *testing.T) {
	cases := []struct {
		name string
		call func(c *memnet.Conn) (int, error)
		n    int
	}{
		{"read", func(c *memnet.Conn) (int, error) { return c.Read(make([]byte, 1)) }, 0},
		{"write", func(c *memnet.Conn) (int, error) { return c.Write(make([]byte, 10)) }, 4},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, _ := memnet.Pipe(4)
				_ = a.SetDeadline(time.Now().Add(time.Hour))
				go func() { // a deadline set later reaches the call that waits
					time.Sleep(time.Second)
					_ = a.SetDeadline(time.Now().Add(2 * time.Second))
				}()
				start := time.Now()
				n, err := c.call(a)
				var ne net.Error
				if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() || n != c.n {
					t.Errorf("got %d, %v", n, err)
				}
				if took := time.Since(start); took != 3*time.Second {
					t.Errorf("took %v", took)
				}
				_ = a.SetDeadline(time.Time{})
				if n, err := a.Write(nil); n != 0 || err != nil {
					t.Errorf("after lifting the deadline: %d, %v", n, err)
				}
			})
		})
	}
}

func TestClosingKeepsWhatWasWrittenAndResettingDoesNot(t *testing.T) {
	a, b := memnet.Pipe(0)
	_, _ = a.Write([]byte("last words"))
	_ = a.Close()
	if got, err := io.ReadAll(b); string(got) != "last words" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write to a closed end: %v", err)
	}
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read on the closed end: %v", err)
	}

	a, b = memnet.Pipe(0)
	_, _ = a.Write([]byte("lost"))
	a.Reset()
	for _, c := range []*memnet.Conn{a, b} {
		if n, err := c.Read(make([]byte, 8)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read after reset: %d, %v", n, err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write after reset: %v", err)
		}
	}
}

func TestHalfCloseStillAnswers(t *testing.T) {
	a, b := memnet.Pipe(0)
	_ = a.CloseWrite()
	if _, err := b.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("got %v", err)
	}
	_, _ = b.Write([]byte("answer"))
	_ = b.Close()
	if got, err := io.ReadAll(a); string(got) != "answer" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestClosedListenerRefusesAndResets(t *testing.T) {
	l := memnet.Listen("hub:80", 0)
	waiting, err := l.Dial(t.Context(), "tcp", "hub:80")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	_ = l.Close()
	if _, err := waiting.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("connection nobody accepted: %v", err)
	}
	if _, err := l.Dial(t.Context(), "", ""); !errors.Is(err, memnet.ErrRefused) {
		t.Errorf("dial: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept: %v", err)
	}
}

func TestDialEndsWithItsContextWhenNobodyAccepts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen("hub:80", 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for dials := 0; ; dials++ {
			if _, err := l.Dial(ctx, "", ""); err != nil {
				if !errors.Is(err, context.DeadlineExceeded) || dials < 16 {
					t.Errorf("after %d dials: %v", dials, err)
				}
				return
			}
		}
	})
}

func TestBytesArriveInOrderWhateverTheChunks(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	a, b := memnet.Pipe(97)
	sent := make([]byte, 200_000)
	for i := range sent {
		sent[i] = byte(rng.Uint32())
	}
	sizes := make([]int, 0, 1000)
	for left := len(sent); left > 0; left -= sizes[len(sizes)-1] {
		sizes = append(sizes, min(left, 1+rng.IntN(400)))
	}
	go func() {
		rest := sent
		for _, n := range sizes {
			_, _ = a.Write(rest[:n])
			rest = rest[n:]
		}
		_ = a.Close()
	}()
	if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes of %d, %v", len(got), len(sent), err)
	}
}

func TestConcurrentWritesDoNotInterleave(t *testing.T) {
	a, b := memnet.Pipe(16)
	var wg sync.WaitGroup
	for _, c := range []byte("xyz") {
		wg.Go(func() { _, _ = a.Write(bytes.Repeat([]byte{c}, 1000)) })
	}
	go func() { wg.Wait(); _ = a.Close() }()
	got, err := io.ReadAll(b)
	if err != nil || len(got) != 3000 {
		t.Fatal(len(got), err)
	}
	for i := 0; i < 3000; i += 1000 {
		if bytes.Count(got[i:i+1000], got[i:i+1]) != 1000 {
			t.Errorf("writes are mixed at byte %d", i)
		}
	}
}
