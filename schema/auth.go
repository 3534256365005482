package schema

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// HelloTranscript returns the bytes a device signs in [Hello.Sig]: they bind the key to this hub, device, boot and connection.
func HelloTranscript(hubID, device, bootID, nonce string) []byte {
	return transcript("telltale-hello-v1", hubID, device, bootID, nonce)
}

// PairTranscript returns the bytes a device signs in [Pair.Sig]: they prove that it holds the private half of the key.
func PairTranscript(hubID, device, publicKey, nonce string) []byte {
	return transcript("telltale-pair-v1", hubID, device, publicKey, nonce)
}

// PairProof returns the value of [Pair.Proof], 64 hex digits: HMAC-SHA-256 keyed with the one-time code over the hub's nonce and the
// device's key. The code itself never crosses the wire. Case, spaces and dashes of the code do not matter.
func PairProof(code, nonce, publicKey string) string {
	clean := strings.NewReplacer("-", "", " ", "").Replace(strings.ToUpper(strings.TrimSpace(code)))
	mac := hmac.New(sha256.New, []byte(clean))
	mac.Write(transcript("telltale-pair-proof-v1", nonce, publicKey))
	return hex.EncodeToString(mac.Sum(nil))
}

// transcript joins parts unambiguously: none of them can hold a newline (ids, hex).
func transcript(parts ...string) []byte { return []byte(strings.Join(parts, "\n")) }
