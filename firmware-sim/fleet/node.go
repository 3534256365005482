package fleet

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/telltale-iot/telltale/device-agent/agent"
	"github.com/telltale-iot/telltale/firmware-sim/fault"
	"github.com/telltale-iot/telltale/firmware-sim/scenario"
	"github.com/telltale-iot/telltale/schema"
)

// node is one device: hardware, network, clock, and the agent that runs while the power is on.
type node struct {
	*hardware
	device scenario.Device
	opts   *Options
	dir    string
	link   *fault.Link
	wall   *fault.Wall
	power  power
	agent  atomic.Pointer[agent.Agent] // nil while the power is off

	mu     sync.Mutex
	broken map[string]bool // hardware faults that last, by what they break
}

// run keeps an agent running whenever there is power, until ctx ends. Errors: of an agent that cannot start, or ended badly.
func (n *node) run(ctx context.Context) error {
	if err := recoverDir(n.dir); err != nil {
		return err
	}
	for n.power.await(ctx) {
		if err := n.live(ctx); err != nil {
			return fmt.Errorf("device %s: %w", n.device.Agent.Device, err)
		}
	}
	return nil
}

// live is one life of the machine, from power on to power off or to the end of ctx.
func (n *node) live(ctx context.Context) error {
	off := &atomic.Bool{}
	machine := n.board.Boot()
	o := agent.Options{
		Config: &n.device.Agent, Host: machine, Dir: n.dir, Clock: n.wall.Boot(bootID()), Dial: n.link.Dial,
		Code: n.opts.Code, Software: n.opts.Software, Log: slog.New(&muted{n.opts.Log.Handler(), off}),
	}
	if n.opts.Observe != nil {
		o.Observer = &blind{n.opts.Observe(n.device.Agent.Device), off}
	}
	a, err := agent.New(o)
	if err != nil {
		return err
	}
	n.agent.Store(a)
	defer n.agent.Store(nil)
	life, end := context.WithCancel(ctx)
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- a.Run(life) }()
	select {
	case err := <-ended:
		return err
	case <-n.power.cut():
	}
	heal := n.link.Drop()
	defer heal()
	off.Store(true) // nobody would hear what a machine without power has to say
	return n.crash(end, ended)
}

// crash takes the power away, from a machine whose link is down. What the agent does after that reaches neither a pin nor the disk that the
// next life finds: that one is a copy of this instant.
func (n *node) crash(end context.CancelFunc, ended <-chan error) error {
	n.board.Off()
	frozen, err := freeze(n.dir)
	end()
	if late := <-ended; late != nil {
		n.opts.Log.Debug("what a machine without power complained of", "device", n.device.Agent.Device, "err", late)
	}
	if err != nil {
		return fmt.Errorf("copy the state of the power cut: %w", err)
	}
	return thaw(frozen, n.dir)
}

// Names of the copies made at a power cut, beside the device's folder.
const (
	frozenSuffix = ".power-cut"
	lateSuffix   = ".too-late"
	freezeTries  = 5 // a file may be replaced while it is copied
)

// freeze copies a device's folder as it is.
func freeze(dir string) (string, error) {
	to := dir + frozenSuffix
	var err error
	for range freezeTries {
		if err = os.RemoveAll(to); err != nil {
			return "", err
		}
		if err = copyDir(to, dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return to, err
		}
	}
	return "", err
}

// copyDir copies a folder with its permissions: it holds a key.
func copyDir(to, from string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			return os.Mkdir(target, info.Mode().Perm())
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, info.Mode().Perm())
	})
}

// thaw puts the copy in the place of the folder.
func thaw(frozen, dir string) error {
	late := dir + lateSuffix
	return errors.Join(os.RemoveAll(late), os.Rename(dir, late), os.Rename(frozen, dir), os.RemoveAll(late))
}

// recoverDir finishes what a simulator that was killed during a power cut left half done.
func recoverDir(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(dir+frozenSuffix, dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return errors.Join(os.RemoveAll(dir+frozenSuffix), os.RemoveAll(dir+lateSuffix), os.MkdirAll(dir, 0o700))
}

func bootID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

// power is the switch of one machine. The zero value is on.
type power struct {
	mu      sync.Mutex
	offs    int           // how many faults hold it off
	changed chan struct{} // closed at each change; nil until somebody waits
}

// state returns the switch's position and a channel that is closed when it changes.
func (p *power) state() (on bool, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.offs == 0, p.changed
}

func (p *power) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offs += n
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// await returns true once there is power, false when ctx ends.
func (p *power) await(ctx context.Context) bool {
	for {
		on, changed := p.state()
		if ctx.Err() != nil {
			return false
		}
		if on {
			return true
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
}

// cut returns a channel that is closed when the power goes. It is asked for while the power is on; a change from then on is a cut.
func (p *power) cut() <-chan struct{} {
	on, changed := p.state()
	if on {
		return changed
	}
	gone := make(chan struct{})
	close(gone)
	return gone
}

// off takes the power away until heal.
func (p *power) off() (heal func()) {
	p.add(1)
	return sync.OnceFunc(func() { p.add(-1) })
}

// muted is a log handler that is silent once off is set, with all that were made of it.
type muted struct {
	slog.Handler
	off *atomic.Bool
}

// Enabled implements slog.Handler.
func (m *muted) Enabled(ctx context.Context, l slog.Level) bool {
	return !m.off.Load() && m.Handler.Enabled(ctx, l)
}

// WithAttrs implements slog.Handler.
func (m *muted) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &muted{m.Handler.WithAttrs(attrs), m.off}
}

// WithGroup implements slog.Handler.
func (m *muted) WithGroup(name string) slog.Handler { return &muted{m.Handler.WithGroup(name), m.off} }

// blind is an observer that sees no more once off is set.
type blind struct {
	agent.Observer
	off *atomic.Bool
}

// Generated implements agent.Observer.
func (b *blind) Generated(epoch string, f schema.Frame) {
	if !b.off.Load() {
		b.Observer.Generated(epoch, f)
	}
}

// Acked implements agent.Observer.
func (b *blind) Acked(epoch string, ranges []schema.Range) {
	if !b.off.Load() {
		b.Observer.Acked(epoch, ranges)
	}
}
