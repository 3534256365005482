import type { EntityModel } from '../live/device'

const KEY = 'telltale.favourites'

/** Names an entity for ever: "device/entity". */
export function favouriteKey(entity: EntityModel): string {
  return `${entity.device.id}/${entity.spec.id}`
}

/** What a person wants to see first, kept in this browser and the same in all of its windows. */
export class Favourites {
  private keys = $state.raw<ReadonlySet<string>>(read())

  /** How many there are, those of devices that are gone included. */
  get size(): number {
    return this.keys.size
  }

  has(entity: EntityModel): boolean {
    return this.keys.has(favouriteKey(entity))
  }

  /** Makes it one, or not any more. */
  toggle(entity: EntityModel): void {
    const next = new Set(this.keys)
    if (!next.delete(favouriteKey(entity))) next.add(favouriteKey(entity))
    this.keys = next
    try {
      localStorage.setItem(KEY, JSON.stringify([...next]))
    } catch {
      // a browser without storage forgets them; nothing else depends on it
    }
  }

  /** Follows other windows of this browser; the returned function ends that. */
  follow(): () => void {
    const changed = (e: StorageEvent): void => {
      if (e.key === KEY) this.keys = read()
    }
    addEventListener('storage', changed)
    return () => {
      removeEventListener('storage', changed)
    }
  }
}

function read(): ReadonlySet<string> {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]')
    return new Set(Array.isArray(kept) ? kept.filter((k) => typeof k === 'string') : [])
  } catch {
    return new Set()
  }
}
