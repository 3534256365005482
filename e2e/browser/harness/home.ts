import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Hub } from './hub'
import { program } from './places'
import { Process, until } from './process'

const run = promisify(execFile)

/** How long the home may take until every device has sent its first reading, in ms. */
const LIVE_MS = 30_000

/** The devices of the scenario "home". */
export const homeDevices = ['sim-living-room', 'sim-kitchen', 'sim-bedroom', 'sim-garage'] as const

/** A real simulator that plays a home, with a state folder that stays the same when it is killed and started again. */
export class Home {
  readonly process: Process
  private readonly state: string

  constructor(
    private readonly hub: Hub,
    dir: string,
    private readonly flags: readonly string[] = [],
  ) {
    this.state = join(dir, 'home')
    this.process = new Process('firmware-sim', join(dir, 'home.log'))
  }

  /** Starts it and waits until all its devices are online. */
  async start(): Promise<void> {
    this.process.start(['run', '--hub', this.hub.url, '--data', this.state, ...this.flags])
    const online = async (): Promise<true | undefined> => {
      const there = await this.hub.devices()
      const ready = there.filter((d) => d.presence.state === 'online' && d.descriptor && d.presence.last_seen_ms)
      return homeDevices.every((id) => ready.some((d) => d.id === id)) ? true : undefined
    }
    await until('the home is online', online, LIVE_MS, this.process)
  }

  /** Breaks something while it runs: "lying_relay:sim-living-room/lamp". */
  async breaks(fault: string): Promise<void> {
    await this.fault('add', fault)
  }

  /** Mends everything that was broken. */
  async mends(): Promise<void> {
    await this.fault('clear')
  }

  private async fault(...args: string[]): Promise<void> {
    const env = Object.fromEntries(Object.entries(process.env).filter(([k]) => !k.startsWith('TELLTALE_')))
    await run(program('firmware-sim'), ['fault', '--data', this.state, ...args], { env })
  }
}
