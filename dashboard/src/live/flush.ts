import type { Timers } from '../wire/timers'

/** What the flush needs of the page: when it paints. */
export interface Frames {
  /** Runs `run` before the next paint; the returned function cancels it. */
  frame(run: () => void): () => void
  /** Runs `run` once the frame that is being prepared has been painted. */
  painted(run: () => void): void
}

/** The cadences in ms between flushes, fastest first. People cannot read faster than the first; weak machines get the last. */
const CADENCES_MS = [100, 200, 500] as const
/** A flush that needs longer than this until it is on the screen, in ms, slows the cadence down. */
const SLOW_PAINT_MS = 30
/** Calm time, in ms, before the cadence is raised again. */
const CALM_MS = 10_000

/**
 * Flush decides when the views hear of changes.
 *
 * Readings only mark their model; all marked models tell their listeners together, in one frame per slot. What a person
 * waits for (commands, alerts, the link) bypasses the slot and goes out with the next frame. A hidden page hears nothing
 * until it is shown. There is never more than one timer or one frame request under way, so an idle page costs nothing.
 */
export class Flush {
  private dirty = new Set<Model>()
  private cancel: (() => void) | undefined
  private waiting: 'no' | 'slot' | 'frame' = 'no'
  private last = -Infinity
  private level = 0
  private calmSince = 0
  private hidden = false

  constructor(
    private readonly timers: Timers,
    private readonly frames: Frames,
  ) {}

  /** The present cadence in ms. */
  get cadence(): number {
    return CADENCES_MS[this.level] ?? CADENCES_MS[0]
  }

  /** Whether nobody can see the page. */
  get isHidden(): boolean {
    return this.hidden
  }

  /** Tells the model's listeners in the next slot. */
  mark(model: Model): void {
    this.dirty.add(model)
    if (this.hidden || this.waiting !== 'no') return
    const wait = this.last + this.cadence - this.timers.mono()
    if (wait <= 0) {
      this.request()
      return
    }
    this.waiting = 'slot'
    this.cancel = this.timers.after(wait, () => {
      this.request()
    })
  }

  /** Tells the model's listeners in the next frame. */
  markNow(model: Model): void {
    this.dirty.add(model)
    if (this.hidden || this.waiting === 'frame') return
    this.cancel?.()
    this.request()
  }

  /** Stops while the page is hidden; tells everything that waited when it is shown again. */
  setHidden(hidden: boolean): void {
    if (hidden === this.hidden) return
    this.hidden = hidden
    if (hidden) {
      this.cancel?.()
      this.waiting = 'no'
    } else if (this.dirty.size > 0) {
      this.request()
    }
  }

  private request(): void {
    this.waiting = 'frame'
    this.cancel = this.frames.frame(() => {
      this.run()
    })
  }

  private run(): void {
    const started = this.timers.mono()
    this.waiting = 'no'
    this.cancel = undefined
    this.last = started
    const models = this.dirty
    this.dirty = new Set()
    for (const model of models) model.tell()
    this.frames.painted(() => {
      this.adapt(this.timers.mono() - started)
    })
  }

  private adapt(took: number): void {
    const now = this.timers.mono()
    if (took > SLOW_PAINT_MS) {
      this.level = Math.min(this.level + 1, CADENCES_MS.length - 1)
      this.calmSince = now
    } else if (this.level > 0 && now - this.calmSince > CALM_MS) {
      this.level--
      this.calmSince = now
    }
  }
}

/** Something that changes and has listeners. Listeners are called by the flush, never from inside a change. */
export class Model {
  private readonly listeners = new Set<() => void>()

  constructor(protected readonly flush: Flush) {}

  /** Calls `listener` after changes; the returned function ends that. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => {
      this.listeners.delete(listener)
    }
  }

  /** Whether anybody listens. */
  get watched(): boolean {
    return this.listeners.size > 0
  }

  /** Calls all listeners. Only the flush calls this. */
  tell(): void {
    for (const listener of [...this.listeners]) listener()
  }

  protected changed(): void {
    if (this.watched) this.flush.mark(this)
  }

  protected changedNow(): void {
    if (this.watched) this.flush.markNow(this)
  }
}
