// Package e2e tests the real programs together: the chaos test kills hubs and agents, cuts links and holds a ledger against the
// database; browser/ drives a real Chromium against a real hub and a real simulator. There is no code here that ships.
//
// TELLTALE_SEED repeats a run of the chaos test, TELLTALE_CHAOS_SECONDS and TELLTALE_CHAOS_DEVICES make it longer or smaller.
package e2e
