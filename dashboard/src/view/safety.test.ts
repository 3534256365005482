import { expect, test } from 'vitest'
import type { Entity, Safety } from '../wire/schema.gen'
import { safetyWords } from './safety'

const plain = (lines: string[]): string[] => lines.map((l) => l.replaceAll('\u00a0', ' '))
const kettle: Entity = { id: 'k', kind: 'switch', name: 'Kettle', channels: [{ name: 'state', type: 'bool', settable: true }] } // prettier-ignore
const heating: Entity = {
  id: 'h', kind: 'climate', name: 'Radiator',
  channels: [
    { name: 'current_temperature', type: 'number', unit: '°C' },
    { name: 'target_temperature', type: 'number', unit: '°C', precision: 0, settable: true },
    { name: 'hvac_action', type: 'string' },
  ],
} // prettier-ignore
const safety = (more: Partial<Safety>): Safety => ({ safe_state: { state: false }, on_boot: 'safe', ...more })

test('a socket that the hub must keep alive', () => {
  expect(
    plain(safetyWords(kettle, safety({ lease_ms: 30_000, max_on_ms: 300_000, min_cycle_ms: 10_000 }))),
  ).toEqual([
    'Without the hub: off after 30 s.',
    'On for 5 min at most.',
    'At least 10 s between two switchings.',
    'After a start: off.',
  ])
  expect(safetyWords(kettle, safety({}))[0]).toBe('Without the hub: it stays as it is.')
})

test('a loop goes on without the hub and stops without its sensor', () => {
  const s = safety({ safe_state: { hvac_action: 'idle' }, on_boot: 'restore', sensor_max_age_ms: 60_000 })
  expect(plain(safetyWords(heating, s))).toEqual([
    'Without the hub: it goes on by itself.',
    'Without its sensor: idle after 1 min.',
    'After a start: as it was before.',
  ])
  const frost = safety({ safe_state: { target_temperature: 5 }, sensor_max_age_ms: 60_000 })
  expect(plain(safetyWords(heating, frost))[1]).toBe('Without its sensor: target 5 °C after 1 min.')
})

test('a button has no state that it could be in', () => {
  const bell: Entity = {
    id: 'b',
    kind: 'button',
    name: 'Bell',
    channels: [{ name: 'press', type: 'bool', pulse: true }],
  }
  expect(plain(safetyWords(bell, safety({ safe_state: { press: null }, min_cycle_ms: 2_000 })))).toEqual([
    'At least 2 s between two switchings.',
  ])
})
