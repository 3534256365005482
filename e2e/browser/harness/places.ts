import { accessSync, constants } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'

/** The repository. */
export const root = resolve(import.meta.dirname, '../../..')

/** Where reports and screenshots of failures go; `make clean` removes it. */
export const results = join(root, 'coverage/browser')

/** Environment variable that hands the folder of built programs from the set-up to the workers. */
export const BIN = 'TELLTALE_E2E_BIN'

/** A built program. */
export function program(name: string): string {
  const dir = process.env[BIN]
  if (!dir) throw new Error(`${BIN} is not set: the global set-up did not run`)
  return join(dir, name)
}

/** The browser: $CHROMIUM, else Debian's. Errors: none is installed. */
export function chromium(): string {
  const wanted = process.env['CHROMIUM'] ?? 'chromium'
  const dirs = wanted.includes('/') ? [''] : (process.env['PATH'] ?? '').split(delimiter)
  for (const dir of dirs) {
    const path = dir ? join(dir, wanted) : wanted
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // not there: the next folder
    }
  }
  throw new Error(`${wanted} is not installed; on Debian: apt-get install chromium, or name a browser with CHROMIUM=`)
}

/** Flags for a headless browser that talks to nobody but the hub. */
export const chromiumFlags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
