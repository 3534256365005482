package uplink

import (
	"math/rand/v2"
	"time"
)

// Reconnecting.
const (
	backoffBase = time.Second
	backoffMost = time.Minute
	// slowRetry is how often a hub is asked again after it said that trying cannot help.
	slowRetry = 5 * time.Minute
	// stableAfter is how long a connection must last for the backoff to start over.
	stableAfter = 30 * time.Second
)

// backoff returns the wait before attempt n (0, 1, …): full jitter, uniform over min(60 s, 1 s·2ⁿ).
// Source: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
func backoff(n int, random func(int64) int64) time.Duration {
	most := backoffMost
	if n < 6 {
		most = min(backoffMost, backoffBase<<n)
	}
	return time.Duration(random(int64(most)))
}

// jitter is the randomness of backoff outside tests.
func jitter(n int64) int64 { return rand.Int64N(max(n, 1)) }
