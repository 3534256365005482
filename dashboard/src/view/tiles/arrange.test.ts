import { expect, test } from 'vitest'
import { seeded } from '../../wire/testing'
import { arrange, type Piece, type Placed, type Size } from './arrange'

const piece = (item: string, size: Size = 'small', grows = 1): Piece<string> => ({ item, size, grows })
const row = (n: number, grows = 1): Piece<string>[] =>
  Array.from({ length: n }, (_, i) => piece(String(i), 'small', grows))
const words = (all: readonly Placed<string>[]): string =>
  all.map((p) => `${p.item}:${String(p.columns)}x${String(p.rows)}`).join(' ')

/** Cells of a grid after CSS has placed the tiles in order, without "dense": "." = a hole. */
function drawn(all: readonly Placed<string>[], columns: number): string[] {
  const cells: string[] = []
  let cursor = 0
  for (const p of all) {
    const fits = (at: number): boolean => {
      if ((at % columns) + p.columns > columns) return false
      for (let r = 0; r < p.rows; r++)
        for (let c = 0; c < p.columns; c++) if (cells[at + r * columns + c]) return false
      return true
    }
    while (!fits(cursor)) cursor++
    for (let r = 0; r < p.rows; r++)
      for (let c = 0; c < p.columns; c++) cells[cursor + r * columns + c] = p.item
  }
  const length = Math.ceil(cells.length / columns) * columns
  return Array.from({ length }, (_, i) => cells[i] ?? '.')
}

test('a row that ends early is filled by those who have a use for it', () => {
  const pieces = [
    piece('t', 'small', 2),
    piece('h', 'small', 2),
    piece('door', 'small', 0),
    piece('lamp', 'wide', 1),
  ]
  expect(words(arrange(pieces, 6))).toBe('t:2x1 h:1x1 door:1x1 lamp:2x1')
})

test('a large tile comes first and the others fill the rows beside it', () => {
  const pieces = [...row(6), piece('lamp', 'wide'), piece('dial', 'large', 0)]
  const got = arrange(pieces, 5)
  expect(got[0]).toMatchObject({ item: 'dial', columns: 2, rows: 2 })
  expect(drawn(got, 5)).not.toContain('.')
})

test('two tiles do not pretend to be a row of five, and one stays as it is', () => {
  expect(words(arrange(row(2), 5))).toBe('0:1x1 1:1x1')
  expect(words(arrange(row(1), 5))).toBe('0:1x1')
  expect(words(arrange(row(4, 0), 5)), 'nobody has a use for it').toBe('0:1x1 1:1x1 2:1x1 3:1x1')
})

test('on a phone wide tiles take both columns and an odd one at the end grows', () => {
  expect(drawn(arrange([...row(3), piece('lamp', 'wide'), piece('dial', 'large')], 2), 2)).not.toContain('.')
  expect(words(arrange([piece('dial', 'large')], 1))).toBe('dial:1x2')
})

test('whatever the tiles: each is there once, in the order CSS draws, and no row but the last has a hole', () => {
  const random = seeded(7)
  const sizes: Size[] = ['small', 'small', 'small', 'wide', 'large']
  for (let round = 0; round < 2_000; round++) {
    const columns = 1 + Math.floor(random() * 7)
    const pieces = Array.from({ length: Math.floor(random() * 16) }, (_, i) =>
      piece(String(i), sizes[Math.floor(random() * sizes.length)], Math.floor(random() * 3)),
    )
    const got = arrange(pieces, columns)
    expect(got.map((p) => p.item).sort()).toEqual(pieces.map((p) => p.item).sort())
    const cells = drawn(got, columns)
    const order = [...new Set(cells.filter((c) => c !== '.'))]
    expect(order, 'reading order').toEqual(got.map((p) => p.item))
    const wide = pieces.some((p) => p.size !== 'small')
    if (!wide) expect(cells.slice(0, -columns)).not.toContain('.')
  }
})
