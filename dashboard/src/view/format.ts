import type { Channel, Entity, Value } from '../wire/schema.gen'

const formats = new Map<number, Intl.NumberFormat>()

/** U+00A0: stands between a number and its unit. The thin space of our font is too thin to be seen. */
const GAP = '\u00a0'
/** U+2212: the true minus. */
const MINUS = '\u2212'

/** A number with a fixed count of decimals, so that it keeps its width while it changes. */
export function fixed(v: number, decimals: number): string {
  let f = formats.get(decimals)
  if (!f) {
    f = new Intl.NumberFormat('en', {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
      useGrouping: false,
    })
    formats.set(decimals, f)
  }
  const text = f.format(v)
  return text.startsWith('-') ? (Number(text) === 0 ? text.slice(1) : MINUS + text.slice(1)) : text
}

const decimalsByUnit: Record<string, number> = {
  '°C': 1,
  hPa: 1,
  V: 1,
  A: 2,
  kWh: 2,
  Hz: 2,
  'mm/s': 2,
  'm/s²': 2,
  mV: 2,
}

/** Decimals worth showing: the descriptor's precision, else what the unit usually deserves. */
export function decimals(channel: Channel): number {
  return Math.max(
    0,
    Math.min(6, channel.precision ?? decimalsByUnit[channel.unit ?? ''] ?? (channel.unit ? 0 : 1)),
  )
}

/** A value and its unit apart, so that the unit can be set smaller: `{text: "21.4", unit: "°C"}`. */
export interface Shown {
  text: string
  unit: string
}

/** Shows a value of a channel. null becomes "–". */
export function show(entity: Entity, channel: Channel, v: Value | undefined): Shown {
  if (v === null || v === undefined) return { text: '–', unit: '' }
  if (typeof v === 'number') return { text: fixed(v, decimals(channel)), unit: channel.unit ?? '' }
  if (typeof v === 'boolean') return { text: boolWord(entity, v), unit: '' }
  return { text: sentence(v.replaceAll('_', ' ')), unit: '' }
}

/** The same in one string, with a space that does not break: "21.4 °C". */
export function showText(entity: Entity, channel: Channel, v: Value | undefined): string {
  const { text, unit } = show(entity, channel, v)
  return unit ? text + GAP + unit : text
}

const detected = ['Detected', 'Clear'] as const
const opening = ['Open', 'Closed'] as const

/** What on and off of a binary sensor are called, by device class, in Home Assistant's words. */
const words: Record<string, readonly [string, string]> = {
  battery: ['Low', 'Normal'],
  battery_charging: ['Charging', 'Not charging'],
  carbon_monoxide: detected,
  cold: ['Cold', 'Normal'],
  connectivity: ['Connected', 'Disconnected'],
  door: opening,
  garage_door: opening,
  gas: detected,
  heat: ['Hot', 'Normal'],
  light: ['Light detected', 'No light'],
  lock: ['Unlocked', 'Locked'],
  moisture: ['Wet', 'Dry'],
  motion: detected,
  moving: ['Moving', 'Not moving'],
  occupancy: detected,
  opening,
  plug: ['Plugged in', 'Unplugged'],
  power: detected,
  presence: ['Home', 'Away'],
  problem: ['Problem', 'OK'],
  running: ['Running', 'Not running'],
  safety: ['Unsafe', 'Safe'],
  smoke: detected,
  sound: detected,
  tamper: ['Tampering detected', 'Clear'],
  update: ['Update available', 'Up-to-date'],
  vibration: detected,
  window: opening,
}

function boolWord(entity: Entity, v: boolean): string {
  const pair = entity.kind === 'binary_sensor' ? words[entity.device_class ?? ''] : undefined
  if (entity.kind === 'lock') return v ? 'Locked' : 'Unlocked'
  return (pair ?? ['On', 'Off'])[v ? 0 : 1]
}

/** First letter large. */
export function sentence(s: string): string {
  return s.charAt(0).toUpperCase() + s.slice(1)
}

