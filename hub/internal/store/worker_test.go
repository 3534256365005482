package store

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// workEnv makes the test binary carry out the plan in it. Whoever uses SQLite on a crashfs must be another process than the one that serves
// it: closing SQLite's shared memory waits for the server with the process's memory locked.
const workEnv = "TELLTALE_STORE_TEST_WORK"

// framesPerRound bounds the frames that wait for one commit.
const framesPerRound = 8

// plan is what a worker does with the store in Dir: rounds of frames, each when the one before was answered, then a clean end.
type plan struct {
	Dir    string
	From   uint64 // first frame
	Rounds int
	Seed   uint64
	Make   bool // pairs the device first
	Wide   bool // frames of many channels, and checkpoints every few commits instead of every few hundred
	Unsafe bool // synchronous=NORMAL
	Dies   bool // ends without closing
	Again  bool // sends what was not acked again, instead of ending there
}

func workOptions(dir string) Options {
	return Options{Dir: dir, CommitEvery: time.Millisecond, slots: testSlots}
}

// answer is what a worker says of a frame.
type answer struct {
	seq uint64
	err error
}

// work is the worker. It prints "<seq> <error>" for each answer, the error empty for an ack.
func work(text string) error {
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	s, err := Open(context.Background(), workOptions(p.Dir))
	if err != nil {
		return err
	}
	if p.Make {
		if _, err := s.PairDevice(context.Background(), "lamp", "A lamp", make(ed25519.PublicKey, ed25519.PublicKeySize)); err != nil {
			return err
		}
	}
	for pragma, wanted := range map[string]bool{"synchronous = NORMAL": p.Unsafe, "wal_autocheckpoint = 50": p.Wide} {
		if !wanted {
			continue
		}
		if _, err := s.writer.conn.c.ExecContext(context.Background(), "PRAGMA "+pragma); err != nil {
			return err
		}
	}
	rng := rand.New(rand.NewPCG(p.Seed, 3))
	var waiting []uint64 // frames of the next round
	next := p.From
	for range p.Rounds {
		for n := 1 + rng.IntN(framesPerRound); len(waiting) < n; next++ {
			waiting = append(waiting, next)
		}
		refused, err := sendRound(s, waiting, p.Wide)
		if err != nil {
			return err
		}
		if len(refused) > 0 && !p.Again {
			return fmt.Errorf("frame %d: %w", refused[0].seq, refused[0].err)
		}
		waiting = waiting[:0]
		for _, a := range refused {
			waiting = append(waiting, a.seq)
		}
	}
	if p.Dies {
		return nil
	}
	return s.Close()
}

func sendRound(s *Store, frames []uint64, wide bool) (refused []answer, err error) {
	answers := make(chan answer, len(frames))
	for _, seq := range frames {
		if err := s.Append(workFrame(seq, wide), func(err error) { answers <- answer{seq, err} }); err != nil {
			return nil, err
		}
	}
	var text []byte
	for range frames {
		a := <-answers
		text = strconv.AppendUint(text, a.seq, 10)
		if a.err != nil {
			refused = append(refused, a)
			text = fmt.Appendf(text, " %v", a.err)
		}
		text = append(text, '\n')
	}
	_, err = os.Stdout.Write(text)
	return refused, err
}

// runWorker carries out a plan in another process and calls each with its answers. It returns the worker's last words.
func runWorker(t *testing.T, p plan, each func(seq uint64, refused string)) (last string, err error) {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var says strings.Builder
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), workEnv+"="+string(text), "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = &says
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		number, refused, _ := strings.Cut(lines.Text(), " ")
		seq, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		each(seq, refused)
	}
	err = cmd.Wait()
	return says.String(), err
}

// workFrame is the frame with a number, always the same. Each has its own second, by which it is known, and values that do not pack.
func workFrame(seq uint64, wide bool) schema.Batch {
	b := schema.Batch{Device: "lamp", Epoch: testEpoch, Seq: seq, T0MS: testT0 + int64(seq)*1000, Time: schema.TimeSynced}
	channels := 1 + int(seq%3)
	if wide {
		channels = 20
	}
	for c := range channels {
		b.Series = append(b.Series, schema.Series{Ch: fmt.Sprintf("c%d.state", c), DtMS: []int64{0, 400},
			V: schema.Values{workValue(seq, c, 0), workValue(seq, c, 400)}})
	}
	return b
}

func workValue(seq uint64, channel, ms int) schema.Value {
	return schema.Number(rand.New(rand.NewPCG(seq, uint64(channel*1000+ms))).Float64())
}

// workStored returns the numbers of the frames that are there, and complains about every reading that was never sent or is there twice, and
// every frame that is there in part.
func workStored(t *testing.T, s *Store, wide bool) map[uint64]bool {
	t.Helper()
	type place struct {
		channel string
		tms     int64
	}
	readings, have := map[uint64]int{}, map[place]bool{}
	for _, r := range audit(t, s, "lamp") {
		seq, ms := uint64(r.TMS-testT0)/1000, int(r.TMS-testT0)%1000
		c, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(r.Channel, "c"), ".state"))
		p := place{r.Channel, r.TMS}
		if err != nil || r.Value != workValue(seq, c, ms) {
			t.Errorf("%v: %s was never sent", p, r.Value)
		}
		if have[p] {
			t.Errorf("%v is stored twice", p)
		}
		have[p] = true
		readings[seq]++
	}
	all := map[uint64]bool{}
	for seq, n := range readings {
		if want := 2 * len(workFrame(seq, wide).Series); n != want {
			t.Errorf("frame %d: %d of %d readings are stored", seq, n, want)
		}
		all[seq] = true
	}
	return all
}
