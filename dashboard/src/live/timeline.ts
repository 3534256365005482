import type { Api } from '../wire/http'
import type { GapRecord, History, HistorySeries } from '../wire/schema.gen'
import type { Timers } from '../wire/timers'
import type { ChannelModel, Tap } from './channel'
import type { DeviceModel } from './device'
import { type Flush, Model } from './flush'
import { type Column, join } from './merge'

/** What a chart looks at: the last `span` ms up to now, or a fixed part of the past. Times in Unix ms. */
export type Window =
  | { readonly live: true; readonly span: number }
  | { readonly live: false; readonly from: number; readonly to: number }

/** What a timeline needs of the rest. */
export interface TimelineEnv {
  readonly api: Pick<Api, 'history'>
  readonly timers: Timers
  readonly flush: Flush
  /** The hub's clock, Unix ms. */
  now(): number
}

/** Where the last question about the past stands. */
export type Loading = 'loading' | 'ready' | { readonly failed: string }

/** A live chart is redrawn this often at most, in ms. */
const REDRAW_MS = 250
/** What was committed just after the first answer is asked for again after this time, in ms. */
const SETTLE_MS = 3_000
/** A live chart asks for the past again this often at least, in ms: what the tail holds is bounded. */
const REFRESH_MS = 60_000
/** Changes of the past come in bursts; one question per this many ms. */
const CHANGED_MS = 1_000

/**
 * Timeline is some channels of one device over a stretch of time: history from the hub and what follows live, in one piece.
 *
 * It begins to keep live readings before it asks for history, so nothing falls between the two. It asks again when the past
 * changed (backfill, readings left out, a resumed link). Close it when the chart is gone.
 */
export class Timeline extends Model {
  loading: Loading = 'loading'
  private window: Window = { live: true, span: 3_600_000 }
  private history: History | undefined
  private taps = new Map<string, Tap>()
  private channels: readonly ChannelModel[] = []
  private points = 600
  private past: number
  private asking: AbortController | undefined
  private cancelAsk: (() => void) | undefined
  private cancelDraw: (() => void) | undefined
  private readonly unsubscribe: () => void

  /** earlier: look this many ms further back than asked, and give the result the times asked for, to be laid over the present. */
  constructor(
    private readonly env: TimelineEnv,
    private readonly device: DeviceModel,
    private readonly earlier = 0,
  ) {
    super(env.flush)
    this.past = device.past
    this.unsubscribe = device.subscribe(() => {
      if (device.past === this.past) return
      this.past = device.past
      this.askIn(CHANGED_MS)
    })
    this.redraw()
  }

  /** What is looked at. */
  get view(): Window {
    return this.window
  }

  /** The window now, Unix ms. */
  range(): { from: number; to: number } {
    if (!this.window.live) return this.window
    const to = this.env.now()
    return { from: to - this.window.span, to }
  }

  /** Chooses channels, window and how many points fit. Asks the hub for what is needed. */
  show(channels: readonly ChannelModel[], window: Window, points: number): void {
    this.channels = channels
    this.window = window
    this.points = Math.max(50, Math.min(2000, Math.round(points)))
    const ids = new Set(channels.map((c) => c.id))
    for (const [id, tap] of this.taps) {
      if (ids.has(id)) continue
      tap.close()
      this.taps.delete(id)
    }
    if (this.earlier === 0) for (const c of channels) if (!this.taps.has(c.id)) this.taps.set(c.id, c.tap())
    void this.ask(true)
  }

  /** One column per channel, in the order of `show`. */
  columns(): Column[] {
    const { from, to } = this.range()
    return this.channels
      .map((c) => {
        const history: HistorySeries | undefined = this.history?.series.find((s) => s.ch === c.id)
        return join(history, this.taps.get(c.id)?.ring, {
          bucketMs: this.history?.bucket_ms ?? 0,
          historyTo: this.history?.to_ms ?? -Infinity,
          intervalMs: c.intervalMs,
          from: from - this.earlier,
          to: to - this.earlier,
        })
      })
      .map((c) => (this.earlier === 0 ? c : { ...c, t: c.t.map((t) => t + this.earlier) }))
  }

  /** Known gaps in the window. */
  gaps(): GapRecord[] {
    const { from, to } = this.range()
    const all = [...(this.history?.gaps ?? []), ...this.device.gaps]
    const seen = new Set<string>()
    return all.filter((g) => {
      const key = `${g.epoch ?? ''}/${String(g.first ?? 0)}/${g.ch ?? ''}/${String(g.from_ms)}`
      if (seen.has(key) || g.to_ms < from || g.from_ms > to) return false
      seen.add(key)
      return true
    })
  }

  /** Width of the buckets shown, in ms; 0 = single readings. */
  get bucketMs(): number {
    return this.history?.bucket_ms ?? 0
  }

  /** Asks again at once. */
  retry(): void {
    void this.ask(true)
  }

  /** Ends taps, timers and questions. */
  close(): void {
    this.unsubscribe()
    this.cancelAsk?.()
    this.cancelDraw?.()
    this.asking?.abort()
    for (const tap of this.taps.values()) tap.close()
    this.taps.clear()
  }

  private async ask(fresh: boolean): Promise<void> {
    this.cancelAsk?.()
    this.asking?.abort()
    if (this.channels.length === 0) return
    const asking = new AbortController()
    this.asking = asking
    const { from, to } = this.range()
    // A live window keeps a little more than it shows, because it moves on until the next question.
    const spare = this.window.live ? Math.min(REFRESH_MS, (to - from) / 10) : 0
    const channels = this.channels.map((c) => c.id)
    if (fresh) this.become('loading')
    try {
      const query = {
        device: this.device.id,
        channels,
        from: from - this.earlier - spare,
        to: to - this.earlier + (this.earlier > 0 ? spare : 0),
        points: this.points,
      }
      this.history = await this.env.api.history(query, asking.signal)
      this.become('ready')
      if (this.window.live) this.askIn(fresh ? SETTLE_MS : Math.max(REFRESH_MS, this.bucketMs))
    } catch (err) {
      if (asking.signal.aborted) return
      this.become({ failed: err instanceof Error ? err.message : 'History cannot be read.' })
      this.askIn(5 * SETTLE_MS)
    }
  }

  private askIn(ms: number): void {
    this.cancelAsk?.()
    this.cancelAsk = this.env.timers.after(ms, () => {
      void this.ask(false)
    })
  }

  private become(loading: Loading): void {
    this.loading = loading
    this.changedNow()
  }

  /** Keeps a live window moving, and no faster than people can see. */
  private redraw(): void {
    this.cancelDraw = this.env.timers.after(REDRAW_MS, () => {
      if (this.window.live) this.changed()
      this.redraw()
    })
  }
}
