import { describe, expect, test } from 'vitest'
import type { HistorySeries } from '../wire/schema.gen'
import { seeded } from '../wire/testing'
import { freshness } from './freshness'
import { holes, join, silence } from './merge'
import { Ring } from './ring'
import { Spark, SPARK_BUCKETS } from './spark'

describe('Ring', () => {
  test('keeps the newest points in order, whatever order they come in', () => {
    const random = seeded(1)
    for (let round = 0; round < 50; round++) {
      const capacity = 1 + Math.floor(random() * 20)
      const ring = new Ring(capacity)
      const all = new Map<number, number>()
      for (let i = 0; i < 60; i++) {
        // Mostly ascending, sometimes late or repeated.
        const t = Math.floor(i + (random() < 0.3 ? -random() * 8 : 0))
        const v = random()
        ring.push(t, v)
        const floor = Math.max(
          -Infinity,
          ...[...all.keys()].sort((a, b) => b - a).slice(capacity - 1, capacity),
        )
        if (all.has(t) || all.size < capacity || t > floor) all.set(t, v)
        for (const k of [...all.keys()].sort((a, b) => a - b).slice(0, Math.max(0, all.size - capacity)))
          all.delete(k)
      }
      const want = [...all.entries()].sort((a, b) => a[0] - b[0])
      const got = Array.from({ length: ring.length }, (_, i) => [ring.time(i), ring.value(i)])
      expect(got).toEqual(want)
    }
  })

  test('says what it forgot', () => {
    const ring = new Ring(2)
    ring.push(1, 1)
    ring.push(2, 2)
    expect(ring.forgotten).toBe(-Infinity)
    ring.push(3, 3)
    expect(ring.forgotten).toBe(1)
    ring.push(0, 0)
    expect([ring.time(0), ring.time(1), ring.length]).toEqual([2, 3, 2])
  })
})

describe('Spark', () => {
  test('live readings and history fall into the same buckets', () => {
    const s = new Spark(1_000, 1_000)
    for (let i = 0; i < 60; i++) s.add(100_000 + i * 1_000 + 10, i)
    expect(s.means()).toEqual(Array.from({ length: 60 }, (_, i) => i))
    const times = Array.from({ length: 60 }, (_, i) => 100_000 + i * 1_000)
    s.backfill(times, times.map((_, i) => 1000 + i), [], 159_500) // prettier-ignore
    expect(s.means()[0]).toBe(1000)
    expect(s.means()[58]).toBe(1058)
    expect(s.means()[59]).toBe(59) // the bucket that is not over stays live
  })

  test('a silence that the rhythm does not explain is a hole; without rhythm a value holds', () => {
    const rhythm = new Spark(1_000, 1_000)
    const change = new Spark(1_000, 0)
    for (const s of [rhythm, change]) {
      s.add(0, 5)
      s.advanceTo(30_000)
    }
    expect(rhythm.means().at(-1)).toBeNaN()
    expect(change.means().at(-1)).toBe(5)
    expect(change.means()[0]).toBeNaN() // before the first nothing is known
  })

  test('a long silence forgets everything, also one that is longer than the window', () => {
    const s = new Spark(1_000, 1_000)
    s.add(5_000, 1)
    s.add(5_000 + SPARK_BUCKETS * 5_000, 2)
    expect(s.means().filter((v) => !Number.isNaN(v))).toEqual([2])
  })

  test('the trend is per hour and unknown for a short past', () => {
    const s = new Spark(60_000, 1_000)
    for (let i = 0; i < 60; i++) s.add(i * 60_000, 20 + i / 60)
    expect(s.slopePerHour()).toBeCloseTo(1, 5)
    const young = new Spark(60_000, 1_000)
    for (let i = 0; i < 5; i++) young.add(i * 60_000, i)
    expect(young.slopePerHour()).toBeUndefined()
  })
})

describe('freshness', () => {
  test.each([
    [0, 1_000, 'live'],
    [2_900, 1_000, 'live'],
    [3_100, 1_000, 'stale'],
    [11_000, 1_000, 'old'],
    [19_999, 10_000, 'live'],
    [20_001, 10_000, 'stale'],
    [100_001, 10_000, 'old'],
    [1e9, 0, 'live'],
  ] as const)('an age of %d ms at one reading per %d ms is %s', (age, interval, want) => {
    expect(freshness(age, interval)).toBe(want)
  })
})

