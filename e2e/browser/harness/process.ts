import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { program } from './places'

/** How long a program may take to end after SIGTERM, in ms. */
const STOP_MS = 10_000

/** One of our programs as a process of its own, with its output in a file. It dies with the test's process. */
export class Process {
  private child: ChildProcess | undefined
  private ended: Promise<void> = Promise.resolve()

  constructor(
    readonly name: string,
    readonly log: string,
  ) {}

  /** Starts it. Its output is appended to what earlier runs wrote. */
  start(args: readonly string[]): void {
    const out = openSync(this.log, 'a')
    const env = Object.fromEntries(Object.entries(process.env).filter(([k]) => !k.startsWith('TELLTALE_')))
    const child = spawn(program(this.name), args, { stdio: ['ignore', out, out], env })
    closeSync(out)
    const killed = (): void => void child.kill('SIGKILL')
    process.on('exit', killed)
    this.ended = new Promise((resolve) => {
      const over = (): void => {
        process.off('exit', killed)
        resolve()
      }
      child.on('exit', over)
      child.on('error', over)
    })
    this.child = child
  }

  /** Whether it runs. */
  get runs(): boolean {
    return this.child?.exitCode === null && this.child.signalCode === null && this.child.pid !== undefined
  }

  /** Sends a signal to it alone. */
  signal(signal: NodeJS.Signals): void {
    if (this.runs) this.child?.kill(signal)
  }

  /** Kills it as a power cut would, and waits until it is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.ended
  }

  /** Ends it politely; kills it when it does not end, which is an error. */
  async stop(): Promise<void> {
    if (!this.runs) return
    this.signal('SIGTERM')
    const late = Symbol('late')
    let timer: NodeJS.Timeout | undefined
    const first = await Promise.race([this.ended, new Promise((r) => (timer = setTimeout(r, STOP_MS, late)))])
    clearTimeout(timer)
    if (first !== late) return
    await this.kill()
    throw new Error(`${this.name} did not end within ${String(STOP_MS)} ms after SIGTERM:\n${this.tail()}`)
  }

  /** The last lines it wrote. */
  tail(lines = 40): string {
    try {
      return readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
    } catch {
      return '(nothing was written)'
    }
  }
}

/** Waits until `what` returns something that is not undefined. Errors: it did not within the time; the last error is told. */
export async function until<T>(words: string, what: () => Promise<T | undefined>, withinMs: number, whose?: Process): Promise<T> {
  const end = performance.now() + withinMs
  let last: unknown
  for (;;) {
    try {
      const found = await what()
      if (found !== undefined) return found
    } catch (err) {
      last = err
    }
    const dead = whose && !whose.runs
    if (dead || performance.now() > end) {
      const why = dead ? `${whose.name} has ended` : `not within ${String(withinMs)} ms`
      throw new Error(`${words}: ${why}${last ? ` (${String(last)})` : ''}${whose ? `\n${whose.tail()}` : ''}`)
    }
    await new Promise((r) => setTimeout(r, 50))
  }
}
