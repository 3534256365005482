// Package chaos is the parts of the end-to-end chaos test: a TCP proxy that cuts links at random bytes, the ledger that agents write
// where no fault can reach it, and the checker that holds the ledger against the hub's database.
//
// The promise it proves, for any history of kills and cuts: acked ⊆ stored with equal values, nothing stored twice, nothing stored that
// was not generated, every missing sequence number inside a gap, no pulse twice, nothing moved after its deadline, final states never change.
//
// The checker reads the database with plain SQL of its own, not through the hub's store: it must not share the store's mistakes.
// Start reading at [Check].
package chaos

// PulseOutput is the modelled output that the pulses of the test move.
const PulseOutput = "GPIO27"
