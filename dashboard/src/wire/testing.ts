import type { LiveDown, LiveUp } from './frames'
import type { SocketLike } from './socket'
import { engineTimers, type Timers } from './timers'

/** A socket whose other end is the test. */
export class FakeSocket implements SocketLike {
  onopen: (() => void) | null = null
  onmessage: ((e: { data: unknown }) => void) | null = null
  onclose: ((e: { code: number; reason: string }) => void) | null = null
  readonly sent: LiveUp[] = []
  closed = false

  send(text: string): void {
    const parsed = JSON.parse(text) as LiveUp | LiveUp[]
    this.sent.push(...(Array.isArray(parsed) ? parsed : [parsed]))
  }

  close(): void {
    this.closed = true
  }

  /** The hub says something. */
  say(...frames: LiveDown[]): void {
    this.onmessage?.({ data: JSON.stringify(frames.length === 1 ? frames[0] : frames) })
  }

  /** The hub accepts and greets. */
  greet(version = '0.1.0'): void {
    this.onopen?.()
    this.welcome(version)
  }

  /** The hub greets a connection that it accepted before. */
  welcome(version = '0.1.0'): void {
    this.say({
      t: 'welcome',
      hub_id: 'h',
      version,
      now_ms: Date.now(),
      started_ms: 0,
      ping_ms: 25_000,
      credit: 32,
    })
  }

  /** The connection ends. */
  end(code = 1006, reason = ''): void {
    this.onclose?.({ code, reason })
  }

  /** Frames of one kind that were sent, oldest first. */
  of<T extends LiveUp['t']>(t: T): Extract<LiveUp, { t: T }>[] {
    return this.sent.filter((f): f is Extract<LiveUp, { t: T }> => f.t === t)
  }
}

/** The engine's timers, which vitest's fake timers replace, with a chance that the test chooses. */
export function testTimers(random: () => number = () => 0.5): Timers {
  return { ...engineTimers, random }
}

/** A repeatable random number generator (mulberry32). */
export function seeded(seed: number): () => number {
  let a = seed
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
