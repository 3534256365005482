import { expect, test } from 'vitest'
import type { Column } from '../../live/merge'
import { csvOf } from './csv'

const column = (points: [number, number | null][]): Column => ({
  t: points.map(([t]) => t),
  mean: points.map(([, v]) => v),
  min: points.map(([, v]) => (v === null ? null : v - 1)),
  max: points.map(([, v]) => (v === null ? null : v + 1)),
})

test('single readings: one row per time, an empty cell where a line has nothing, silences left out', () => {
  const a = column([[0, 1], [1_000, null], [2_000, 0.1 + 0.2], [9_000, 5]]) // prettier-ignore
  const b = column([[1_000, 7]])
  const lines = [{ name: 'Air', unit: '°C', column: a }, { name: 'Say "hi", =x', unit: '', column: b }] // prettier-ignore
  expect(csvOf(lines, 0, 0, 5_000)).toBe(
    'time,Air (°C),"Say ""hi"", =x"\r\n' +
      '1970-01-01T00:00:00.000Z,1,\r\n' +
      '1970-01-01T00:00:01.000Z,,7\r\n' +
      '1970-01-01T00:00:02.000Z,0.3,\r\n',
  )
})

test('buckets have their extremes, and a name is never a formula', () => {
  const lines = [{ name: '=cmd()', unit: '', column: column([[0, 2]]) }]
  expect(csvOf(lines, 60_000, 0, 1)).toBe(
    "time,'=cmd() mean,'=cmd() min,'=cmd() max\r\n1970-01-01T00:00:00.000Z,2,1,3\r\n",
  )
  expect(csvOf([{ name: 'x', unit: '', column: column([[0, -2]]) }], 0, 0, 1)).toContain('Z,-2\r\n')
})
