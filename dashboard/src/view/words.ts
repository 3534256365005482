import type { Asked } from '../live/commands'
import type { EntityModel } from '../live/device'
import type { Status } from '../live/status'
import type { Channel, Presence, Value } from '../wire/schema.gen'
import { ago, clock, duration, sentence, showText } from './format'
import { icon } from './icons'

/** A line about a state: what it says and the picture beside it. */
export interface Words {
  readonly text: string
  /** SVG path; "" = none. */
  readonly icon: string
  /** The whole story, for a tooltip and the device's page. */
  readonly more: string
}

/** What a tile says about its state; undefined while everything is as it should be. */
export function statusWords(entity: EntityModel, status: Status): Words | undefined {
  const now = entity.now()
  switch (status.is) {
    case 'live':
    case 'loading':
      return undefined
    case 'stale':
      return staleWords(status, now)
    case 'offline': {
      const text = `offline since ${clock(status.since, now)}`
      return {
        text,
        icon: icon.offline,
        more: `The device is not connected. It was last there ${ago(status.since, now)}.`,
      }
    }
    case 'never':
      return neverWords(entity, now)
    case 'pending':
      return { text: `${doing(entity, status.asked)}…`, icon: '', more: stateWords(status.asked) }
    case 'slow':
      return { text: 'Still waiting for the device', icon: '', more: stateWords(status.asked) }
    case 'failed':
      return {
        text: failure(status.asked),
        icon: icon.failed,
        more: status.asked.message || failure(status.asked),
      }
  }
}

function staleWords(status: Extract<Status, { is: 'stale' }>, now: number): Words {
  const age = duration(now - status.since)
  const text = {
    age: `no reading for ${age}`,
    fault: `sensor silent for ${age}`,
    range: 'outside its range',
    source: 'repeats an old value',
  }[status.why]
  const more = {
    age: `No reading came for ${age}, though the device is connected.`,
    fault: 'The device asks the sensor and gets no answer.',
    range: 'The sensor reports something it cannot measure.',
    source: 'The device says that this value is not new.',
  }[status.why]
  return { text, icon: icon.stale, more }
}

function neverWords(entity: EntityModel, now: number): Words {
  const { presence, info } = entity.device
  if (presence.state !== 'online') {
    return {
      text: `paired ${ago(info.paired_ms, now)}`,
      icon: '',
      more: 'The device was paired and has not sent anything yet.',
    }
  }
  return {
    text: 'waiting for the first',
    icon: '',
    more: 'The device is connected and has not sent a reading of this yet.',
  }
}

function spec(entity: EntityModel, asked: Asked): Channel | undefined {
  return entity.channels.get(asked.channel)?.spec
}

/** What is being done, "Turning on", "Setting 21.5 °C". */
function doing(entity: EntityModel, asked: Asked): string {
  if (asked.op === 'pulse') return 'Pressing'
  const channel = spec(entity, asked)
  if (typeof asked.value === 'boolean') {
    if (entity.spec.kind === 'cover') return asked.value ? 'Opening' : 'Closing'
    if (entity.spec.kind === 'lock') return asked.value ? 'Locking' : 'Unlocking'
    return asked.value ? 'Turning on' : 'Turning off'
  }
  return channel ? `Setting ${valueWords(entity, channel, asked.value)}` : 'Asking'
}

function valueWords(entity: EntityModel, channel: Channel, value: Value): string {
  return typeof value === 'string' ? value.replaceAll('_', ' ') : showText(entity.spec, channel, value)
}

/** How it failed, in two or three words. */
export function failure(asked: Asked): string {
  switch (asked.state) {
    case 'rejected':
      return 'Refused'
    case 'expired':
      return 'Not delivered'
    case 'unknown':
      return 'May have happened'
    case 'unanswered':
      return 'No answer'
    default:
      return 'Did not work'
  }
}

/** Where a wish stands, in a sentence. */
function stateWords(asked: Asked): string {
  switch (asked.state) {
    case 'asking':
      return 'The hub was asked.'
    case 'queued':
      return 'The hub keeps it until the device is free.'
    case 'sent':
      return 'The hub sent it to the device.'
    case 'received':
      return 'The device has it.'
    case 'running':
      return 'The device is doing it.'
    default:
      return asked.message
  }
}

/** A sentence for screen readers when a wish of this page ended. */
export function endWords(name: string, asked: Asked): string {
  if (asked.state === 'done') return `${name}: done.`
  if (asked.state === 'canceled') return ''
  return `${name}: ${failure(asked).toLowerCase()}. ${sentence(asked.message)}`
}

/** A device whose history ends this long ago, in ms, is behind. */
const BEHIND_MS = 120_000

/** What deserves to be known of a device's link, worst first: what is late, what the clock is, how quick it is. */
export function linkWords(p: Presence, now: number): { text: string; bad: boolean }[] {
  const out: { text: string; bad: boolean }[] = []
  if (p.degraded) out.push({ text: p.degraded, bad: true })
  if (p.state !== 'online') return out
  if (p.backlog) out.push({ text: `${String(p.backlog)} to deliver`, bad: true })
  else if (p.complete_to_ms && now - p.complete_to_ms > BEHIND_MS)
    out.push({ text: `complete to ${clock(p.complete_to_ms, now)}`, bad: true })
  if (p.clock && p.clock !== 'synced') out.push({ text: 'clock not set', bad: true })
  if (p.rtt_ms)
    out.push({
      text: `${p.rtt_ms < 10 ? p.rtt_ms.toFixed(1) : String(Math.round(p.rtt_ms))}\u00a0ms`,
      bad: false,
    })
  return out
}

/** Why a control cannot be used now; "" = it can. */
export function reasonOff(entity: EntityModel, linkDown: boolean): string {
  if (linkDown) return 'Not connected to the hub'
  if (entity.device.presence.state === 'offline') return 'The device is offline'
  if (entity.device.presence.state === 'never') return 'The device was never connected'
  return ''
}

/** Who moved it last: "by Anna, 10 s ago"; "" when nobody did since the page knows it. */
export function movedBy(entity: EntityModel, channels: readonly string[]): string {
  let best = ''
  let at = 0
  for (const name of channels) {
    const slot = entity.slot(name)
    const last = slot.latest
    const when = last?.log.at(-1)?.at_ms ?? 0
    if (last?.state !== 'done' || when <= at) continue
    at = when
    const who = slot.mine?.key === last.key || last.actor === 'local' ? '' : `by ${last.actor}, `
    const proof = last.proof === 'none' ? ', not read back' : ''
    best = `${who}${ago(when, entity.now())}${proof}`
  }
  return best
}
