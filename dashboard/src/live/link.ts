import type { LiveWelcome } from '../wire/schema.gen'
import type { LinkState } from '../wire/socket'
import type { Timers } from '../wire/timers'
import { type Flush, Model } from './flush'

/** A page without link for this long, in ms, no longer shows the present and says so. */
export const VIEW_STALE_MS = 3_000
/** After the link is back, what arrives first may take this long, in ms; until then nothing is called old for our own silence. */
const SETTLE_MS = 1_500
/** Weight of the newest measurement in the smoothed round trip and clock offset. */
const SMOOTH = 0.3

/**
 * LinkModel is how the page itself stands to the hub: not whether a socket is open, but whether what is shown is the present.
 */
export class LinkModel extends Model {
  state: LinkState = { is: 'connecting', failures: 0 }
  /** Round trip in ms, smoothed; undefined until measured. */
  rttMs: number | undefined
  /** Unix ms of the hub up to which everything shown was current; 0 = nothing was ever received. */
  asOf = 0
  /** Version of the hub's program at the first welcome. */
  version = ''
  /** True when the hub now runs another version than the one this page came from. */
  outdated = false
  /** Name of the hub. */
  hub = ''
  private offset = 0
  private measured = false
  /** Unix ms of the hub when the link was last lost; 0 = never. */
  private lastHeld = 0
  private lostAt: number | undefined
  private cancel: (() => void) | undefined

  constructor(
    flush: Flush,
    private readonly timers: Timers,
  ) {
    super(flush)
    this.lostAt = timers.mono()
  }

  /** The hub's clock, Unix ms. */
  now(): number {
    return this.timers.wall() + this.offset
  }

  /**
   * The time, Unix ms of the hub, at which what is shown is to be judged: now, or, while the page itself has no link, the last moment
   * it had one. A device is not silent because we do not hear it.
   */
  judged(): number {
    const settled = this.state.is === 'open' && this.timers.mono() - this.state.since >= SETTLE_MS
    return settled || this.lastHeld === 0 ? this.now() : Math.min(this.now(), this.lastHeld)
  }

  /** True when what is shown is no longer the present. */
  get stale(): boolean {
    return this.lostAt !== undefined && this.timers.mono() - this.lostAt >= VIEW_STALE_MS
  }

  /** True when nothing can be asked for. */
  get down(): boolean {
    return this.state.is !== 'open'
  }

  /** Takes the state of the connection. */
  become(state: LinkState): void {
    const was = this.state.is
    this.state = state
    if (state.is === 'open') {
      this.lostAt = undefined
      this.cancel?.()
    } else if (was === 'open' || this.lostAt === undefined) {
      this.lostAt = this.timers.mono()
      this.lastHeld = this.asOf
      this.cancel = this.timers.after(VIEW_STALE_MS, () => {
        this.changedNow()
      })
    }
    this.changedNow()
  }

  /** Takes the hub's greeting. */
  welcome(w: LiveWelcome): void {
    if (this.version !== '' && this.version !== w.version) this.outdated = true
    if (this.version === '') this.version = w.version
    this.hub = w.hub_id
    this.changedNow()
  }

  /** Takes a measured round trip (NaN = only the clock is known) and clock offset, in ms. */
  measure(rttMs: number, offsetMs: number): void {
    if (!this.measured || Math.abs(offsetMs - this.offset) > 1_000) this.offset = offsetMs
    else this.offset += SMOOTH * (offsetMs - this.offset)
    this.measured = true
    if (Number.isNaN(rttMs)) return
    this.rttMs = this.rttMs === undefined ? rttMs : this.rttMs + SMOOTH * (rttMs - this.rttMs)
    this.heard()
  }

  /** Something came from the hub: what is shown is current. */
  heard(): void {
    this.asOf = this.now()
    this.changed()
  }
}
