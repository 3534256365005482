import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Command, CommandList, Device, DeviceList, DevicePatch, History } from '../../../dashboard/src/wire/schema.gen'
import { Process, until } from './process'

/** How long a hub may take to be ready, in ms. */
const READY_MS = 20_000

/** A real hub on a port and a data folder of its own, which stay the same when it is killed and started again. */
export class Hub {
  readonly process: Process
  private readonly data: string

  private constructor(
    dir: string,
    readonly port: number,
  ) {
    this.data = join(dir, 'hub')
    this.process = new Process('hub', join(dir, 'hub.log'))
  }

  /** Chooses a port. Starts nothing. */
  static async at(dir: string): Promise<Hub> {
    return new Hub(dir, await freePort())
  }

  /** Its address for browsers and agents. */
  get url(): string {
    return `http://127.0.0.1:${String(this.port)}`
  }

  /** Starts it and waits until it is ready. */
  async start(): Promise<void> {
    this.process.start(['serve', '--listen', `127.0.0.1:${String(this.port)}`, '--data', this.data])
    const ready = async (): Promise<true | undefined> => ((await fetch(`${this.url}/readyz`)).ok ? true : undefined)
    await until('the hub gets ready', ready, READY_MS, this.process)
  }

  /** Asks the API; anything but success is an error in the hub's words. */
  async get<T>(path: string): Promise<T> {
    return this.ask('GET', path)
  }

  /** The devices it knows. */
  async devices(): Promise<Device[]> {
    return (await this.get<DeviceList>('/devices')).devices
  }

  /** The newest commands of a device, newest first. */
  async commands(device: string): Promise<Command[]> {
    return (await this.get<CommandList>(`/devices/${device}/commands?limit=20`)).commands
  }

  /** Renames a device or moves it to another area. */
  async patch(device: string, change: DevicePatch): Promise<void> {
    await this.ask('PATCH', `/devices/${device}`, change)
  }

  /** One channel's single readings of the last `ms`. */
  async history(device: string, channel: string, ms: number): Promise<History> {
    const now = Date.now()
    return this.get(`/devices/${device}/history?channel=${channel}&from=${String(now - ms)}&to=${String(now)}&points=2000`)
  }

  private async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const init: RequestInit = { method, headers: { 'Content-Type': 'application/json', Origin: this.url } }
    if (body !== undefined) init.body = JSON.stringify(body)
    const res = await fetch(`${this.url}/api/v1${path}`, init)
    const text = await res.text()
    if (!res.ok) throw new Error(`${method} ${path}: ${String(res.status)} ${text}`)
    return (text ? JSON.parse(text) : undefined) as T
  }
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('there is no free port')
  return address.port
}
