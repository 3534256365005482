import type { Window } from '../../live/timeline'

/** The stretches of time that a key chooses. */
export const spans = [
  { id: '15m', words: '15 m', ms: 900_000 },
  { id: '1h', words: '1 h', ms: 3_600_000 },
  { id: '24h', words: '24 h', ms: 86_400_000 },
  { id: '7d', words: '7 d', ms: 604_800_000 },
  { id: '30d', words: '30 d', ms: 2_592_000_000 },
  { id: '1y', words: '1 y', ms: 31_536_000_000 },
] as const

/** What a chart can be laid over: the same stretch some time before. */
export const comparisons = [
  { id: '', words: 'Compare…', ms: 0, name: '' },
  { id: 'hour', words: 'With an hour before', ms: 3_600_000, name: 'an hour before' },
  { id: 'day', words: 'With the day before', ms: 86_400_000, name: 'the day before' },
  { id: 'week', words: 'With the week before', ms: 604_800_000, name: 'the week before' },
] as const

/** Everything a person has chosen of a chart: what is in its address. */
export interface View {
  readonly window: Window
  /** Wire ids of channels; undefined = nobody has chosen. */
  readonly shown: readonly string[] | undefined
  /** Id of a comparison. */
  readonly versus: string
}

/** What is shown when nobody has chosen. */
export const firstView = {
  window: { live: true, span: spans[0].ms },
  shown: undefined,
  versus: '',
} satisfies View

/** The least stretch of time that can be looked at, in ms, and the longest. */
const LEAST_MS = 2_000
const MOST_MS = 400 * 86_400_000

/** A stretch that can be looked at: not too short or long, and as long as asked but not in the future. Unix ms. */
export function within(from: number, to: number, now: number): Window {
  const over = Math.max(0, to - now)
  const end = to - over
  const begin = Math.max(Math.min(from - over, end - LEAST_MS), end - MOST_MS)
  return { live: false, from: begin, to: end }
}

/** Reads a view from the part of an address after "?". What cannot be understood is as if it were not there. */
export function readView(query: string): View {
  const q = new URLSearchParams(query)
  const from = Date.parse(q.get('from') ?? '')
  const to = Date.parse(q.get('to') ?? '')
  const span = spans.find((s) => s.id === q.get('last'))
  const shown = q.get('show')
  const versus = comparisons.find((c) => c.id === q.get('vs'))
  return {
    window:
      to - from >= LEAST_MS
        ? { live: false, from, to }
        : { live: true, span: span?.ms ?? firstView.window.span },
    shown: shown === null ? undefined : shown.split(',').filter(Boolean),
    versus: versus?.id ?? '',
  }
}

/** Writes a view as the part of an address after "?"; "" for what is shown when nobody has chosen. */
export function writeView({ window: w, shown, versus }: View): string {
  const parts: string[] = []
  if (!w.live) parts.push(`from=${iso(w.from)}`, `to=${iso(w.to)}`)
  else if (w.span !== firstView.window.span)
    parts.push(`last=${spans.find((s) => s.ms === w.span)?.id ?? spans[0].id}`)
  if (shown) parts.push(`show=${shown.map(encodeURIComponent).join(',')}`)
  if (versus) parts.push(`vs=${versus}`)
  return parts.join('&')
}

/** A time as people can read it in an address. */
function iso(t: number): string {
  return new Date(Math.round(t)).toISOString().replace('.000Z', 'Z')
}
