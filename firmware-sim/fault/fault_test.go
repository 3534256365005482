package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/internal/memnet"
)

func TestSpecsReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]Spec{
		"lying_relay:living-room/lamp@30s":     {Kind: LyingRelay, Device: "living-room", Part: "lamp", Start: 30 * time.Second},
		"link_drop:*":                          {Kind: LinkDrop, Device: "*"},
		"link_drop:a+10s":                      {Kind: LinkDrop, Device: "a", Length: 10 * time.Second},
		"link_delay:a=500ms@1m0s+30s":          {Kind: LinkDelay, Device: "a", Span: 500 * time.Millisecond, Start: time.Minute, Length: 30 * time.Second},
		"link_cut:a=1024":                      {Kind: LinkCut, Device: "a", Bytes: 1024},
		"clock_jump:a=-1h0m0s":                 {Kind: ClockJump, Device: "a", Span: -time.Hour},
		"clock_jump:a=+1h":                     {Kind: ClockJump, Device: "a", Span: time.Hour},
		"reboot:a":                             {Kind: Reboot, Device: "a", Length: rebootLength},
		"sensor_stuck:greenhouse/air@1h0m0s":   {Kind: SensorStuck, Device: "greenhouse", Part: "air", Start: time.Hour},
		"sensor_absurd:greenhouse/air@0s+1.5s": {Kind: SensorAbsurd, Device: "greenhouse", Part: "air", Length: 1500 * time.Millisecond},
	} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("%s is written as %s, which reads as %+v, %v", text, got, again, err)
		}
	}
}

func TestWrongSpecsAreExplained(t *testing.T) {
	for text, want := range map[string]string{
		"":                     "unknown kind",
		"fire:a":               "there is bus_stuck",
		"link_drop":            "says no device",
		"link_drop:":           "says no device",
		"link_drop:a/b":        "whole device",
		"lying_relay:a":        "write lying_relay:a/ACTUATOR",
		"link_delay:a":         "write link_delay:a=DURATION",
		"link_delay:a=fast":    "not a duration",
		"link_delay:a=-1s":     "not a duration",
		"link_cut:a=-5":        "not a number of bytes",
		"link_drop:a=5":        "takes no value",
		"link_drop:a@soon":     "start",
		"link_drop:a@1s+never": "length",
		"link_drop:a@-5s":      "start",
		"reboot:a@9999999h":    "start",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"lying_relay:a/b@30s+1m", "link_delay:*=500ms", "clock_jump:a=-1h+5s", "link_cut:a=9@1s", "reboot:x+1s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(s.String()); err != nil || again.Kind != s.Kind || again.Length != s.Length || again.Start != s.Start {
			t.Fatalf("%q reads as %+v, is written %q and reads as %+v, %v", text, s, s, again, err)
		}
	})
}

// recorder is a target that writes down what is done to it.
type recorder struct {
	mu  sync.Mutex
	log []string
}

func (r *recorder) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

func (r *recorder) Check(s Spec) error {
	if s.Device == "nobody" {
		return errors.New("no such device")
	}
	return nil
}

func (r *recorder) Inject(s Spec) (func(), error) {
	begin := time.Now()
	r.note("break %s", s.Kind)
	return func() { r.note("heal %s after %v", s.Kind, time.Since(begin)) }, nil
}

func TestInjectorKeepsTheTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		i := NewInjector(r, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- i.Run(ctx) }()
		specs, err := ParseAll([]string{"link_drop:a@10s+5s", "clock_1970:a@1s", "bus_stuck:a+2s"})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range specs {
			if _, err := i.Add(s); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(9 * time.Second)
		synctest.Wait()
		list := i.List()
		if len(list) != 2 || list[0].Active || list[0].LeftMS != 1000 || !list[1].Active || list[1].LeftMS != 0 {
			t.Errorf("after 9 s: %+v", list)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if n := i.Clear(2); n != 1 {
			t.Errorf("cleared %d", n)
		}
		time.Sleep(time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		want := []string{"break bus_stuck", "break clock_1970", "heal bus_stuck after 2s", "break link_drop", "heal clock_1970 after 11s", "heal link_drop after 3s"}
		if !slices.Equal(r.log, want) {
			t.Errorf("%q", r.log)
		}
	})
}