function ringOf(points: [number, number][]): Ring {
  const ring = new Ring(1000)
  for (const [t, v] of points) ring.push(t, v)
  return ring
}

describe('join', () => {
  const seam = { bucketMs: 0, historyTo: 10_000, intervalMs: 1_000, from: 0, to: 1e9 }

  test('single readings: nothing twice, nothing missing, wherever the question fell', () => {
    const random = seeded(3)
    const all = Array.from({ length: 100 }, (_, i): [number, number] => [i * 1000, i])
    for (let round = 0; round < 200; round++) {
      const tap = Math.floor(random() * 100)
      // What was committed when the hub answered: at least everything before the tap began.
      const committed = Math.min(100, tap + Math.floor(random() * 30))
      const past = all.slice(0, committed)
      const history: HistorySeries = {
        ch: 'a.state',
        t_ms: past.map(([t]) => t),
        mean: past.map(([, v]) => v),
      }
      const got = join(history, ringOf(all.slice(tap)), { ...seam, historyTo: committed * 1000 })
      expect(got.t).toEqual(all.map(([t]) => t))
      expect(got.mean).toEqual(all.map(([, v]) => v))
    }
  })

  test('buckets: the open bucket takes its live readings, later ones make new buckets', () => {
    const history: HistorySeries = {
      ch: 'a.state', t_ms: [0, 5_000], mean: [1, 2], min: [0, 2], max: [3, 2], count: [5, 2],
    } // prettier-ignore
    const got = join(history, ringOf([[6_000, 9], [7_500, 8], [10_000, 4], [11_000, 6]]), { ...seam, bucketMs: 5_000, historyTo: 7_000 }) // prettier-ignore
    expect(got.t).toEqual([0, 5_000, 10_000])
    expect(got.mean).toEqual([1, 4, 5])
    expect(got.max).toEqual([3, 8, 6])
    expect(got.min).toEqual([0, 2, 4])
  })

  test('buckets may begin anywhere, also before the window, and be of any width', () => {
    for (const first of [0, 1_700, -3_300]) {
      const history: HistorySeries = {
        ch: 'a.state',
        t_ms: [first, first + 5_000],
        mean: [1, 2],
        count: [5, 2],
      }
      const live: [number, number][] = [[first + 9_000, 8], [first + 10_000, 4], [first + 14_999, 6]] // prettier-ignore
      const got = join(history, ringOf(live), { ...seam, bucketMs: 5_000, historyTo: first + 8_000 })
      expect(got.t).toEqual([first, first + 5_000, first + 10_000])
      expect(got.mean).toEqual([1, 4, 5])
      expect(silence([got], first + 100, first + 15_000)).toEqual([])
    }
    const hour = 3_600_000
    const day: HistorySeries = { ch: 'a.state', t_ms: [0, hour, 2 * hour], mean: [1, 2, 3], count: [9, 9, 9] }
    const got = join(day, undefined, {
      ...seam,
      bucketMs: hour,
      historyTo: 3 * hour,
      from: hour + 5,
      to: 3 * hour,
    })
    expect(got.t).toEqual([hour, 2 * hour])
    expect(holes(got)).toEqual([])
  })

  test('a line never crosses a silence', () => {
    const got = join(undefined, ringOf([[0, 1], [1_000, 1], [60_000, 2]]), { ...seam, historyTo: -Infinity }) // prettier-ignore
    expect(got.mean).toEqual([1, 1, null, 2])
    expect(holes(got)).toEqual([{ from: 1_000, to: 60_000 }])
    const rare = join(undefined, ringOf([[0, 1], [60_000, 2]]), { ...seam, historyTo: -Infinity, intervalMs: 0 }) // prettier-ignore
    expect(rare.mean).toEqual([1, 2])
  })

  test('a sensor fault is a hole', () => {
    const got = join(undefined, ringOf([[0, 1], [1_000, NaN], [2_000, 2]]), { ...seam, historyTo: -Infinity }) // prettier-ignore
    expect(got.mean).toEqual([1, null, 2])
  })

  test('keeps one point beyond either edge, so that lines run to the edge', () => {
    const points = Array.from({ length: 10 }, (_, i): [number, number] => [i * 1000, i])
    const got = join(undefined, ringOf(points), { ...seam, historyTo: -Infinity, from: 3_500, to: 6_500 })
    expect(got.t).toEqual([3_000, 4_000, 5_000, 6_000, 7_000])
  })
})
