import type { Channel, LiveSeries, Quality, TimeQuality, Value } from '../wire/schema.gen'
import { type Flush, Model } from './flush'
import { Ring } from './ring'
import { Trail } from './spark'

/** Points a tap keeps: a quarter of an hour at 2 Hz, or 16 s of a 125 Hz waveform. 32 KB of memory. */
const TAP_POINTS = 2048

/** One reading as it stands. */
export interface Reading {
  readonly value: Value
  readonly quality: Quality
  /** Unix ms of the hub's clock. */
  readonly t: number
}

/** Somebody who wants every reading of a channel and not only the newest: a chart. */
export interface Tap {
  readonly ring: Ring
  close(): void
}

/**
 * ChannelModel is one channel as the page knows it: the newest reading, the newest that had a value, an hour for the
 * sparkline, and, while a chart is open, every reading.
 */
export class ChannelModel extends Model {
  /** The newest reading; undefined until there is one. */
  reading: Reading | undefined
  /** The newest reading with a value: what to show as "last" when the sensor fails. */
  last: Reading | undefined
  /** How the time of the newest reading was found. */
  time: TimeQuality = 'synced'
  /** The last hour, only of channels with numbers that are no waveform. */
  trail: Trail | undefined
  /** Unix ms since which it has its present value; undefined = not known. Not kept for numbers. */
  since: number | undefined
  private readonly taps = new Set<Ring>()

  constructor(
    flush: Flush,
    /** Wire id, "<entity>.<channel>". */
    readonly id: string,
    public spec: Channel,
  ) {
    super(flush)
    this.describe(spec)
  }

  /** Takes a new description of the same channel. */
  describe(spec: Channel): void {
    const before = this.spec
    this.spec = spec
    const waveform = (spec.step_us ?? 0) > 0
    if (spec.type !== 'number' || waveform) this.trail = undefined
    else if (!this.trail || before.interval_ms !== spec.interval_ms)
      this.trail = new Trail(spec.interval_ms ?? 0)
  }

  /** The interval at which readings are expected, in ms; 0 = no rhythm. */
  get intervalMs(): number {
    return (this.spec.step_us ?? 0) > 0 ? 1000 : (this.spec.interval_ms ?? 0)
  }

  /** Takes readings of a snapshot or delta. t0: Unix ms that the offsets count from. Older ones than the newest are only history. */
  apply(series: LiveSeries, t0: number): void {
    series.v.forEach((value, i) => {
      const t = t0 + offset(series, i)
      this.take({ value, t, quality: series.q?.[i] ?? 'ok' })
    })
    this.time = series.time ?? 'synced'
    this.changed()
  }

  /** Takes one value that was read back by a command, before the reading itself arrives. */
  confirm(value: Value, t: number): void {
    if (value === null || (this.reading && this.reading.t > t)) return
    this.take({ value, t, quality: 'ok' })
    this.changedNow()
  }

  /** Begins to keep every reading; close it when done. */
  tap(): Tap {
    const ring = new Ring(TAP_POINTS)
    this.taps.add(ring)
    return {
      ring,
      close: () => {
        this.taps.delete(ring)
      },
    }
  }

  /** Tells the listeners although no reading came: the sparkline was filled. */
  refreshed(): void {
    this.changed()
  }

  private take(reading: Reading): void {
    const { value, t } = reading
    if (this.reading?.t === t && this.reading.value === value) return // a snapshot repeats what is known
    if (typeof value !== 'string') {
      const v = value === null ? NaN : Number(value)
      for (const ring of this.taps) ring.push(t, v)
      if (typeof value === 'number') this.trail?.add(t, value)
    }
    if (!this.reading || t >= this.reading.t) this.reading = reading
    if (
      typeof value !== 'number' &&
      value !== null &&
      this.last &&
      value !== this.last.value &&
      t > this.last.t
    )
      this.since = t
    if (value !== null && (!this.last || t >= this.last.t)) this.last = reading
  }
}

/** Time of reading i in ms after the frame's t0; the rule of the schema's Series. */
function offset(series: LiveSeries, i: number): number {
  const step = series.step_us ?? 0
  if (step > 0) return (series.dt_ms?.[0] ?? 0) + (i * step) / 1000
  return series.dt_ms?.[i] ?? 0
}
