/** How far the newest reading of a channel can be taken for the present. */
export type Freshness = 'live' | 'stale' | 'old'

/** A reading is live while younger than this many expected intervals. */
const LIVE_INTERVALS = 2
/** A reading is stale up to this many expected intervals; older is old. */
const STALE_INTERVALS = 10
/** The least age, in ms, at which anything is called stale: batches, links and clocks need room. */
const MIN_LIVE_MS = 3_000

/**
 * Judges a reading by its age in ms against the interval at which the next is expected, in ms. A channel without rhythm
 * (interval 0) reports only changes: its value is good until the next, so only the device's presence can make it doubtful.
 */
export function freshness(ageMs: number, intervalMs: number): Freshness {
  if (intervalMs <= 0) return 'live'
  if (ageMs < liveFor(intervalMs)) return 'live'
  return ageMs < Math.max(STALE_INTERVALS * intervalMs, 2 * MIN_LIVE_MS) ? 'stale' : 'old'
}

/** How long a reading is live, in ms. */
export function liveFor(intervalMs: number): number {
  return Math.max(LIVE_INTERVALS * intervalMs, MIN_LIVE_MS)
}
