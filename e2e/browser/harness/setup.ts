import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BIN, root } from './places'

/**
 * Builds the programs as they are now, into a folder of their own; TELLTALE_E2E_BIN names a folder of programs to take instead. Errors: the
 * page was never built, or Go says why.
 */
export default function setup(): () => void {
  if (process.env[BIN]) return () => undefined
  if (!existsSync(join(root, 'dashboard/dist/index.html'))) {
    throw new Error('The page is not built. Run `make build` (or `npm ci && npm run build` in dashboard/) first.')
  }
  const dir = mkdtempSync(join(tmpdir(), 'telltale-bin-'))
  try {
    execFileSync('go', ['build', '-o', `${dir}/`, './hub', './device-agent', './firmware-sim'], { cwd: root, stdio: 'inherit' })
  } catch (err) {
    rmSync(dir, { recursive: true, force: true })
    throw err
  }
  process.env[BIN] = dir
  return () => {
    rmSync(dir, { recursive: true, force: true })
  }
}
