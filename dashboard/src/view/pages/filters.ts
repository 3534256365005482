import type { EntityModel } from '../../live/device'

/** What of the overview is shown. The id is in the address. */
export const filters = [
  { id: '', words: 'All' },
  { id: 'offline', words: 'Offline' },
  { id: 'stale', words: 'Out of date' },
  { id: 'alarm', words: 'Alarms' },
] as const

export type FilterId = (typeof filters)[number]['id']

/** Reads the filter from the part of an address after "?". */
export function filterOf(query: string): FilterId {
  const wanted = new URLSearchParams(query).get('only')
  return filters.find((f) => f.id === wanted)?.id ?? ''
}

/** Binary sensors that mean harm while they are on. */
const harmful = new Set([
  'battery',
  'carbon_monoxide',
  'gas',
  'moisture',
  'problem',
  'safety',
  'smoke',
  'tamper',
])

/** Whether an entity needs somebody: it reports harm, or what was asked of it did not happen. */
export function isAlarmed(entity: EntityModel): boolean {
  if (entity.status().is === 'failed') return true
  const { kind, device_class: what } = entity.spec
  return kind === 'binary_sensor' && harmful.has(what ?? '') && entity.main?.last?.value === true
}

/** Whether a filter lets an entity through. */
export function passes(filter: FilterId, entity: EntityModel): boolean {
  switch (filter) {
    case 'offline':
      return entity.device.presence.state === 'offline'
    case 'stale':
      return entity.status().is === 'stale'
    case 'alarm':
      return isAlarmed(entity)
    default:
      return true
  }
}
