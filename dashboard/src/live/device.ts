import type {
  Delta,
  Device,
  Entity,
  GapRecord,
  LiveSeries,
  Presence,
  Snapshot,
  Span,
} from '../wire/schema.gen'
import { ChannelModel } from './channel'
import type { Asked, Commands, Slot } from './commands'
import { type Flush, Model } from './flush'
import { status, type Status } from './status'

/** What entities need of the rest: the two clocks, the flush and the commands. */
export interface Ground {
  readonly flush: Flush
  readonly commands: Commands
  /** Unix ms of the hub. */
  now(): number
  /** Monotonic ms of the page. */
  mono(): number
}

/** EntityModel is one thing on a device: its channels, what was asked of it, and how far it can be believed. */
export class EntityModel extends Model {
  readonly channels = new Map<string, ChannelModel>()
  private readonly ends: (() => void)[] = []
  private shown = ''

  constructor(
    private readonly ground: Ground,
    readonly device: DeviceModel,
    public spec: Entity,
  ) {
    super(ground.flush)
    this.describe(spec)
  }

  /** Takes a new description of the same entity. */
  describe(spec: Entity): void {
    this.spec = spec
    for (const end of this.ends.splice(0)) end()
    const listen = (model: Model): void => {
      this.ends.push(
        model.subscribe(() => {
          this.tell()
        }),
      )
    }
    const names = new Set(spec.channels.map((c) => c.name))
    for (const name of this.channels.keys()) if (!names.has(name)) this.channels.delete(name)
    for (const channel of spec.channels) {
      let model = this.channels.get(channel.name)
      if (model) model.describe(channel)
      else model = new ChannelModel(this.ground.flush, `${spec.id}.${channel.name}`, channel)
      this.channels.set(channel.name, model)
      listen(model)
      if (channel.settable || channel.pulse) listen(this.slot(channel.name))
    }
    this.changed()
  }

  /** The main channel, which decides how fresh the entity is. */
  get main(): ChannelModel | undefined {
    return this.channels.values().next().value
  }

  /** What is known about commands to one of its channels. */
  slot(channel: string): Slot {
    return this.ground.commands.slot(this.device.id, this.spec.id, channel)
  }

  /** How far it can be believed now. */
  status(): Status {
    const mono = this.ground.mono()
    const asked: Asked[] = []
    for (const name of this.channels.keys()) {
      const mine = this.slot(name).mine
      if (mine) asked.push(mine)
    }
    const presence = this.device.presence
    const found = status({ channel: this.main, presence, asked, now: this.ground.now(), mono })
    if (presence.state !== 'online') return found
    const only = this.main?.spec
    // A button is pressed and never read: it is as good as its device's link.
    if (found.is === 'never' && this.device.told && only?.pulse && !only.settable) return { is: 'live' }
    if (found.is === 'never' && !this.device.told) return { is: 'loading' }
    // Nobody listens: it is neither the present nor has the device fallen silent.
    if (this.device.left && (found.is === 'live' || found.is === 'stale')) return { is: 'loading' }
    return found
  }

  /** Unix ms of the hub. */
  now(): number {
    return this.ground.now()
  }

  /** Once a second: tells the listeners when only time has changed something. */
  tick(): void {
    if (!this.watched) return
    const { is } = this.status()
    if (is !== this.shown || is === 'stale') this.changedNow()
    this.shown = is
  }

  /** The device's presence changed. */
  presenceChanged(): void {
    this.changedNow()
  }
}

/** DeviceModel is one device: who it is, whether it is there, its entities, and what is missing of its history. */
export class DeviceModel extends Model {
  readonly entities = new Map<string, EntityModel>()
  name: string
  area: string
  /** Gaps heard of since the page was opened, newest last; bounded. */
  gaps: GapRecord[] = []
  /** True once its room has told what it knows: only then "no data" means that there is none. */
  told = false
  /** True from when the page left its room until it is told again: what is known is the last that was heard. */
  left = false
  /** Counts changes of the past: backfill arrived, or readings were left out. A chart that sees it rise asks again. */
  past = 0

  constructor(
    private readonly ground: Ground,
    public info: Device,
  ) {
    super(ground.flush)
    this.name = info.name
    this.area = info.area ?? ''
    this.update(info)
  }

  /** The device's id. */
  get id(): string {
    return this.info.id
  }

  /** Whether it is there. */
  get presence(): Presence {
    return this.info.presence
  }

  /** Takes what the hub says of it. A message without a descriptor leaves the known one. */
  update(info: Device): void {
    const descriptor = info.descriptor ?? this.info.descriptor
    const moved = this.info.presence.state !== info.presence.state
    this.info = descriptor ? { ...info, descriptor } : info
    this.name = info.name || info.id
    this.area = info.area ?? ''
    if (info.descriptor) this.describe(info.descriptor.entities)
    if (moved) for (const entity of this.entities.values()) entity.presenceChanged()
    this.changed()
  }

  /** Takes the readings and gaps of a snapshot or delta of its room. */
  apply(frame: Pick<Snapshot, 'series' | 't0_ms'> & Pick<Delta, 'gaps' | 'filled'>): void {
    let cut = false
    for (const series of frame.series ?? []) {
      this.channel(series.ch)?.apply(series, frame.t0_ms)
      cut ||= series.cut ?? false
    }
    if (frame.gaps) this.gaps = [...this.gaps, ...frame.gaps].slice(-MAX_GAPS)
    if (cut || frame.gaps || hasAny(frame.filled)) this.pastChanged()
  }

  /** Takes everything its room knows. staying: false when the page has left the room meanwhile. */
  snapshot(s: Snapshot, staying = true): void {
    this.told = true
    if (staying) this.left = false
    this.apply(s)
    for (const entity of this.entities.values()) entity.presenceChanged()
  }

  /** The page left its room. */
  leave(): void {
    this.left = true
    for (const entity of this.entities.values()) entity.presenceChanged()
  }

  /** The past is not what it was: charts and sparklines ask again. */
  pastChanged(): void {
    this.past++
    this.changed()
  }

  /** A channel by its wire id. */
  channel(id: string): ChannelModel | undefined {
    const dot = id.indexOf('.')
    return this.entities.get(id.slice(0, dot))?.channels.get(id.slice(dot + 1))
  }

  private describe(entities: readonly Entity[]): void {
    const ids = new Set(entities.map((e) => e.id))
    for (const id of this.entities.keys()) if (!ids.has(id)) this.entities.delete(id)
    for (const spec of entities) {
      const known = this.entities.get(spec.id)
      if (known) known.describe(spec)
      else this.entities.set(spec.id, new EntityModel(this.ground, this, spec))
    }
  }
}

/** Gaps kept per device: enough for a page; the rest is in history. */
const MAX_GAPS = 50

function hasAny(spans: Span[] | undefined): boolean {
  return spans !== undefined && spans.length > 0
}

/** Readings as they come. */
export type { LiveSeries }
