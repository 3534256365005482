import type { Presence } from '../wire/schema.gen'
import type { ChannelModel } from './channel'
import { type Asked, isFailure, isOver, SLOW_MS } from './commands'
import { freshness } from './freshness'

/** How far a tile can be believed and what it is waiting for. `is` is also the value of data-state. */
export type Status =
  | { readonly is: 'live' }
  | { readonly is: 'loading' }
  | { readonly is: 'stale'; readonly why: 'age' | 'fault' | 'range' | 'source'; readonly since: number }
  | { readonly is: 'offline'; readonly since: number }
  | { readonly is: 'never' }
  | { readonly is: 'pending' | 'slow' | 'failed'; readonly asked: Asked }

/** What a status is made of. Times: now in Unix ms of the hub, mono in monotonic ms of the page. */
export interface Evidence {
  readonly channel: ChannelModel | undefined
  readonly presence: Presence
  /** Wishes of this page to the entity's channels. */
  readonly asked: readonly Asked[]
  readonly now: number
  readonly mono: number
}

/** The one place that decides how an entity is shown. A command in doubt comes before age: somebody is waiting for it. */
export function status(e: Evidence): Status {
  const newest = e.asked.reduce<Asked | undefined>((a, b) => (a && a.askedAt > b.askedAt ? a : b), undefined)
  if (newest && !isOver(newest.state)) {
    return { is: e.mono - newest.askedAt >= SLOW_MS ? 'slow' : 'pending', asked: newest }
  }
  if (newest && isFailure(newest.state)) return { is: 'failed', asked: newest }
  if (e.presence.state === 'never') return { is: 'never' }
  if (e.presence.state === 'offline') return { is: 'offline', since: e.presence.since_ms }
  return age(e)
}

function age({ channel, now }: Evidence): Status {
  const reading = channel?.reading
  if (!channel || !reading) return { is: 'never' }
  const since = channel.last?.t ?? reading.t
  if (reading.quality === 'fault') return { is: 'stale', why: 'fault', since }
  if (reading.quality === 'range') return { is: 'stale', why: 'range', since }
  if (reading.quality === 'stale') return { is: 'stale', why: 'source', since }
  if (freshness(now - reading.t, channel.intervalMs) === 'live') return { is: 'live' }
  return { is: 'stale', why: 'age', since: reading.t }
}
