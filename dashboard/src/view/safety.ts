import type { Entity, Safety, Value } from '../wire/schema.gen'
import { channelName, duration, show } from './format'

/** What an actuator does on its own, in sentences: after a start, without the hub, without its sensor, and its limits. */
export function safetyWords(entity: Entity, s: Safety): string[] {
  const safe = safeWords(entity, s)
  const out: string[] = []
  if (s.lease_ms) out.push(`Without the hub: ${safe} after ${duration(s.lease_ms)}.`)
  else if (entity.kind === 'climate') out.push('Without the hub: it goes on by itself.')
  else if (!isPulse(entity)) out.push('Without the hub: it stays as it is.')
  if (s.sensor_max_age_ms) out.push(`Without its sensor: ${safe} after ${duration(s.sensor_max_age_ms)}.`)
  if (s.max_on_ms) out.push(`On for ${duration(s.max_on_ms)} at most.`)
  if (s.min_cycle_ms) out.push(`At least ${duration(s.min_cycle_ms)} between two switchings.`)
  if (s.on_boot === 'restore') out.push('After a start: as it was before.')
  else if (!isPulse(entity)) out.push(`After a start: ${safe}.`)
  return out
}

function isPulse(entity: Entity): boolean {
  return entity.channels.every((c) => c.pulse && !c.settable)
}

/** The safe state: "off", "target 5 °C". */
function safeWords(entity: Entity, s: Safety): string {
  const words = Object.entries(s.safe_state)
    .filter(([, v]) => v !== null)
    .map(([name, v]) => stateWords(entity, name, v))
  return words.length > 0 ? words.join(', ') : 'its safe state'
}

function stateWords(entity: Entity, name: string, v: Value): string {
  const channel = entity.channels.find((c) => c.name === name)
  if (!channel) return `${name.replaceAll('_', ' ')} ${String(v)}`
  const { text, unit } = show(entity, channel, v)
  if (typeof v !== 'number') return text.toLowerCase()
  const what = channelName({ ...entity, name: '' }, name).toLowerCase()
  return [what, unit ? `${text}\u00a0${unit}` : text].filter(Boolean).join(' ')
}
