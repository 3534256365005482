// Package auth decides who a device is: one-time pairing codes, signatures over the hub's nonce, and which connection of a device
// is the newest.
//
// It guarantees that a code pairs at most as many devices as it was made for, however many try at once (a code is checked and used up
// in one step), that five wrong tries burn every code that is good at that time, and that two machines which answer to one key are put
// in quarantine instead of replacing each other for ever. It holds no keys: those are in the store. It knows nothing of people:
// accounts are another part.
//
// A code has 40 bits. It is made to be typed, lives for minutes and is never sent; but on a plain connection somebody who records a
// pairing can search for the code afterwards. By then it has been used up or has expired.
//
// Start with [Pairing] and [Sessions].
package auth

import (
	"crypto/ed25519"
	"encoding/hex"

	"github.com/telltale-iot/telltale/schema"
)

// VerifyHello checks that the device's key signed this hub's nonce for this boot.
//
// Errors: a *schema.Problem with CodeUnauthorized.
func VerifyHello(key ed25519.PublicKey, hubID, nonce string, h *schema.Hello) error {
	sig, err := hex.DecodeString(h.Sig)
	if err != nil || len(key) != ed25519.PublicKeySize ||
		!ed25519.Verify(key, schema.HelloTranscript(hubID, h.Device, h.BootID, nonce), sig) {
		return schema.Problemf(schema.CodeUnauthorized,
			"the signature does not match the key that %s was paired with; was its state folder copied or lost? Pair it again with a new code", h.Device)
	}
	return nil
}

// VerifyPair checks that the sender holds the private half of the key it wants to pair, and returns the key.
//
// Errors: a *schema.Problem with CodeUnauthorized.
func VerifyPair(hubID, nonce string, p *schema.Pair) (ed25519.PublicKey, error) {
	key, err := hex.DecodeString(p.PublicKey)
	if err == nil && len(key) == ed25519.PublicKeySize {
		sig, err := hex.DecodeString(p.Sig)
		if err == nil && ed25519.Verify(key, schema.PairTranscript(hubID, p.Device, p.PublicKey, nonce), sig) {
			return key, nil
		}
	}
	return nil, schema.Problemf(schema.CodeUnauthorized, "the signature does not match the public key")
}
