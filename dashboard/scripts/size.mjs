// Measures the built dashboard against its budgets and fails when one is broken. Run after `npm run build`.
import { readdirSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const dist = new URL('../dist/', import.meta.url)
const KB = 1024
/** Budgets in KB, gzip -9, except the font, which is compressed already. */
const budget = { 'initial JS': 60, 'device page': 60, 'storage page': 40, 'all JS': 190, CSS: 15, font: 36 }

const gz = (name) => gzipSync(readFileSync(new URL(name, dist)), { level: 9 }).length / KB
const assets = readdirSync(new URL('assets/', dist)).map((f) => `assets/${f}`)
const js = assets.filter((f) => f.endsWith('.js'))

/** Files with everything they import statically. */
function whole(files) {
  const found = new Set(files)
  for (const file of found) {
    const code = readFileSync(new URL(file, dist), 'utf8')
    for (const m of code.matchAll(/(?:^|[;}])import(?:[^"'();]*?from)?["']\.\/([^"']+\.js)["']/g))
      found.add(`assets/${m[1]}`)
  }
  return [...found]
}

const html = readFileSync(new URL('index.html', dist), 'utf8')
const first = whole([...html.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map((m) => m[1]))
if (first.length === 0) throw new Error('dist/index.html loads no script: run npm run build first')

/** What a page loads besides what is there already. */
function page(...names) {
  const own = names.map((n) => js.find((f) => f.startsWith(`assets/${n}-`)) ?? n)
  return whole(own).filter((f) => !first.includes(f))
}

const sum = (files) => files.reduce((n, f) => n + gz(f), 0)
const seen = {
  'initial JS': sum(first),
  'device page': sum(page('DevicePage', 'plot')),
  'storage page': sum(page('StoragePage')),
  'all JS': sum(js),
  CSS: sum(assets.filter((f) => f.endsWith('.css'))),
  font: Math.max(
    0,
    ...assets.filter((f) => f.endsWith('.woff2')).map((f) => readFileSync(new URL(f, dist)).length / KB),
  ),
}

let broken = 0
for (const [name, kb] of Object.entries(seen)) {
  const over = kb > budget[name]
  if (over) broken++
  console.log(
    `${name.padEnd(12)} ${kb.toFixed(1).padStart(6)} KB  of ${budget[name]} KB${over ? '  OVER BUDGET' : ''}`,
  )
}
const inline = /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/i.exec(html)
if (inline) {
  broken++
  console.log(`index.html has inline code, which the hub's Content-Security-Policy forbids: ${inline[0]}`)
}
process.exit(broken ? 1 : 0)
