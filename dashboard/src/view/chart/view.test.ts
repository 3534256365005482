import { expect, test } from 'vitest'
import type { Window } from '../../live/timeline'
import { firstView, readView, type View, within, writeView } from './view'

const T = Date.UTC(2026, 10, 24, 20, 15)

test.each<[string, View]>([
  ['', firstView],
  ['last=24h', { ...firstView, window: { live: true, span: 86_400_000 } }],
  [
    'from=2026-11-24T20:15:00Z&to=2026-11-24T20:16:00.250Z&show=air.state,lamp.brightness&vs=week',
    {
      window: { live: false, from: T, to: T + 60_250 },
      shown: ['air.state', 'lamp.brightness'],
      versus: 'week',
    },
  ],
  ['show=', { ...firstView, shown: [] }],
])('an address says the whole view and nothing else: %s', (query, view) => {
  expect(readView(query)).toEqual(view)
  expect(writeView(view)).toBe(query)
})

test('what cannot be understood in an address is as if it were not there', () => {
  for (const query of [
    'from=x&to=y',
    'from=2026-11-24T20:15:00Z',
    'last=3h',
    'vs=tuesday',
    'a&&=%',
    `from=2026-01-02&to=2026-01-01`,
  ])
    expect(readView(query)).toEqual(firstView)
})

const length = (w: Window): number => (w.live ? NaN : w.to - w.from)

test('nobody looks into the future, at less than two seconds or at more than a year and a bit', () => {
  expect(within(T - 5_000, T + 5_000, T)).toEqual({ live: false, from: T - 10_000, to: T })
  expect(length(within(T, T + 1, T + 9_000))).toBe(2_000)
  expect(length(within(T + 1_000, T + 2_000, T))).toBe(2_000)
  expect(length(within(0, T, T))).toBe(400 * 86_400_000)
})
