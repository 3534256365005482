import type { HistorySeries } from '../wire/schema.gen'
import type { Ring } from './ring'

/** One channel's past and present in columns, times ascending (Unix ms). null = a hole: a line must not cross it. */
export interface Column {
  readonly t: number[]
  readonly mean: (number | null)[]
  readonly min: (number | null)[]
  readonly max: (number | null)[]
}

/** How history and the live tail are put together. Times in Unix ms. */
export interface Seam {
  /** Width of history's buckets in ms; 0 = single readings. */
  readonly bucketMs: number
  /** Up to here history was asked for. */
  readonly historyTo: number
  /** How often a reading is expected, in ms; 0 = no rhythm: a value holds until the next and there are no holes. */
  readonly intervalMs: number
  readonly from: number
  readonly to: number
}

/** A silence longer than this many intervals is a hole. */
const HOLE_INTERVALS = 3
/** No silence shorter than this, in ms, is a hole. */
const MIN_HOLE_MS = 5_000

/**
 * Joins history and the live tail without a seam: nothing twice, nothing missing.
 *
 * Single readings: live ones follow after the last that history has. Buckets: live readings after the end of the question are put
 * into buckets of the same width, and the bucket that was not over when history was asked takes its live readings as well.
 */
export function join(history: HistorySeries | undefined, ring: Ring | undefined, seam: Seam): Column {
  const out: Column = { t: [], mean: [], min: [], max: [] }
  const add = (t: number, mean: number | null, min = mean, max = mean): void => {
    out.t.push(t)
    out.mean.push(mean)
    out.min.push(min)
    out.max.push(max)
  }
  const counts: number[] = []
  history?.t_ms.forEach((t, i) => {
    const mean = history.mean?.[i] ?? null
    add(t, mean, history.min?.[i] ?? mean, history.max?.[i] ?? mean)
    counts.push(history.count?.[i] ?? 1)
  })
  if (ring) tail(out, counts, ring, seam)
  return crop(withHoles(out, seam), seam)
}

function tail(out: Column, counts: number[], ring: Ring, { bucketMs, historyTo }: Seam): void {
  const last = out.t.at(-1) ?? -Infinity
  const after = bucketMs > 0 ? historyTo : last
  // Wherever history's buckets begin, what follows lies on the same steps.
  const step = Number.isFinite(last) && bucketMs > 0 ? last % bucketMs : 0
  for (let i = ring.lowerBound(after); i < ring.length; i++) {
    const t = ring.time(i)
    const v = ring.value(i)
    if (t <= after) continue
    if (bucketMs === 0) {
      const value = Number.isNaN(v) ? null : v
      out.t.push(t)
      out.mean.push(value)
      out.min.push(value)
      out.max.push(value)
      continue
    }
    if (!Number.isNaN(v)) intoBucket(out, counts, Math.floor((t - step) / bucketMs) * bucketMs + step, v)
  }
}

function intoBucket(out: Column, counts: number[], start: number, v: number): void {
  const at = out.t.length - 1
  const mean = out.mean[at]
  const n = counts[at] ?? 1
  if (out.t[at] === start && mean !== null && mean !== undefined) {
    out.mean[at] = (mean * n + v) / (n + 1)
    out.min[at] = Math.min(out.min[at] ?? v, v)
    out.max[at] = Math.max(out.max[at] ?? v, v)
    counts[at] = n + 1
    return
  }
  out.t.push(start)
  out.mean.push(v)
  out.min.push(v)
  out.max.push(v)
  counts.push(1)
}

/** Puts a null where nothing was read for too long, so that no line crosses the silence. */
function withHoles(column: Column, { bucketMs, intervalMs }: Seam): Column {
  if (intervalMs <= 0) return column
  const limit = Math.max(HOLE_INTERVALS * intervalMs, 1.5 * bucketMs, MIN_HOLE_MS)
  const out: Column = { t: [], mean: [], min: [], max: [] }
  column.t.forEach((t, i) => {
    const before = column.t[i - 1]
    if (before !== undefined && t - before > limit) {
      out.t.push((before + t) / 2)
      out.mean.push(null)
      out.min.push(null)
      out.max.push(null)
    }
    out.t.push(t)
    out.mean.push(column.mean[i] ?? null)
    out.min.push(column.min[i] ?? null)
    out.max.push(column.max[i] ?? null)
  })
  return out
}

/** Keeps what lies in the window and one point on either side, so that lines run to the edges. */
function crop(column: Column, { from, to }: Seam): Column {
  let a = 0
  while (a + 1 < column.t.length && (column.t[a + 1] ?? 0) <= from) a++
  let b = column.t.length
  while (b - 2 >= 0 && (column.t[b - 2] ?? 0) >= to) b--
  const cut = <T>(xs: T[]): T[] => xs.slice(a, b)
  return { t: cut(column.t), mean: cut(column.mean), min: cut(column.min), max: cut(column.max) }
}

/** The spans of a column without readings that are longer than its rhythm explains, within the window. */
export function holes(column: Column): { from: number; to: number }[] {
  const out: { from: number; to: number }[] = []
  column.mean.forEach((v, i) => {
    const before = column.t[i - 1]
    const after = column.t[i + 1]
    if (v === null && before !== undefined && after !== undefined) out.push({ from: before, to: after })
  })
  return out
}

/**
 * The stretches of a window in which none of the columns has anything: holes that all share, and what lies before the first reading of
 * all. Columns must have been joined for this window.
 */
export function silence(
  columns: readonly Column[],
  from: number,
  to: number,
): { from: number; to: number }[] {
  const first = columns[0]
  if (!first) return []
  const starts = columns.map((c) => c.t.find((_, i) => c.mean[i] !== null) ?? to)
  const start = Math.min(...starts)
  const out = columns
    .slice(1)
    .reduce((shared, c) => overlap(shared, holes(c)), holes(first))
    .filter((h) => h.to > from && h.from < to)
  return start - from > (to - from) * LEAD ? [{ from, to: start }, ...out] : out
}

/** A stretch before the first reading is worth words when it is wider than this part of the window. */
const LEAD = 0.02

function overlap(
  a: readonly { from: number; to: number }[],
  b: readonly { from: number; to: number }[],
): { from: number; to: number }[] {
  return a.flatMap((x) =>
    b.flatMap((y) => {
      const from = Math.max(x.from, y.from)
      const to = Math.min(x.to, y.to)
      return to > from ? [{ from, to }] : []
    }),
  )
}
