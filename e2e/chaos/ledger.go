package chaos

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/telltale-iot/telltale/schema"
)

// line is one entry of an agent's ledger.
type line struct {
	Kind   string          `json:"k"` // "frame" or "ack"
	Epoch  string          `json:"epoch"`
	Frame  json.RawMessage `json:"frame,omitempty"`
	Ranges []schema.Range  `json:"ranges,omitempty"`
}

// Ledger writes down what one agent generated and what it was told is stored. It implements the agent's Observer. Each entry is one
// write to a file opened for appending, so that a killed process loses nothing that it did: the page cache outlives it.
type Ledger struct {
	mu   sync.Mutex
	file *os.File
}

// OpenLedger opens the ledger of a device in dir, after whatever earlier lives of the agent wrote.
func OpenLedger(dir, device string) (*Ledger, error) {
	f, err := os.OpenFile(filepath.Join(dir, device+".agent"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &Ledger{file: f}, nil
}

// OpenPins opens the file that the modelled outputs of a device write their moves to.
func OpenPins(dir, device string) (io.WriteCloser, error) {
	return os.OpenFile(filepath.Join(dir, device+".pins"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
}

// Generated notes a frame that got a sequence number.
func (l *Ledger) Generated(epoch string, f schema.Frame) {
	msg, err := schema.Encode(f)
	if err != nil {
		panic(err) // the agent encoded the same frame
	}
	l.write(line{Kind: "frame", Epoch: epoch, Frame: msg})
}

// Acked notes what the hub said is stored.
func (l *Ledger) Acked(epoch string, ranges []schema.Range) {
	l.write(line{Kind: "ack", Epoch: epoch, Ranges: ranges})
}

func (l *Ledger) write(e line) {
	b, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.file.Write(append(b, '\n')); err != nil {
		panic(fmt.Errorf("the ledger must not fail: %w", err))
	}
}

// sample is one reading of a frame, as it must be found in the store.
type sample struct {
	offsetMS int64
	value    schema.Value
	quality  schema.Quality
}

// frame is one numbered frame that an agent generated.
type frame struct {
	event   bool
	t0ms    int64 // 0 = the clock was not synced
	samples map[string][]sample
	count   int
}

// life is everything one outbox (device, epoch) did.
type life struct {
	device, epoch string
	frames        map[uint64]frame
	acked         []schema.Range
}

// readLives reads the ledgers of all devices in dir, by device and epoch.
func readLives(dir string) (map[[2]string]*life, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.agent"))
	if err != nil {
		return nil, err
	}
	lives := map[[2]string]*life{}
	for _, name := range files {
		device := strings.TrimSuffix(filepath.Base(name), ".agent")
		err := eachLine(name, func(b []byte) error {
			var e line
			if err := json.Unmarshal(b, &e); err != nil {
				return err
			}
			key := [2]string{device, e.Epoch}
			if lives[key] == nil {
				lives[key] = &life{device: device, epoch: e.Epoch, frames: map[uint64]frame{}}
			}
			return lives[key].add(e)
		})
		if err != nil {
			return nil, fmt.Errorf("ledger of %s: %w", device, err)
		}
	}
	if len(lives) == 0 {
		return nil, errors.New("no agent wrote a ledger: nothing was tested")
	}
	return lives, nil
}

func (l *life) add(e line) error {
	if e.Kind == "ack" {
		l.acked = append(l.acked, e.Ranges...)
		return nil
	}
	frames, err := schema.Decode(schema.AgentUp, e.Frame)
	if err != nil || len(frames) != 1 {
		return fmt.Errorf("%s: %w", e.Frame, err)
	}
	var seq uint64
	f := frame{samples: map[string][]sample{}}
	switch r := frames[0].(type) {
	case *schema.Event:
		seq, f.event = r.Seq, true
	case *schema.Readings:
		seq, f.t0ms = r.Seq, r.T0MS
		for i := range r.Series {
			s := &r.Series[i]
			for j, v := range s.V {
				f.samples[s.Ch] = append(f.samples[s.Ch], sample{s.OffsetMS(j), v, s.QualityAt(j)})
				f.count++
			}
		}
	default:
		return fmt.Errorf("a %s is not numbered", r.Kind())
	}
	if _, twice := l.frames[seq]; twice {
		return fmt.Errorf("seq %d of epoch %s was given out twice", seq, e.Epoch)
	}
	l.frames[seq] = f
	return nil
}

// move is one transition of a modelled output, as firmware-sim writes it.
type move struct {
	Output string  `json:"output"`
	Load   float64 `json:"load"`
	WallUS int64   `json:"wall_us"`
}

func eachLine(name string, fn func([]byte) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		if err := fn(in.Bytes()); err != nil {
			return err
		}
	}
	return in.Err()
}
