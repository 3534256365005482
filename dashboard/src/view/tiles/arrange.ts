/** How much of the grid a tile asks for: 1×1, 2×1 or 2×2. */
export type Size = 'small' | 'wide' | 'large'

/** A tile with its size; `grows` says how gladly it takes a column more: 0 = not at all, else the greatest first. */
export interface Piece<T> {
  readonly item: T
  readonly size: Size
  readonly grows: number
}

/** A tile with its place: how many columns and rows it spans, in the order of reading. */
export interface Placed<T> {
  readonly item: T
  readonly columns: number
  readonly rows: number
}

interface Box<T> extends Placed<T> {
  readonly piece: Piece<T>
}

/**
 * Arranges tiles in a grid of `columns` so that no hole stays: large ones come first, and where the last row would end early, tiles that
 * have a use for it (a line over time, a bar to be dragged) take a column more. When there are too few of them, the last row stays short.
 * The order returned is the order on the screen.
 */
export function arrange<T>(pieces: readonly Piece<T>[], columns: number): Placed<T>[] {
  const order = [...pieces].sort((a, b) => Number(b.size === 'large') - Number(a.size === 'large'))
  const plain = order.map((p) => box(p, columns, 0))
  const first = place(plain, columns)
  if (first.holes === 0) return first.placed
  const takers = order.filter((p) => p.grows > 0 && box(p, columns, 1).columns > box(p, columns, 0).columns)
  takers.sort((a, b) => b.grows - a.grows)
  if (first.holes > takers.length) return first.placed
  const growing = new Set(takers.slice(0, first.holes))
  const second = place(
    order.map((p) => box(p, columns, growing.has(p) ? 1 : 0)),
    columns,
  )
  return second.holes === 0 ? second.placed : first.placed
}

function box<T>(piece: Piece<T>, columns: number, more: number): Box<T> {
  const wanted = (piece.size === 'small' ? 1 : 2) + more
  return {
    item: piece.item,
    piece,
    columns: Math.min(columns, wanted),
    rows: piece.size === 'large' ? 2 : 1,
  }
}

/** Fills cell after cell with the first tile that fits there. holes: cells that stay empty up to the last row. */
function place<T>(boxes: readonly Box<T>[], columns: number): { placed: Placed<T>[]; holes: number } {
  const queue = [...boxes]
  const placed: Placed<T>[] = []
  const taken = new Set<number>()
  let holes = 0
  let cell = 0
  for (; queue.length > 0; cell++) {
    if (taken.has(cell)) continue
    const column = cell % columns
    let room = 0
    while (column + room < columns && !taken.has(cell + room)) room++
    const at = queue.findIndex((b) => b.columns <= room)
    const found = at < 0 ? undefined : queue.splice(at, 1)[0]
    if (!found) {
      holes++
      continue
    }
    placed.push(found)
    for (let r = 0; r < found.rows; r++)
      for (let c = 0; c < found.columns; c++) taken.add(cell + r * columns + c)
  }
  const end = Math.max(-1, ...taken)
  for (let rest = cell; rest < Math.ceil((end + 1) / columns) * columns; rest++) if (!taken.has(rest)) holes++
  return { placed, holes }
}
