import type { EntityModel } from '../../live/device'
import type { ChannelModel } from '../../live/channel'
import type { Status } from '../../live/status'
import type { Value } from '../../wire/schema.gen'
import { decimals, show, type Shown, spokenTrend, spokenUnit } from '../format'
import { statusWords, type Words } from '../words'

/** Everything a tile shows of an entity besides its controls. */
export interface Facts {
  readonly status: Status
  readonly words: Words | undefined
  readonly shown: Shown
  readonly before: string
  readonly tone: 'now' | 'quiet' | 'old'
  readonly footTone: 'quiet' | 'warn' | 'bad'
}

/** Reads an entity for its tile. `main` may differ from the entity's main channel. */
export function facts(entity: EntityModel, channel: ChannelModel | undefined = entity.main): Facts {
  const status = entity.status()
  const words = statusWords(entity, status)
  const value = channel?.last?.value
  const shown = channel ? show(entity.spec, channel.spec, value) : { text: '–', unit: '' }
  const offline = status.is === 'offline'
  const empty = status.is === 'never' || (offline && value === undefined)
  const waiting = status.is === 'loading' && value === undefined
  return {
    status,
    words,
    shown: empty ? { text: 'No data yet', unit: '' } : waiting ? { text: '…', unit: '' } : shown,
    before: offline && !empty ? 'last' : '',
    tone:
      offline || empty || waiting
        ? 'old'
        : status.is === 'stale' || status.is === 'loading'
          ? 'quiet'
          : 'now',
    footTone: status.is === 'stale' ? 'warn' : status.is === 'failed' ? 'bad' : 'quiet',
  }
}

/** The tile in a sentence: "Temperature, 21.4 degrees Celsius, rising 0.6 per hour, live". */
export function label(
  entity: EntityModel,
  f: Facts,
  channel: ChannelModel | undefined = entity.main,
): string {
  const perHour = f.status.is === 'live' ? channel?.trail?.slopePerHour() : undefined
  const parts = [
    entity.spec.name,
    f.shown.text === '–' || f.shown.text === '…'
      ? ''
      : [f.before, f.shown.text, f.shown.unit && spokenUnit(f.shown.unit)].filter(Boolean).join(' '),
    channel && f.status.is === 'live' ? spokenTrend(perHour, decimals(channel.spec)) : '',
    f.words ? f.words.text : f.status.is,
  ]
  return parts.filter(Boolean).join(', ')
}

/** The reported value of a channel and what this page asked of it without a confirmation yet. */
export interface Reported<T> {
  readonly value: T | undefined
  readonly asked: T | undefined
}

/** Reads a channel for its control. */
export function reported<T extends Value>(entity: EntityModel, name: string): Reported<T> {
  const channel = entity.channels.get(name)
  const mine = entity.slot(name).mine
  const over =
    !mine ||
    ['done', 'failed', 'rejected', 'expired', 'canceled', 'unknown', 'unanswered'].includes(mine.state)
  return { value: channel?.last?.value as T | undefined, asked: over ? undefined : (mine.value as T) }
}
