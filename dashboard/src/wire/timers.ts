/**
 * What wire and live know of time and chance. The page gives the browser's; a test gives fake ones.
 */
export interface Timers {
  /** Wall clock, Unix ms. May jump. Only for what people read. */
  wall(): number
  /** Monotonic ms. For every deadline, delay and age. */
  mono(): number
  /** Runs `run` once after `ms`; the returned function cancels it. */
  after(ms: number, run: () => void): () => void
  /** Uniform in [0, 1). */
  random(): number
}

/** The timers of the JavaScript engine this runs in. */
export const engineTimers: Timers = {
  wall: () => Date.now(),
  mono: () => performance.now(),
  after(ms, run) {
    const id = setTimeout(run, ms)
    return () => {
      clearTimeout(id)
    }
  },
  random: () => Math.random(),
}
