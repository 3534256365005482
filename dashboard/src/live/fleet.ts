import type { Device } from '../wire/schema.gen'
import { DeviceModel, type EntityModel, type Ground } from './device'
import { Model } from './flush'

/** Devices that nobody put anywhere. */
export const NO_AREA = ''

/** An area and what people watch in it. */
export interface Area {
  readonly name: string
  /** In the order of their devices' names and their own description. */
  readonly entities: readonly EntityModel[]
  /** What the devices say of themselves: diagnostics, settings, traffic. Not watched, but there. */
  readonly technical: readonly EntityModel[]
  /** Devices of the area that never described themselves: paired, nothing received. */
  readonly silent: readonly DeviceModel[]
}

/** Fleet is every device the hub knows. Its listeners hear of arrivals, removals, names, areas and presence, not of readings. */
export class Fleet extends Model {
  readonly devices = new Map<string, DeviceModel>()
  /** True once the hub has told all devices: an empty list then means that there are none. */
  known = false

  constructor(private readonly ground: Ground) {
    super(ground.flush)
  }

  /** Takes all devices there are: the others are gone. */
  replace(all: readonly Device[]): void {
    const ids = new Set(all.map((d) => d.id))
    for (const id of this.devices.keys()) if (!ids.has(id)) this.devices.delete(id)
    this.known = true
    this.update(all)
  }

  /** Takes devices that changed. */
  update(some: readonly Device[]): void {
    for (const info of some) {
      const device = this.devices.get(info.id)
      if (info.removed) this.devices.delete(info.id)
      else if (device) device.update(info)
      else this.devices.set(info.id, new DeviceModel(this.ground, info))
    }
    this.changedNow()
  }

  /** How many devices are online. */
  get online(): number {
    let n = 0
    for (const d of this.devices.values()) if (d.presence.state === 'online') n++
    return n
  }

  /** All devices by name. */
  sorted(): DeviceModel[] {
    return [...this.devices.values()].sort((a, b) => a.name.localeCompare(b.name) || a.id.localeCompare(b.id))
  }

  /** All areas: the rooms of people by name, then what is only technical, the nameless last. */
  areas(): Area[] {
    const areas = new Map<string, Mutable>()
    const at = (name: string): Mutable => {
      let area = areas.get(name)
      if (!area) areas.set(name, (area = { name, entities: [], technical: [], silent: [] }))
      return area
    }
    for (const device of this.sorted()) {
      if (device.entities.size === 0) at(device.area).silent.push(device)
      for (const e of device.entities.values()) {
        const area = at(e.spec.area ?? device.area)
        if (isTechnical(e)) area.technical.push(e)
        else area.entities.push(e)
      }
    }
    const all = [...areas.values()]
    const order = new Map(all.map((a) => [a, orderOf(a)]))
    // An area of nothing but diagnostics (a computer that reports on itself) still is something to watch.
    for (const a of all) if (a.entities.length === 0) a.entities.push(...a.technical.splice(0))
    for (const a of all) a.entities.sort((x, y) => Number(isVague(x)) - Number(isVague(y)))
    return all.sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0) || a.name.localeCompare(b.name))
  }
}

interface Mutable {
  readonly name: string
  readonly entities: EntityModel[]
  readonly technical: EntityModel[]
  readonly silent: DeviceModel[]
}

/** Rooms of people first, then areas in which nobody watches anything, then what has no area. */
function orderOf({ name, entities, silent }: Mutable): number {
  if (name === NO_AREA) return 2
  return entities.length + silent.length === 0 ? 1 : 0
}

/** Measures of machines, whatever category their device gives them. */
const machine = new Set(['data_rate', 'data_size', 'signal_strength'])

function isTechnical({ spec }: EntityModel): boolean {
  return !!spec.entity_category || machine.has(spec.device_class ?? '')
}

/** A sensor that does not say what it measures comes after those that do. */
function isVague({ spec }: EntityModel): boolean {
  return spec.kind === 'sensor' && !spec.device_class
}
