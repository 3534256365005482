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

  /** All areas by name, the nameless one last. Diagnostics and settings are left to the devices' own pages. */
  areas(): Area[] {
    const areas = new Map<string, { entities: EntityModel[]; silent: DeviceModel[] }>()
    const at = (name: string): { entities: EntityModel[]; silent: DeviceModel[] } => {
      let area = areas.get(name)
      if (!area) areas.set(name, (area = { entities: [], silent: [] }))
      return area
    }
    for (const device of this.sorted()) {
      if (device.entities.size === 0) at(device.area).silent.push(device)
      const all = [...device.entities.values()]
      const watched = all.filter((e) => !e.spec.entity_category)
      // A device of nothing but diagnostics (a computer that reports on itself) still is something to watch.
      for (const e of watched.length > 0 ? watched : all) at(e.spec.area ?? device.area).entities.push(e)
    }
    return [...areas.entries()]
      .map(([name, { entities, silent }]) => ({ name, entities, silent }))
      .sort((a, b) => Number(a.name === NO_AREA) - Number(b.name === NO_AREA) || a.name.localeCompare(b.name))
  }
}
