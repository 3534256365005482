/** The two paths of a sparkline in a box of (n − 1) × 32, y downwards. */
export interface SparkPath {
  line: string
  fill: string
}

const HEIGHT = 32
/** Room above and below the line, so that a 2 px stroke is never cut. */
const INSET = 4

/** Draws means, oldest first. NaN breaks the line: what was not measured is not drawn. */
export function sparkPath(means: readonly number[], minSpan: number): SparkPath {
  const known = means.filter((v) => !Number.isNaN(v))
  if (known.length < 2) return { line: '', fill: '' }
  const lo = Math.min(...known)
  const hi = Math.max(...known)
  const span = Math.max(hi - lo, minSpan, 1e-9)
  const mid = (hi + lo) / 2
  const y = (v: number): string => (HEIGHT / 2 - ((v - mid) / span) * (HEIGHT - 2 * INSET)).toFixed(1)

  let line = ''
  let fill = ''
  let from = -1
  means.forEach((v, x) => {
    if (Number.isNaN(v)) {
      if (from >= 0) fill += `L${String(x - 1)} ${String(HEIGHT)}L${String(from)} ${String(HEIGHT)}Z`
      from = -1
      return
    }
    const step = `${from < 0 ? 'M' : 'L'}${String(x)} ${y(v)}`
    line += step
    fill += step
    if (from < 0) from = x
  })
  if (from >= 0) fill += `L${String(means.length - 1)} ${String(HEIGHT)}L${String(from)} ${String(HEIGHT)}Z`
  return { line, fill }
}

/** What a waveform is read from: times in Unix ms, ascending. */
interface Samples {
  readonly length: number
  time(i: number): number
  value(i: number): number
  lowerBound(t: number): number
}

/** Draws the last `windowMs` before `to` into a box of width × 64. A step of more than 50 ms is a hole. */
export function wavePath(samples: Samples, to: number, windowMs: number, width: number): string {
  const from = to - windowMs
  const first = samples.lowerBound(from)
  let lo = Infinity
  let hi = -Infinity
  for (let i = first; i < samples.length; i++) {
    const v = samples.value(i)
    if (v < lo) lo = v
    if (v > hi) hi = v
  }
  if (!(hi > lo)) return ''
  let path = ''
  let before = -Infinity
  for (let i = first; i < samples.length; i++) {
    const t = samples.time(i)
    const v = samples.value(i)
    if (Number.isNaN(v)) continue
    const x = (((t - from) / windowMs) * width).toFixed(1)
    path += `${t - before > 50 ? 'M' : 'L'}${x} ${(60 - ((v - lo) / (hi - lo)) * 56).toFixed(1)}`
    before = t
  }
  return path
}
