import type { Channel, Device, Entity, Value } from '../src/wire/schema.gen'

/** How a thing of the gallery behaves. */
export interface Thing {
  readonly entity: Entity
  /** The first reading of each channel; absent = never reported. */
  readonly values?: Record<string, Value>
  /** Age of that reading, in ms. */
  readonly age?: number
  readonly fault?: boolean
  /** What becomes of a command: done, failed, or no answer. */
  readonly answer?: 'done' | 'failed' | 'never'
}

export interface Home {
  readonly device: Device
  readonly things: readonly Thing[]
}

const number = (unit: string, precision: number, more: Partial<Channel> = {}): Channel => ({
  name: 'state',
  type: 'number',
  unit,
  precision,
  interval_ms: 1000,
  state_class: 'measurement',
  ...more,
})
const bool = (settable: boolean): Channel => ({ name: 'state', type: 'bool', interval_ms: 0, settable })

function sensor(
  id: string,
  name: string,
  cls: string,
  channel: Channel,
  value: number,
  more: Partial<Thing> = {},
): Thing {
  return {
    entity: { id, kind: 'sensor', name, device_class: cls, channels: [channel] },
    values: { state: value },
    ...more,
  }
}

function light(id: string, name: string, on: boolean, brightness: number): Thing {
  const level: Channel = {
    name: 'brightness',
    type: 'number',
    unit: '%',
    min: 0,
    max: 100,
    step: 1,
    precision: 0,
    settable: true,
  }
  return {
    entity: { id, kind: 'light', name, channels: [bool(true), level] },
    values: { state: on, brightness },
    answer: 'done',
  }
}

function toggle(id: string, name: string, on: boolean, answer: Thing['answer']): Thing {
  return {
    entity: { id, kind: 'switch', name, channels: [bool(true)] },
    values: { state: on },
    answer: answer ?? 'done',
  }
}

const degrees = (name: string, more: Partial<Channel> = {}): Channel => ({
  name,
  type: 'number',
  unit: '°C',
  precision: 1,
  interval_ms: 1000,
  ...more,
})

const thermostat: Thing = {
  entity: {
    id: 'radiator',
    kind: 'climate',
    name: 'Radiator thermostat',
    channels: [
      degrees('current_temperature'),
      degrees('target_temperature', { min: 5, max: 30, step: 0.5, settable: true, interval_ms: 0 }),
      { name: 'hvac_mode', type: 'string', options: ['off', 'heat'], settable: true },
      { name: 'hvac_action', type: 'string', options: ['off', 'idle', 'heating'] },
    ],
    safety: { safe_state: { target_temperature: 5 }, on_boot: 'safe', sensor_max_age_ms: 60000 },
  },
  values: { current_temperature: 20.8, target_temperature: 21.5, hvac_mode: 'heat', hvac_action: 'heating' },
  answer: 'done',
}

function device(
  id: string,
  name: string,
  area: string,
  state: string,
  things: readonly Thing[],
  now: number,
): Home {
  return {
    device: {
      id,
      name,
      area,
      paired_ms: now - 90_000_000,
      presence: {
        state,
        since_ms: now - 3_000_000,
        last_seen_ms: state === 'online' ? now : now - 3_000_000,
        agent: 'device-agent 0.1.0',
        rtt_ms: 2.4,
        clock: 'synced',
        complete_to_ms: now,
        addr: '192.168.1.17',
      },
      descriptor: {
        name,
        area,
        model: 'Raspberry Pi 4 Model B',
        software: 'device-agent 0.1.0',
        entities: things.map((t) => t.entity),
      },
    },
    things,
  }
}

const livingRoom: readonly Thing[] = [
  sensor('temperature', 'Temperature', 'temperature', number('°C', 1), 21.4),
  sensor('humidity', 'Humidity', 'humidity', number('%', 0), 46),
  thermostat,
  sensor('co2', 'CO₂', 'carbon_dioxide', number('ppm', 0), 612),
  toggle('ceiling', 'Ceiling light', true, 'done'),
  toggle('fan', 'Extractor fan', false, 'never'),
  light('lamp', 'Floor lamp', true, 62),
  {
    entity: {
      id: 'door',
      kind: 'binary_sensor',
      name: 'Balcony door',
      device_class: 'door',
      channels: [bool(false)],
    },
    values: { state: false },
  },
  {
    entity: {
      id: 'bell',
      kind: 'button',
      name: 'Door opener',
      channels: [{ name: 'press', type: 'bool', pulse: true }],
    },
    answer: 'done',
  },
  sensor('cpu', 'Processor load', '', number('%', 0), 12, {}),
]

/** A home with one tile of every kind and state. */
export function homes(now: number): Home[] {
  const silent = device('pi-leaf', 'Leaf sensor', 'Greenhouse', 'never', [], now)
  delete silent.device.descriptor
  return [
    device('pi-living', 'Living room', 'Living room', 'online', livingRoom, now),
    device(
      'pi-green',
      'Greenhouse',
      'Greenhouse',
      'online',
      [
        sensor('air', 'Air temperature', 'temperature', number('°C', 1), 31.8),
        sensor('soil', 'Soil moisture', 'moisture', number('%', 0), 38, { age: 5000 }),
        sensor('ph', 'Water acidity', '', number('', 2), 6.4, { fault: true }),
        toggle('pump', 'Irrigation pump', false, 'failed'),
        sensor('power', 'Grow-light power', 'power', number('W', 0), 148),
        {
          entity: {
            id: 'pulse',
            kind: 'sensor',
            name: 'Leaf vibration',
            channels: [number('mm/s', 2, { step_us: 8000, interval_ms: 0 })],
          },
          values: { state: 0.4 },
        },
      ],
      now,
    ),
    device(
      'pi-garage',
      'Garage',
      'Garage',
      'offline',
      [
        sensor('temperature', 'Door node', 'temperature', number('°C', 1), 12.1, { age: 3_000_000 }),
        toggle('gate', 'Gate', false, 'done'),
        light('bench', 'Bench light', true, 30),
      ],
      now,
    ),
    silent,
  ]
}
