import { expect, test } from 'vitest'
import type { Storage } from '../../wire/schema.gen'
import { bytes, count, keptFor, longTime, paceWords, perReading, readings, standing } from './words'

const plain = (s: string): string => s.replaceAll('\u00a0', ' ')

const T = Date.UTC(2026, 10, 1)

const base: Storage = {
  state: 'ok',
  file_bytes: 1e9,
  free_bytes: 20e9,
  disk_bytes: 32e9,
  readings: 1e6,
  reading_bytes: 1.1e6,
  growth_per_day: 4e6,
  wear: {
    written_bytes: 0,
    since_ms: 0,
    per_day_bytes: 0,
    endurance_bytes: 0,
    lasts_days: 0,
    bytes_per_reading: 0,
  },
  retention: [],
}

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [9_949, '9.9 kB'],
  [9_950, '10 kB'],
  [999_499, '999 kB'],
  [999_500, '1.0 MB'],
  [412e6, '412 MB'],
  [1.23e9, '1.2 GB'],
  [32e12, '32 TB'],
  [-5, '0 B'],
])('%d bytes are %s', (n, words) => {
  expect(plain(bytes(n))).toBe(words)
})

test.each([
  [0, '0'],
  [12_480, '12,480'],
  [999_999, '999,999'],
  [31_400_000, '31.4 million'],
  [312_000_000, '312 million'],
  [2_000_000_000, '2.0 billion'],
])('%d is %s', (n, words) => {
  expect(plain(count(n))).toBe(words)
})

test('one reading is not "readings"', () => {
  expect(readings(1)).toBe('1 reading')
  expect(readings(0)).toBe('0 readings')
})

test.each([
  [0.4, 'less than a day'],
  [1, '1 day'],
  [5.9, '5 days'],
  [30, '4 weeks'],
  [200, '7 months'],
  [730.5, '2 years'],
  [1300, '3.6 years'],
  [5114, '14 years'],
  [40_000, 'more than 100 years'],
])('%d days are %s', (days, words) => {
  expect(plain(longTime(days))).toBe(words)
})

test('the store says how it stands in a sentence', () => {
  expect(plain(standing(base, T).text)).toBe('At this pace the disk is full in 14 years.')
  expect(plain(paceWords({ ...base, budget_bytes: 2e9 }, T))).toMatch(
    /^At this pace its 2.0 GB are used up in 8 months/,
  )
  const still = { ...base, growth_per_day: 0 }
  expect(paceWords({ ...still, oldest_ms: T - 2 * 86_400_000 }, T)).toBe(
    'The store does not grow at present.',
  )
  expect(paceWords({ ...still, oldest_ms: T - 60_000 }, T)).toBe('It is too new to say how it grows.')
  expect(paceWords({ ...still, readings: 0 }, T)).toBe('There are no readings yet.')
  expect(standing({ ...base, state: 'tight' }, T).tone).toBe('warn')
  expect(standing({ ...base, state: 'full', message: 'Delete something.' }, T)).toEqual({
    tone: 'bad',
    head: 'The disk is full',
    text: 'Delete something.',
  })
})

test('bytes per reading and how long they are kept', () => {
  expect(perReading(base)).toBe('1.1')
  expect(perReading({ ...base, readings: 0 })).toBe('–')
  expect(perReading({ ...base, reading_bytes: 0 }), 'none is packed yet').toBe('–')
  expect(plain(keptFor(0))).toBe('for ever')
  expect(keptFor(365)).toBe('1 year')
  expect(keptFor(45)).toBe('45 days')
  expect(keptFor(1)).toBe('1 day')
})
