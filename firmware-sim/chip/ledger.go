package chip

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// LedgerSize is how many moves a Ledger keeps in memory: a thousand presses of each of a household's buttons.
const LedgerSize = 8192

// Move is one real change of an output.
type Move struct {
	Seq    uint64  `json:"seq"`     // counts from 1 within one run of the program
	Device string  `json:"device"`  // whose board
	Output string  `json:"output"`  // the pin or pulse-width output
	Level  float64 `json:"level"`   // the electrical level: 0 low, 1 high, between for a pulse width
	Load   float64 `json:"load"`    // what the load behind it then does; differs from what the output asks for where it lies
	MonoUS int64   `json:"mono_us"` // µs since the modelled machine began
	WallUS int64   `json:"wall_us"` // µs since 1970 on the clock of the machine that simulates, which no fault touches
}

// Ledger writes down what outputs really did, so that a test can prove that nothing moved twice or late. It stands outside of everything
// that a fault can reach. Safe for concurrent use.
type Ledger struct {
	mu    sync.Mutex
	seq   uint64
	moves []Move // ring of at most LedgerSize
	sink  io.Writer
	err   error
}

// NewLedger returns an empty ledger. sink, where given, gets each move as a line of JSON in one Write, before the load moves.
func NewLedger(sink io.Writer) *Ledger { return &Ledger{sink: sink} }

// add numbers a move and writes it down.
func (l *Ledger) add(m Move) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	m.Seq, m.WallUS = l.seq, time.Now().UnixMicro()
	if len(l.moves) < LedgerSize {
		l.moves = append(l.moves, m)
	} else {
		l.moves[(l.seq-1)%LedgerSize] = m
	}
	if l.sink == nil || l.err != nil {
		return
	}
	line, err := json.Marshal(m)
	if err == nil {
		_, err = l.sink.Write(append(line, '\n'))
	}
	if err != nil {
		l.err = fmt.Errorf("write the ledger: %w", err)
	}
}

// Moves returns the last LedgerSize moves, oldest first. The error says since when the sink is incomplete.
func (l *Ledger) Moves() ([]Move, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seq <= LedgerSize {
		return append([]Move(nil), l.moves...), l.err
	}
	at := l.seq % LedgerSize
	return append(append([]Move(nil), l.moves[at:]...), l.moves[:at]...), l.err
}
