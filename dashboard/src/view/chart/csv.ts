import type { Column } from '../../live/merge'

/** A line of a chart with its name and unit. */
export interface Named {
  readonly name: string
  readonly unit: string
  readonly column: Column
}

/** What a chart shows, as a table for spreadsheets (RFC 4180). Times are UTC; an empty cell is a silence. from, to: Unix ms. */
export function csvOf(lines: readonly Named[], bucketMs: number, from: number, to: number): string {
  const parts = bucketMs > 0 ? (['mean', 'min', 'max'] as const) : (['mean'] as const)
  const head = ['time']
  for (const { name, unit } of lines) {
    const title = unit ? `${name} (${unit})` : name
    for (const part of parts) head.push(bucketMs > 0 ? `${title} ${part}` : title)
  }
  const rows = new Map<number, string[]>()
  lines.forEach(({ column }, i) => {
    column.t.forEach((t, k) => {
      if (t < from || t > to || column.mean[k] == null) return
      let row = rows.get(t)
      if (!row) rows.set(t, (row = new Array<string>(lines.length * parts.length).fill('')))
      parts.forEach((part, n) => (row[i * parts.length + n] = number(column[part][k])))
    })
  })
  const sorted = [...rows.entries()].sort((a, b) => a[0] - b[0])
  const body = sorted.map(([t, row]) => [new Date(t).toISOString(), ...row])
  return [head, ...body].map((row) => row.map(cell).join(',') + '\r\n').join('')
}

/** As exact as it is, without the tail of binary fractions. */
function number(v: number | null | undefined): string {
  return v == null ? '' : String(Number(v.toPrecision(10)))
}

function cell(text: string): string {
  // A spreadsheet would run a name that begins like a formula.
  const safe = /^[=+@]|^-(?!\d)/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
