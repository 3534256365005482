import type { RetentionRule, Storage } from '../../wire/schema.gen'
import type { Fleet } from '../../live/fleet'
import type { Format } from '../../wire/storage'
import { channelName } from '../format'
import { bytesPerReading, cardWear, keptDays, outlook } from '../../live/storagePace'

/** U+00A0: stands between a number and its unit. */
const GAP = '\u00a0'

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

/** A number and its unit apart, so that the unit can be set smaller. */
export interface Amount {
  readonly text: string
  readonly unit: string
}

/** Bytes as disks are sold, in thousands, with two digits that matter: `{text: "1.2", unit: "GB"}`. */
export function bytesApart(n: number): Amount {
  let v = Math.max(0, n)
  let i = 0
  // 999.5 would be shown as 1000.
  while (v >= (i === 0 ? 1000 : 999.5) && i < units.length - 1) {
    v /= 1000
    i++
  }
  return { text: v < 9.95 && i > 0 ? v.toFixed(1) : String(Math.round(v)), unit: units[i] ?? '' }
}

/** The same in one string: "1.2 GB". */
export function bytes(n: number): string {
  const { text, unit } = bytesApart(n)
  return text + GAP + unit
}

const plain = new Intl.NumberFormat('en')

/** How many, as people say it: "812", "12,480", "31.4 million". */
export function countApart(n: number): Amount {
  for (const [size, unit] of [
    [1e9, 'billion'],
    [1e6, 'million'],
  ] as const)
    // prettier-ignore
    if (n >= size) return { text: n < 99.95 * size ? (n / size).toFixed(1) : String(Math.round(n / size)), unit }
  return { text: plain.format(Math.round(n)), unit: '' }
}

/** The same in one string. */
export function count(n: number): string {
  const { text, unit } = countApart(n)
  return unit ? text + GAP + unit : text
}

/** Readings, counted: "1 reading", "31.4 million readings". */
export function readings(n: number): string {
  return n === 1 ? '1 reading' : `${count(n)} readings`
}

/** Nobody plans further, in years. */
const FAR_YEARS = 100

/** A long time, from days, as people plan: "today", "5 days", "7 weeks", "9 months", "14 years". */
export function longTimeApart(days: number): Amount {
  const years = days / 365.25
  if (years > FAR_YEARS) return { text: `>${GAP}${String(FAR_YEARS)}`, unit: 'years' }
  if (years >= 9.95) return { text: String(Math.round(years)), unit: 'years' }
  if (years >= 1.95) return { text: trim(years), unit: 'years' }
  if (days >= 90) return { text: String(Math.round(days / 30.44)), unit: 'months' }
  if (days >= 20) return { text: String(Math.round(days / 7)), unit: 'weeks' }
  const whole = Math.floor(days)
  return whole === 1 ? { text: '1', unit: 'day' } : { text: String(whole), unit: 'days' }
}

/** The same in words: "14 years", "more than 100 years", "less than a day". */
export function longTime(days: number): string {
  if (days < 1) return 'less than a day'
  if (days / 365.25 > FAR_YEARS) return `more than ${String(FAR_YEARS)}${GAP}years`
  const { text, unit } = longTimeApart(days)
  return text + GAP + unit
}

function trim(v: number): string {
  return v.toFixed(1).replace(/\.0$/, '')
}

/** How the store stands. `tone` is the look: quiet, warn or bad. */
export interface Standing {
  readonly tone: 'quiet' | 'warn' | 'bad'
  readonly head: string
  readonly text: string
}

/** How the store stands, in words. */
export function standing(s: Storage, now: number): Standing {
  const said = s.message ?? ''
  if (s.state === 'full') {
    const text =
      said || 'Nothing new is kept until there is room. Devices hold their readings back meanwhile.'
    return { tone: 'bad', head: 'The disk is full', text }
  }
  if (s.state === 'tight') {
    const text = said || 'The oldest readings are deleted to make room for new ones.'
    const overBudget = s.budget_bytes !== undefined && s.file_bytes > s.budget_bytes
    return {
      tone: 'warn',
      head: overBudget ? 'The storage budget is used up' : 'The disk is nearly full',
      text,
    }
  }
  return { tone: 'quiet', head: 'All well', text: said || paceWords(s, now) }
}

