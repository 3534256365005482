/** The longest wait before another try to connect, in ms. Short: a person is looking at the page. */
export const MAX_WAIT_MS = 20_000
/** The window of the first retry, in ms; it doubles with every failure. */
export const BASE_WAIT_MS = 500
/** A connection that lasted this long, in ms, was good: the next failure starts over at the first window. */
export const STABLE_MS = 30_000

/**
 * Delay before try number `failures` (1 = the first retry), in ms: full jitter, uniform in
 * [0, min(20 s, 0.5 s·2ⁿ)), so that a thousand tabs that lost the hub together come back spread out.
 */
export function backoff(failures: number, random: () => number): number {
  const window = Math.min(MAX_WAIT_MS, BASE_WAIT_MS * 2 ** Math.max(0, failures - 1))
  return random() * window
}