/** A message of a program as a sentence: "There is no room." */
export function asSentence(s: string): string {
  return sentence(/[.!?…]$/.test(s) ? s : `${s}.`)
}

const unitWords: Record<string, string> = {
  '°C': 'degrees Celsius',
  '%': 'percent',
  hPa: 'hectopascals',
  lx: 'lux',
  ppm: 'parts per million',
  W: 'watts',
  V: 'volts',
  A: 'amperes',
  kWh: 'kilowatt hours',
  Hz: 'hertz',
  rpm: 'revolutions per minute',
  'mm/s': 'millimetres per second',
  'm/s²': 'metres per second squared',
  s: 'seconds',
  min: 'minutes',
  MB: 'megabytes',
  'B/s': 'bytes per second',
  dB: 'decibels',
  bpm: 'beats per minute',
  mV: 'millivolts',
}

/** A unit as it is spoken. */
export function spokenUnit(unit: string): string {
  return unitWords[unit] ?? unit
}

/** The trend of a number per hour: "▲ 0.6 /h", "steady", or "" when it is not known yet. */
export function trend(perHour: number | undefined, places: number): string {
  if (perHour === undefined) return ''
  const size = Math.abs(perHour)
  const text = fixed(size, places)
  if (Number(text) === 0) return 'steady'
  return `${perHour > 0 ? '▲' : '▼'} ${text}${GAP}/h`
}

/** The same, spoken: "rising 0.6 per hour". */
export function spokenTrend(perHour: number | undefined, places: number): string {
  if (perHour === undefined) return ''
  const text = fixed(Math.abs(perHour), places)
  if (Number(text) === 0) return 'steady'
  return `${perHour > 0 ? 'rising' : 'falling'} ${text} per hour`
}

/** How long, in words, from ms: "8 s", "4 min", "2 h", "3 days". */
export function duration(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000))
  if (s < 60) return `${String(s)}${GAP}s`
  if (s < 3600) return `${String(Math.floor(s / 60))}${GAP}min`
  if (s < 172_800) return `${String(Math.floor(s / 3600))}${GAP}h`
  return `${String(Math.floor(s / 86_400))} days`
}

/** A time in the past for people: relative under an hour, then the clock, then the date. */
export function ago(t: number, now: number): string {
  const age = now - t
  if (age < 5_000) return 'just now'
  if (age < 3_600_000) return `${duration(age)} ago`
  return `${new Date(t).toDateString() === new Date(now).toDateString() ? 'at' : 'on'} ${clock(t, now)}`
}

/** A clock time, "21:14", with the day in front when it was not today. */
export function clock(t: number, now: number): string {
  const time = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' }).format(t)
  if (new Date(t).toDateString() === new Date(now).toDateString()) return time
  const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' }).format(t)
  return `${day}, ${time}`
}

/** A stretch of time, "24 Nov, 20:15 – 21:00", with as little repeated as can be. */
export function stretchWords(from: number, to: number, now: number): string {
  const short = to - from < 600_000 ? clockSeconds : (t: number): string => clock(t, t)
  const day = clock(from, now).slice(0, -5) // without "20:15"
  const end = new Date(from).toDateString() === new Date(to).toDateString() ? short(to) : clock(to, now)
  return `${day}${short(from)} – ${end}`
}

/** A day, "3 Mar 2025". */
export function date(t: number): string {
  return new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' }).format(t)
}

/** A day and a clock time, "3 Mar 2025, 21:14". */
export function dateTime(t: number): string {
  return `${date(t)}, ${new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' }).format(t)}`
}

/** A clock time with seconds, "21:14:03". */
export function clockSeconds(t: number): string {
  return new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(t)
}

const channelWords: Record<string, string> = {
  state: '',
  current_temperature: 'now',
  target_temperature: 'target',
  hvac_mode: 'mode',
  hvac_action: 'action',
  percentage: 'speed',
}

/** An entity's channel as people call it: "Radiator target", "Floor lamp brightness", "Temperature". */
export function channelName(entity: Entity, channel: string): string {
  return `${entity.name} ${channelWords[channel] ?? channel.replaceAll('_', ' ')}`.trim()
}