/** Whether the store is too new to know its pace: that is measured over a day. */
export function isNew(s: Storage, now: number): boolean {
  return s.growth_per_day <= 0 && keptDays(s, now) < 1
}

/** What comes of the present pace. */
export function paceWords(s: Storage, now: number): string {
  const { days, limit } = outlook(s)
  if (s.readings === 0) return 'There are no readings yet.'
  if (isNew(s, now)) return 'It is too new to say how it grows.'
  if (days === undefined) return 'The store does not grow at present.'
  const long = longTime(days)
  if (limit === 'disk') return `At this pace the disk is full in ${long}.`
  return `At this pace its ${bytes(s.budget_bytes ?? 0)} are used up in ${long}; then the oldest readings make room.`
}

/** What is assumed of the card, in words. */
export function assumption(s: Storage, now: number): string {
  const { cycles } = cardWear(s, now)
  const total = bytes(s.wear.endurance_bytes)
  if (s.wear.endurance_bytes <= 0) return 'How much this card bears is not known.'
  const size = cycles >= 1.5 ? `, ${count(Math.round(cycles))} times its size` : ''
  return `This takes the card to be good for ${total} of writing in all${size}. Most cards bear that; a solid-state disk bears more.`
}

/** Bytes per reading with one decimal: "1.1"; "–" without readings. */
export function perReading(s: Storage): string {
  const n = bytesPerReading(s)
  return n === undefined ? '–' : n < 99.95 ? n.toFixed(1) : String(Math.round(n))
}

/** The lengths people choose from, in days; 0 = for ever. */
export const lengths: readonly number[] = [7, 30, 90, 365, 730, 1826, 3652, 0]

const named: Record<number, string> = {
  0: 'for ever',
  365: '1 year',
  730: '2 years',
  731: '2 years',
  1826: '5 years',
  1825: '5 years',
  3652: '10 years',
  3650: '10 years',
}

/** How long readings are kept: "90 days", "2 years", "for ever". */
export function keptFor(days: number): string {
  return named[days] ?? (days === 1 ? '1 day' : `${plain.format(days)} days`)
}

/** What a rule is for, in the names people gave. */
export function scopeWords(rule: RetentionRule, device: string, channel: string): string {
  if (!rule.device) return rule.ch ? `Every ${rule.ch}` : 'Every device'
  return rule.ch ? `${device}, ${channel}` : device
}

/** A device by the name people gave it; one that is gone by its id. */
export function deviceWords(fleet: Fleet, id: string | undefined): string {
  return fleet.devices.get(id ?? '')?.name ?? id ?? ''
}

/** A channel of a device as people call it; one that is gone by its id. */
export function channelWords(fleet: Fleet, device: string | undefined, ch: string | undefined): string {
  const [entity = '', channel = ''] = (ch ?? '').split('.')
  const found = fleet.devices.get(device ?? '')?.entities.get(entity)
  return found ? channelName(found.spec, channel) : (ch ?? '')
}

/** What of the past is taken along: days back from now. */
export const exportSpans = [
  { value: '1', words: 'The last day' },
  { value: '7', words: 'The last 7 days' },
  { value: '30', words: 'The last 30 days' },
  { value: '365', words: 'The last year' },
  { value: 'all', words: 'Everything' },
  { value: 'days', words: 'From one day to another' },
] as const

/** Kinds of files, by what opens them. */
export const exportFormats: readonly { value: Format; words: string }[] = [
  { value: 'csv', words: 'CSV, for spreadsheets' },
  { value: 'parquet', words: 'Parquet, for data tools' },
  { value: 'ndjson', words: 'NDJSON, for programs' },
  { value: 'senml', words: 'SenML (RFC 8428)' },
]
