//go:build race

package pack_test

// forgotten is how many allocations of a decoding the race detector may cause: with it, a pool forgets on purpose.
const forgotten = 1
