/** How many buckets a sparkline has: about one per 3 px of the smallest tile. */
export const SPARK_BUCKETS = 60

/** Share of the variance that a line must explain to be called a trend. */
const MIN_FIT = 0.3

/**
 * Spark is the short memory of a tile: the mean of each of 60 equal spans up to now.
 *
 * Spans are aligned to multiples of their length, so live readings and history from the hub fall into the same ones.
 */
export class Spark {
  private readonly sum = new Float64Array(SPARK_BUCKETS)
  private readonly count = new Float64Array(SPARK_BUCKETS)
  /** Number of the newest span since 1970. */
  private head = -1

  /**
   * spanMs: length of one bucket, in ms. intervalMs: how often a reading is expected, in ms; 0 = only changes are reported,
   * so a value holds until the next.
   */
  constructor(
    readonly spanMs: number,
    private readonly intervalMs: number,
  ) {}

  /** The whole window, in ms. */
  get windowMs(): number {
    return this.spanMs * SPARK_BUCKETS
  }

  /** Adds `n` readings with mean `v` at `t` (Unix ms). Older than the window: ignored. */
  add(t: number, v: number, n = 1): void {
    if (!Number.isFinite(v)) return
    const span = Math.floor(t / this.spanMs)
    this.advance(span)
    if (span <= this.head - SPARK_BUCKETS) return
    const at = span % SPARK_BUCKETS
    this.sum[at] = (this.sum[at] ?? 0) + v * n
    this.count[at] = (this.count[at] ?? 0) + n
  }

  /** Replaces all spans before `t` by what history says; live readings after it stay. Buckets of history may be coarser. */
  backfill(
    times: readonly number[],
    means: readonly (number | null)[],
    counts: readonly number[],
    t: number,
  ): void {
    const until = Math.floor(t / this.spanMs)
    this.advance(until)
    for (let span = this.head - SPARK_BUCKETS + 1; span < until; span++) this.reset(span)
    times.forEach((time, i) => {
      const v = means[i]
      if (v !== null && v !== undefined && Math.floor(time / this.spanMs) < until)
        this.add(time, v, counts[i] ?? 1)
    })
  }

  /** Moves the window so that it ends at `t` (Unix ms), empty spans included. */
  advanceTo(t: number): void {
    this.advance(Math.floor(t / this.spanMs))
  }

  /** Means, oldest first; NaN where nothing was read for longer than the channel's rhythm explains. */
  means(): number[] {
    const out: number[] = []
    const bridge = this.intervalMs > 0 ? Math.ceil((2 * this.intervalMs) / this.spanMs) : SPARK_BUCKETS
    let held = NaN
    let holes = 0
    for (let i = SPARK_BUCKETS - 1; i >= 0; i--) {
      const at = this.index(this.head - i)
      const n = this.count[at] ?? 0
      if (n > 0) held = (this.sum[at] ?? 0) / n
      holes = n > 0 ? 0 : holes + 1
      out.push(holes > bridge ? NaN : held)
    }
    return out
  }

  /** How many buckets have a reading of their own. */
  get filled(): number {
    return this.count.reduce((n, c) => n + (c > 0 ? 1 : 0), 0)
  }

  /**
   * Change per hour by least squares over the window; 0 when the line explains too little of what was read to be one. undefined when
   * less than a quarter of the window is known, because that is a guess and not a trend.
   */
  slopePerHour(): number | undefined {
    let n = 0
    let sx = 0
    let sy = 0
    let sxx = 0
    let sxy = 0
    let syy = 0
    let first = -1
    let last = -1
    this.means().forEach((y, x) => {
      if (Number.isNaN(y)) return
      if (first < 0) first = x
      last = x
      n++
      sx += x
      sy += y
      sxx += x * x
      sxy += x * y
      syy += y * y
    })
    if (n < 3 || last - first < SPARK_BUCKETS / 4) return undefined
    const vx = n * sxx - sx * sx
    const vy = n * syy - sy * sy
    const cov = n * sxy - sx * sy
    if (vy <= 0 || (cov * cov) / (vx * vy) < MIN_FIT) return 0
    return ((cov / vx) * 3_600_000) / this.spanMs
  }

  private advance(span: number): void {
    if (span <= this.head) return
    const from = Math.max(this.head + 1, span - SPARK_BUCKETS + 1)
    for (let s = from; s <= span; s++) this.reset(s)
    this.head = span
  }

  private reset(span: number): void {
    const at = this.index(span)
    this.sum[at] = 0
    this.count[at] = 0
  }

  private index(span: number): number {
    return ((span % SPARK_BUCKETS) + SPARK_BUCKETS) % SPARK_BUCKETS
  }
}

/** A sparkline with fewer filled buckets than this says less than a closer look at the last minutes. */
const FEW = 8

/**
 * Trail is the short memory of a channel at two distances: the last hour, and the last five minutes for as long as an hour would be
 * nearly empty.
 */
export class Trail {
  readonly hour: Spark
  readonly minutes: Spark

  /** intervalMs: how often a reading is expected, in ms; 0 = only changes are reported. */
  constructor(intervalMs: number) {
    this.hour = new Spark(3_600_000 / SPARK_BUCKETS, intervalMs)
    this.minutes = new Spark(300_000 / SPARK_BUCKETS, intervalMs)
  }

  /** Adds a reading at `t` (Unix ms). */
  add(t: number, v: number): void {
    this.hour.add(t, v)
    this.minutes.add(t, v)
  }

  /** True while an hour would be nearly empty. */
  get young(): boolean {
    return this.hour.filled < FEW
  }

  /** Means up to `now` (Unix ms), oldest first; NaN where nothing was read. */
  means(now: number): number[] {
    const spark = this.young ? this.minutes : this.hour
    spark.advanceTo(now)
    return spark.means()
  }

  /** Change per hour; undefined while it cannot be known. */
  slopePerHour(): number | undefined {
    return this.hour.slopePerHour()
  }
}