func TestInjectorIsBoundedAndAsksFirst(t *testing.T) {
	i := NewInjector(&recorder{}, slog.New(slog.DiscardHandler))
	if _, err := i.Add(Spec{Kind: LinkDrop, Device: "nobody"}); err == nil {
		t.Error("a fault for nobody")
	}
	for range MaxFaults {
		if _, err := i.Add(Spec{Kind: LinkDrop, Device: "a"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := i.Add(Spec{Kind: LinkDrop, Device: "a"}); !errors.Is(err, ErrTooMany) {
		t.Errorf("one too many: %v", err)
	}
	if n := i.Clear(); n != MaxFaults || len(i.List()) != 0 {
		t.Errorf("cleared %d, left %d", n, len(i.List()))
	}
}

// wired is a link to an echoing server in memory.
func wired(t *testing.T) (*Link, <-chan net.Conn) {
	t.Helper()
	l := memnet.Listen("hub", 1<<16)
	accepted := make(chan net.Conn, 8)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return NewLink(l.Dial), accepted
}

func dial(t *testing.T, l *Link) net.Conn {
	t.Helper()
	c, err := l.Dial(t.Context(), "tcp", "hub")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func echo(c net.Conn, text string) (string, error) {
	if _, err := io.WriteString(c, text); err != nil {
		return "", err
	}
	b := make([]byte, len(text))
	_, err := io.ReadFull(c, b)
	return string(b), err
}

func TestDroppedLinkBreaksAndRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := wired(t)
		c := dial(t, l)
		if got, err := echo(c, "hello"); got != "hello" || err != nil {
			t.Fatalf("%q %v", got, err)
		}
		heal := l.Drop()
		if _, err := echo(c, "x"); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("old connection: %v", err)
		}
		if _, err := l.Dial(t.Context(), "tcp", "hub"); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("new connection: %v", err)
		}
		heal()
		heal() // twice does no harm
		next := dial(t, l)
		if got, err := echo(next, "again"); got != "again" || err != nil {
			t.Errorf("healed: %q %v", got, err)
		}
		if err := errors.Join(next.Close()); err != nil {
			t.Error(err)
		}
		_ = c.Close()
	})
}

func TestHalfOpenLinkSwallowsAndSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, accepted := wired(t)
		c := dial(t, l)
		far := <-accepted
		heal := l.HalfOpen()
		if _, err := io.WriteString(c, "into the void"); err != nil {
			t.Errorf("writing: %v", err)
		}
		if _, err := io.WriteString(far, "unheard"); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		// The far side gives up and hangs up; that is not heard either.
		time.AfterFunc(5*time.Second, func() { _ = far.Close() })
		if _, err := c.Read(make([]byte, 8)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != 20*time.Second {
			t.Errorf("reading: %v after %v", err, time.Since(begin))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := l.Dial(ctx, "tcp", "hub"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a new connection: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		heal()
		next := dial(t, l)
		if got, err := echo(next, "again"); got != "again" || err != nil {
			t.Errorf("healed: %q %v", got, err)
		}
		_ = next.Close()
	})
}

func TestTheFarSideHearsNothingOfACloseBehindAHalfOpenLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen("hub", 1<<16)
		defer func() { _ = l.Close() }()
		link := NewLink(l.Dial)
		c := dial(t, link)
		far, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		heal := link.HalfOpen()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := far.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the far side heard %v", err)
		}
		heal()
		if err := far.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("after heal: %v", err)
		}
	})
}

func TestCutLinkBreaksAfterExactlySoManyBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := wired(t)
		heal := l.Cut(7)
		c := dial(t, l)
		n, err := io.WriteString(c, "0123456789")
		if n != 7 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%d bytes, %v", n, err)
		}
		_ = c.Close()
		heal()
		next := dial(t, l)
		if got, err := echo(next, "0123456789"); got != "0123456789" || err != nil {
			t.Errorf("healed: %q %v", got, err)
		}
		_ = next.Close()
	})
}

func TestEachCutCountsForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := wired(t)
		c := dial(t, l)
		healFirst := l.Cut(20)
		if got, err := echo(c, "0123456789"); got != "0123456789" || err != nil {
			t.Fatalf("%q %v", got, err)
		}
		healSecond := l.Cut(4)
		healSecond()
		if n, err := io.WriteString(c, "0123456789abc"); n != 10 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("healing the second cut: %d bytes, %v; the first one was to break at 10 more", n, err)
		}
		defer l.Cut(5)()
		healFirst()
		next := dial(t, l)
		if n, err := io.WriteString(next, "0123456789"); n != 5 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("healing the first cut: %d bytes, %v; the third one was to break at 5", n, err)
		}
		_, _ = c.Close(), next.Close()
	})
}

func TestSlowLinkTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := wired(t)
		c := dial(t, l)
		heal := l.Delay(300 * time.Millisecond)
		begin := time.Now()
		if got, err := echo(c, "hello"); got != "hello" || err != nil || time.Since(begin) != 600*time.Millisecond {
			t.Errorf("%q %v after %v", got, err, time.Since(begin))
		}
		heal()
		begin = time.Now()
		if _, err := echo(c, "hello"); err != nil || time.Since(begin) != 0 {
			t.Errorf("healed: %v after %v", err, time.Since(begin))
		}
		_ = c.Close()
	})
}

func TestWallClockLiesAndMonotonicTimeDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWall()
		time.Sleep(time.Minute)
		c := w.Boot("first")
		time.Sleep(time.Second)
		never, jump := w.Forget(), w.Jump(-time.Hour)
		if c.Now().Year() != 1970 || c.Synced() || c.Mono() != time.Second || c.BootID() != "first" {
			t.Errorf("never set: %v %v %v", c.Now(), c.Synced(), c.Mono())
		}
		never()
		if d := time.Since(c.Now()); d < 59*time.Minute || !c.Synced() {
			t.Errorf("jumped: %v", d)
		}
		jump()
		if d := time.Until(c.Now()); d.Abs() > time.Second {
			t.Errorf("healed: %v", d)
		}
		if w.Boot("second").Mono() != 0 {
			t.Error("a new boot does not begin at 0")
		}
	})
}

func TestControlSocketAddsListsAndClears(t *testing.T) {
	dir := t.TempDir()
	if _, err := Ask(t.Context(), dir, Request{Op: "list"}); err == nil || !strings.Contains(err.Error(), "firmware-sim run") {
		t.Errorf("nobody there: %v", err)
	}
	l, err := Listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	i := NewInjector(&recorder{}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, i) }()
	ask := func(op string, faults []string, ids ...int) (Answer, error) {
		return Ask(t.Context(), dir, Request{Op: op, Faults: faults, IDs: ids})
	}
	a, err := ask("add", []string{"link_drop:a", "clock_1970:b@1h"})
	if err != nil || !slices.Equal(a.IDs, []int{1, 2}) || len(a.Faults) != 2 {
		t.Errorf("add: %+v %v", a, err)
	}
	for _, wrong := range [][]string{{"link_drop:a", "fire:b"}, {"link_drop:nobody"}} {
		if _, err := ask("add", wrong); err == nil {
			t.Errorf("%v is accepted", wrong)
		}
	}
	if a, err = ask("clear", nil, 1); err != nil || a.Count != 1 {
		t.Errorf("clear: %+v %v", a, err)
	}
	if a, err = ask("list", nil); err != nil || len(a.Faults) != 1 || a.Faults[0].Fault != "clock_1970:b@1h0m0s" {
		t.Errorf("list: %+v %v", a, err)
	}
	if _, err = ask("explode", nil); err == nil {
		t.Error("an unknown request is carried out")
	}
	if _, err := Listen(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "another simulator") {
		t.Errorf("a second simulator: %v", err)
	}
	if info, err := os.Stat(dir + "/" + SocketName); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v %v", info, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := Listen(t.Context(), strings.Repeat("long/", 30)); err == nil || !strings.Contains(err.Error(), "shorter --state") {
		t.Errorf("long path: %v", err)
	}
}

func TestControlSocketIsPatientWithNonsense(t *testing.T) {
	dir := t.TempDir()
	l, err := Listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, NewInjector(&recorder{}, slog.New(slog.DiscardHandler))) }()
	for _, text := range []string{"\n", "{\n", `{"op":5}` + "\n", strings.Repeat("x", maxRequest+10)} {
		c, err := net.Dial("unix", dir+"/"+SocketName)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, text)
		answer, _ := io.ReadAll(c)
		_ = c.Close()
		if len(answer) > 0 && !strings.Contains(string(answer), "not one line of JSON") {
			t.Errorf("%.20q: %s", text, answer)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// weary is a listener that fails a few times.
type weary struct {
	net.Listener
	fails int
}

func (l *weary) Accept() (net.Conn, error) {
	if l.fails--; l.fails >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestControlSocketOutlivesAFailedAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lis := memnet.Listen("control", 0)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- Serve(ctx, &weary{lis, 3}, NewInjector(&recorder{}, slog.New(slog.DiscardHandler)))
		}()
		c, err := lis.Dial(t.Context(), "mem", "control")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "{\"op\":\"list\"}\n"); err != nil {
			t.Error(err)
		}
		if answer, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(answer), "{") {
			t.Errorf("%q %v", answer, err)
		}
		_ = c.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
