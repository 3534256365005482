import type { LiveDown } from '../wire/frames'
import type { Api } from '../wire/http'
import { Link, type SocketLike } from '../wire/socket'
import type { Delta, Problem, Snapshot } from '../wire/schema.gen'
import type { Timers } from '../wire/timers'
import { type Asked, Commands } from './commands'
import type { DeviceModel } from './device'
import { Fleet } from './fleet'
import { Flush, type Frames, Model } from './flush'
import { LinkModel } from './link'
import { Rooms } from './rooms'
import { Sparks } from './sparks'

/** What the page gives. */
export interface Env {
  readonly timers: Timers
  readonly frames: Frames
  readonly api: Api
  /** Opens the live socket. */
  open(): SocketLike
  /** A new random key for a command. */
  newKey(): string
  /** Name and version of this page. */
  readonly client: string
  /** Something went wrong that only a developer can use. */
  report(why: string): void
}

/** What live gives to models that are made elsewhere, so that their code is loaded when they are needed. */
export interface Base {
  readonly api: Api
  readonly timers: Timers
  readonly flush: Flush
  /** The hub's clock, Unix ms. */
  now(): number
}

/** The room of all devices. */
const FLEET = 'fleet'
/** Room of a device. */
const deviceRoom = (id: string): string => `device/${id}`
/** How long nobody may see the page, in ms, before it leaves the hub alone. */
const LEAVE_HIDDEN_MS = 30_000
/** How often ages are looked at, in ms. */
const TICK_MS = 1_000

/** A model that changes once a second. */
class Second extends Model {
  tick(): void {
    this.changed()
  }
}

/**
 * Live is everything the page knows of the hub, and the only thing a view talks to.
 *
 * Frames go in at one end, models come out at the other; views listen to models and call `watch` and `ask`. It knows no
 * document and no framework. `start` once, `stop` ends every timer and the socket.
 */
export class Live {
  readonly flush: Flush
  readonly link: LinkModel
  readonly fleet: Fleet
  readonly commands: Commands
  readonly api: Api
  /** Tells its listeners once a second: for what only time changes. */
  readonly second: Second
  /** Called when a wish of this page ended. */
  onended: (asked: Asked) => void = () => undefined
  private readonly wire: Link
  private readonly rooms: Rooms
  private readonly sparks: Sparks
  private leaveFleet: (() => void) | undefined
  private cancelTick: (() => void) | undefined
  private cancelHidden: (() => void) | undefined

  constructor(private readonly env: Env) {
    const { timers } = env
    this.api = env.api
    this.flush = new Flush(timers, env.frames)
    this.second = new Second(this.flush)
    this.link = new LinkModel(this.flush, timers)
    this.wire = new Link(timers, {
      open: () => env.open(),
      hello: () => ({ client: env.client, resume: this.rooms.resume() }),
      frame: (frame) => {
        this.take(frame)
      },
      state: (state) => {
        this.link.become(state)
      },
      clock: (rtt, offset) => {
        this.link.measure(rtt, offset)
      },
      refused: (why) => {
        env.report(why)
      },
    })
    this.rooms = new Rooms(
      timers,
      (...frames) => this.wire.send(...frames),
      (room) => {
        this.deviceIn(room)?.leave()
      },
    )
    this.sparks = new Sparks(env.api, () => this.link.now())
    this.commands = new Commands({
      timers,
      flush: this.flush,
      send: (ask) => this.wire.send({ t: 'ask', ...ask }),
      newKey: () => env.newKey(),
      confirmed: (device, channel, value, t) => {
        this.fleet.devices.get(device)?.channel(channel)?.confirm(value, t)
      },
      ended: (asked) => {
        this.onended(asked)
      },
    })
    this.fleet = new Fleet({
      flush: this.flush,
      commands: this.commands,
      now: () => this.link.judged(),
      mono: () => timers.mono(),
    })
  }

  /** Connects and enters the fleet. */
  start(): void {
    this.leaveFleet = this.rooms.join(FLEET)
    this.wire.start()
    this.tick()
  }

  /** Ends everything. */
  stop(): void {
    this.leaveFleet?.()
    this.cancelTick?.()
    this.cancelHidden?.()
    this.wire.stop()
  }

  /** Somebody looks at a device; the returned function ends that. */
  watch(device: string): () => void {
    return this.rooms.join(deviceRoom(device))
  }

  /** What models stand on that a page makes for itself: a timeline, the store. */
  get base(): Base {
    const { api, timers } = this.env
    return { api, timers, flush: this.flush, now: () => this.link.now() }
  }

  /** The page was shown, came online or a person pressed "try now". */
  wake(): void {
    this.wire.wake()
  }

  /** Whether anybody can see the page. After half a minute unseen the link is closed; it comes back with the page. */
  setHidden(hidden: boolean): void {
    this.cancelHidden?.()
    this.flush.setHidden(hidden)
    this.wire.setHidden(hidden)
    if (hidden) {
      this.cancelHidden = this.env.timers.after(LEAVE_HIDDEN_MS, () => {
        this.wire.stop()
      })
    } else {
      this.wire.wake()
    }
  }

  private take(frame: LiveDown): void {
    switch (frame.t) {
      case 'welcome':
        this.link.welcome(frame)
        this.rooms.joinRest()
        this.commands.resend()
        break
      case 'snapshot':
        this.snapshot(frame)
        break
      case 'delta':
        this.delta(frame)
        break
      case 'problem':
        this.problem(frame)
        break
    }
    this.link.heard()
  }

  private snapshot(s: Snapshot): void {
    const continues = this.rooms.version(s.room) !== undefined
    this.rooms.at(s.room, s.ver, s.epoch)
    if (s.room === FLEET) {
      this.fleet.replace(s.devices)
      return
    }
    const device = this.deviceOf(s)
    device?.snapshot(s, this.rooms.has(s.room))
    for (const command of s.commands ?? []) this.commands.learn(command)
    if (!device) return
    this.sparks.fill(device)
    // A snapshot in the middle of a stay means that something in between was not told.
    if (continues) device.pastChanged()
  }

  private delta(d: Delta): void {
    this.rooms.at(d.room, d.ver)
    if (d.room === FLEET) {
      this.fleet.update(d.devices ?? [])
      return
    }
    const device = this.deviceOf(d)
    if (device) {
      const { past } = device
      device.apply({ ...d, t0_ms: d.t0_ms ?? 0 })
      if (device.past !== past) this.sparks.fill(device)
    }
    for (const command of d.commands ?? []) this.commands.learn(command)
  }

  /** The device a frame of a device's room is about, after what the frame says of it. */
  private deviceOf(frame: Snapshot | Delta): DeviceModel | undefined {
    if (frame.devices?.length) this.fleet.update(frame.devices)
    return this.deviceIn(frame.room)
  }

  private deviceIn(room: string): DeviceModel | undefined {
    return this.fleet.devices.get(room.slice(deviceRoom('').length))
  }

  private problem(p: Problem): void {
    if (p.key) this.commands.refused(p)
    else this.env.report(`${p.code}: ${p.message}`)
  }

  private tick(): void {
    this.cancelTick = this.env.timers.after(TICK_MS, () => {
      for (const device of this.fleet.devices.values()) {
        for (const entity of device.entities.values()) entity.tick()
      }
      this.second.tick()
      this.tick()
    })
  }
}
