package auth_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/auth"
	"github.com/telltale-iot/telltale/schema"
)

const nonce = "00112233445566778899aabbccddeeff"

func key(t *testing.T) (ed25519.PrivateKey, string) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return priv, hex.EncodeToString(pub)
}

func wantCode(t *testing.T, err error, want schema.Code) {
	t.Helper()
	var p *schema.Problem
	if !errors.As(err, &p) || p.Code != want {
		t.Errorf("got %v, want a problem %q", err, want)
	}
}

func newCode(t *testing.T, p *auth.Pairing, req schema.PairingRequest) string {
	t.Helper()
	c, err := p.NewCode(req)
	if err != nil {
		t.Fatal(err)
	}
	return c.Code
}

func TestOneCodePairsOneDeviceOfAHundred(t *testing.T) {
	p := auth.NewPairing(nil)
	code := newCode(t, p, schema.PairingRequest{})
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		_, pub := key(t)
		wg.Go(func() {
			if p.Redeem(nonce, pub, schema.PairProof(code, nonce, pub)) == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d devices paired with one code", won.Load())
	}
}

func TestACodePairsAsManyAsItWasMadeFor(t *testing.T) {
	p := auth.NewPairing(nil)
	code := newCode(t, p, schema.PairingRequest{Uses: 3})
	for i := range 4 {
		_, pub := key(t)
		err := p.Redeem(nonce, pub, schema.PairProof(strings.ToLower(code), nonce, pub))
		if (err == nil) != (i < 3) {
			t.Errorf("device %d: %v", i, err)
		}
	}
}

func TestACodeExpires(t *testing.T) {
	now := time.Unix(1e9, 0)
	p := auth.NewPairing(func() time.Time { return now })
	code := newCode(t, p, schema.PairingRequest{Minutes: 2})
	now = now.Add(2 * time.Minute)
	_, pub := key(t)
	wantCode(t, p.Redeem(nonce, pub, schema.PairProof(code, nonce, pub)), schema.CodeUnauthorized)
}

func TestFiveWrongTriesBurnACode(t *testing.T) {
	p := auth.NewPairing(nil)
	code := newCode(t, p, schema.PairingRequest{})
	_, pub := key(t)
	for range auth.MaxTries {
		wantCode(t, p.Redeem(nonce, pub, schema.PairProof("AAAA-AAAA", nonce, pub)), schema.CodeUnauthorized)
	}
	wantCode(t, p.Redeem(nonce, pub, schema.PairProof(code, nonce, pub)), schema.CodeUnauthorized)
}

func TestAProofIsGoodForOneNonceAndKeyOnly(t *testing.T) {
	p := auth.NewPairing(nil)
	code := newCode(t, p, schema.PairingRequest{})
	_, mine := key(t)
	_, other := key(t)
	proof := schema.PairProof(code, nonce, mine)
	wantCode(t, p.Redeem(strings.Repeat("a", 32), mine, proof), schema.CodeUnauthorized)
	wantCode(t, p.Redeem(nonce, other, proof), schema.CodeUnauthorized)
	if err := p.Redeem(nonce, mine, proof); err != nil {
		t.Error(err)
	}
}

func TestCodesAreBounded(t *testing.T) {
	p := auth.NewPairing(nil)
	for range auth.MaxCodes {
		newCode(t, p, schema.PairingRequest{})
	}
	_, err := p.NewCode(schema.PairingRequest{})
	wantCode(t, err, schema.CodeBusy)
	_, err = auth.NewPairing(nil).NewCode(schema.PairingRequest{Uses: -1})
	wantCode(t, err, schema.CodeOutOfRange)
}

func TestHelloIsBoundToHubDeviceBootAndNonce(t *testing.T) {
	priv, pub := key(t)
	raw, _ := hex.DecodeString(pub)
	sign := func(hub, device, boot, nonce string) string {
		return hex.EncodeToString(ed25519.Sign(priv, schema.HelloTranscript(hub, device, boot, nonce)))
	}
	hello := &schema.Hello{Device: "pi", BootID: "b1"}
	for _, c := range []struct {
		name, sig string
		good      bool
	}{
		{"right", sign("hub1", "pi", "b1", nonce), true},
		{"signed for another hub", sign("hub2", "pi", "b1", nonce), false},
		{"signed by another device", sign("hub1", "pi-2", "b1", nonce), false},
		{"signed in another boot", sign("hub1", "pi", "b0", nonce), false},
		{"replayed from another connection", sign("hub1", "pi", "b1", strings.Repeat("0", 32)), false},
		{"not hex", strings.Repeat("x", 128), false},
		{"empty", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			hello.Sig = c.sig
			err := auth.VerifyHello(raw, "hub1", nonce, hello)
			if c.good && err != nil {
				t.Error(err)
			} else if !c.good {
				wantCode(t, err, schema.CodeUnauthorized)
			}
		})
	}
}

func TestPairNeedsThePrivateHalf(t *testing.T) {
	priv, pub := key(t)
	_, other := key(t)
	pair := &schema.Pair{Device: "pi", PublicKey: pub}
	pair.Sig = hex.EncodeToString(ed25519.Sign(priv, schema.PairTranscript("hub1", "pi", pub, nonce)))
	if got, err := auth.VerifyPair("hub1", nonce, pair); err != nil || hex.EncodeToString(got) != pub {
		t.Errorf("%x, %v", got, err)
	}
	pair.PublicKey = other
	_, err := auth.VerifyPair("hub1", nonce, pair)
	wantCode(t, err, schema.CodeUnauthorized)
}

func TestTwoBootsThatAlternateAreQuarantined(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := auth.NewSessions(func() time.Time { return now })
	var last uint64
	for _, boot := range []string{"a", "a", "b", "c", "c"} { // reconnects and honest reboots
		n, err := s.Open("pi", boot)
		if err != nil || n <= last {
			t.Fatalf("boot %s: session %d after %d, %v", boot, n, last, err)
		}
		last = n
	}
	_, err := s.Open("pi", "a")
	wantCode(t, err, schema.CodeQuarantined)
	_, err = s.Open("pi", "c")
	wantCode(t, err, schema.CodeQuarantined)
	if _, err := s.Open("other", "a"); err != nil {
		t.Error(err)
	}
	now = now.Add(auth.QuarantineFor)
	if _, err := s.Open("pi", "c"); err != nil {
		t.Errorf("after the quarantine: %v", err)
	}
}
