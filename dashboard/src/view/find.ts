import type { Fleet } from '../live/fleet'
import { areaPath, devicePath } from './router.svelte'

/** Something that was found. */
export interface Found {
  readonly name: string
  readonly where: string
  readonly href: string
}

/** More than this nobody reads. */
const MOST = 12

/** Areas, devices and entities whose name has all words of the query, best first: names that begin with it. */
export function find(fleet: Fleet, query: string): Found[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean)
  const all: Found[] = []
  for (const area of fleet.areas()) {
    if (area.name) all.push({ name: area.name, where: 'Room', href: areaPath(area.name) })
  }
  for (const device of fleet.sorted()) {
    all.push({ name: device.name, where: device.area || 'Device', href: devicePath(device.id) })
    for (const e of device.entities.values()) {
      all.push({ name: e.spec.name, where: device.name, href: devicePath(device.id) })
    }
  }
  const fits = all.filter((f) => words.every((w) => `${f.name} ${f.where}`.toLowerCase().includes(w)))
  const first = words[0] ?? ''
  const rank = (f: Found): number => (f.name.toLowerCase().startsWith(first) ? 0 : 1)
  return fits.sort((a, b) => rank(a) - rank(b)).slice(0, MOST)
}
