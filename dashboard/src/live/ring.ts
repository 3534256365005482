/**
 * Ring keeps the newest points of one channel in two typed arrays, times ascending (Unix ms).
 *
 * A full ring forgets its oldest point; `forgotten` tells up to which time, so a chart knows when it must ask the hub for
 * what it no longer holds. A point older than the newest is put in its place (a device that catches up sends old readings
 * late), a point at the same time replaces the value.
 */
export class Ring {
  private readonly t: Float64Array
  private readonly v: Float64Array
  private start = 0
  private size = 0
  /** Unix ms of the newest point that was overwritten; −Infinity when nothing was. */
  forgotten = -Infinity

  constructor(readonly capacity: number) {
    this.t = new Float64Array(capacity)
    this.v = new Float64Array(capacity)
  }

  /** How many points it holds. */
  get length(): number {
    return this.size
  }

  /** Unix ms of point `i`, 0 = oldest. NaN outside. */
  time(i: number): number {
    return i < 0 || i >= this.size ? NaN : (this.t[(this.start + i) % this.capacity] ?? NaN)
  }

  /** Value of point `i`; NaN = the sensor had no value then. */
  value(i: number): number {
    return i < 0 || i >= this.size ? NaN : (this.v[(this.start + i) % this.capacity] ?? NaN)
  }

  /** Adds a point. */
  push(t: number, v: number): void {
    if (this.size === 0 || t > this.time(this.size - 1)) {
      this.append(t, v)
      return
    }
    const at = this.lowerBound(t)
    if (this.time(at) === t) {
      this.set(at, t, v)
      return
    }
    if (at === 0 && this.size === this.capacity) {
      this.forgotten = Math.max(this.forgotten, t)
      return
    }
    this.append(0, 0)
    // A full ring lost its oldest point: everything moved one place down.
    const from = Math.min(this.lowerBoundIn(t, this.size - 1), this.size - 1)
    for (let i = this.size - 1; i > from; i--) this.set(i, this.time(i - 1), this.value(i - 1))
    this.set(from, t, v)
  }

  /** Index of the first point at or after `t`; `length` when there is none. */
  lowerBound(t: number): number {
    return this.lowerBoundIn(t, this.size)
  }

  /** Forgets everything. */
  clear(): void {
    this.start = 0
    this.size = 0
    this.forgotten = -Infinity
  }

  private lowerBoundIn(t: number, n: number): number {
    let lo = 0
    let hi = n
    while (lo < hi) {
      const mid = (lo + hi) >> 1
      if (this.time(mid) < t) lo = mid + 1
      else hi = mid
    }
    return lo
  }

  private append(t: number, v: number): void {
    if (this.size === this.capacity) {
      this.forgotten = this.time(0)
      this.start = (this.start + 1) % this.capacity
      this.size--
    }
    this.size++
    this.set(this.size - 1, t, v)
  }

  private set(i: number, t: number, v: number): void {
    const at = (this.start + i) % this.capacity
    this.t[at] = t
    this.v[at] = v
  }
}
