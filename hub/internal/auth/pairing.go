package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

const (
	// MaxTries is how many wrong proofs a code survives.
	MaxTries = 5
	// MaxCodes bounds the codes that are good at one time: each of a thousand simulated devices may fetch its own.
	MaxCodes = 1024
	// MaxUses bounds the devices that one code can pair.
	MaxUses = 10_000
	// MaxMinutes bounds a code's life, in minutes.
	MaxMinutes = 60
	// defaultMinutes is a code's life when nobody chose, in minutes: long enough to walk to the device.
	defaultMinutes = 10
	// codeLetters has 32 signs, five bits each, without the ones that look alike.
	codeLetters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
)

// Pairing keeps the one-time codes, in memory only: a restart makes them void. Safe for concurrent use.
type Pairing struct {
	now func() time.Time

	mu    sync.Mutex
	codes map[string]*code
}

type code struct {
	expires time.Time
	uses    int // left
	wrong   int // proofs that matched no code while this one was good
}

// NewPairing returns a keeper without codes. now is the clock; nil = time.Now.
func NewPairing(now func() time.Time) *Pairing {
	if now == nil {
		now = time.Now
	}
	return &Pairing{now: now, codes: map[string]*code{}}
}

// NewCode makes a code that pairs req.Uses devices (0 = 1) within req.Minutes (0 = 10).
//
// Errors: a *schema.Problem when the numbers are out of range or [MaxCodes] codes are good already.
func (p *Pairing) NewCode(req schema.PairingRequest) (schema.PairingCode, error) {
	if req.Uses == 0 {
		req.Uses = 1
	}
	if req.Minutes == 0 {
		req.Minutes = defaultMinutes
	}
	if req.Uses < 1 || req.Uses > MaxUses || req.Minutes < 1 || req.Minutes > MaxMinutes {
		return schema.PairingCode{}, schema.Problemf(schema.CodeOutOfRange, "uses must be 1 to %d and minutes 1 to %d", MaxUses, MaxMinutes)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep()
	if len(p.codes) >= MaxCodes {
		return schema.PairingCode{}, schema.Problemf(schema.CodeBusy, "%d pairing codes are waiting to be used; wait until one expires", MaxCodes)
	}
	text := newCode()
	expires := p.now().Add(time.Duration(req.Minutes) * time.Minute)
	p.codes[text] = &code{expires: expires, uses: req.Uses}
	return schema.PairingCode{Code: text, ExpiresMS: expires.UnixMilli(), Uses: req.Uses}, nil
}

// Redeem uses up one use of the code that the proof was made with. Checking and using up are one step: held by
// TestOneCodePairsOneDeviceOfAHundred. A proof that fits no code counts as a wrong try against every code that is good now, because
// nobody can tell which one was meant.
//
// Errors: a *schema.Problem with CodeUnauthorized.
func (p *Pairing) Redeem(nonce, publicKey, proof string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep()
	for text, c := range p.codes {
		if !hmac.Equal([]byte(schema.PairProof(text, nonce, publicKey)), []byte(proof)) {
			continue
		}
		if c.uses--; c.uses == 0 {
			delete(p.codes, text)
		}
		return nil
	}
	for text, c := range p.codes {
		if c.wrong++; c.wrong >= MaxTries {
			delete(p.codes, text)
		}
	}
	return schema.Problemf(schema.CodeUnauthorized,
		"the pairing code is wrong, used up or too old; get a new one on the dashboard or with `hub pair`")
}

// sweep forgets codes that have expired. Call with mu held.
func (p *Pairing) sweep() {
	now := p.now()
	for text, c := range p.codes {
		if !now.Before(c.expires) {
			delete(p.codes, text)
		}
	}
}

// newCode returns "ABCD-EFGH".
func newCode() string {
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand ends the program instead
	b := make([]byte, 0, 9)
	for i, r := range raw {
		if i == 4 {
			b = append(b, '-')
		}
		b = append(b, codeLetters[int(r)%len(codeLetters)])
	}
	return string(b)
}
