import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { HistoryQuery } from '../wire/http'
import type { Command, Device, Entity, History } from '../wire/schema.gen'
import { FakeSocket, testTimers } from '../wire/testing'
import type { Status } from './status'
import { Live } from './live'
import { Timeline } from './timeline'

let sockets: FakeSocket[]
let asked: HistoryQuery[]
let keys: number
let live: Live
let slowPaint: number

const hub = (): FakeSocket => sockets.at(-1)!
const T = Date.UTC(2026, 10, 1)

const thermometer: Entity = {
  id: 'air', kind: 'sensor', name: 'Air',
  channels: [{ name: 'state', type: 'number', unit: '°C', interval_ms: 1_000 }],
} // prettier-ignore
const lamp: Entity = {
  id: 'lamp',
  kind: 'switch',
  name: 'Lamp',
  channels: [{ name: 'state', type: 'bool', settable: true }],
}

function device(id: string, state = 'online', entities = [thermometer, lamp]): Device {
  return { id, name: id, paired_ms: 0, presence: { state, since_ms: T }, descriptor: { name: id, entities } }
}

beforeEach(() => {
  vi.useFakeTimers({ now: T })
  sockets = []
  asked = []
  keys = 0
  slowPaint = 0
  live = new Live({
    timers: testTimers(),
    frames: {
      frame(run) {
        const id = setTimeout(run, 16)
        return () => {
          clearTimeout(id)
        }
      },
      painted(run) {
        setTimeout(run, slowPaint)
      },
    },
    api: {
      history: (q: HistoryQuery): Promise<History> => {
        asked.push(q)
        return Promise.resolve({ from_ms: q.from, to_ms: q.to, bucket_ms: 0, series: [], gaps: [] })
      },
    } as never,
    open() {
      const socket = new FakeSocket()
      sockets.push(socket)
      return socket
    },
    newKey: () => `key-${String(++keys).padStart(8, '0')}`,
    client: 'test',
    report: () => undefined,
  })
  live.start()
  hub().greet()
  hub().say({
    t: 'snapshot',
    room: 'fleet',
    epoch: 'f1',
    ver: 1,
    t0_ms: T,
    devices: [device('pi-a'), device('pi-b', 'offline')],
  })
})

afterEach(() => {
  live.stop()
  vi.useRealTimers()
})

const air = (id = 'pi-a') => live.fleet.devices.get(id)!.entities.get('air')!
const lampOf = (id = 'pi-a') => live.fleet.devices.get(id)!.entities.get('lamp')!
const is = (): Status['is'] => air().status().is

function read(v: number | null, t = Date.now(), ver = 2): void {
  hub().say({
    t: 'delta',
    room: 'device/pi-a',
    ver,
    t0_ms: t,
    series: [{ ch: 'air.state', v: [v], ...(v === null && { q: ['fault'] }) }],
  })
}

function command(over: Partial<Command>): Command {
  return {
    id: '0'.repeat(32), key: 'key-00000001', seq: 1, device: 'pi-a', entity: 'lamp', channel: 'state', op: 'set', value: true,
    actor: 'local', asked_ms: T, deadline_ms: T + 10_000, state: 'sent', reported: null, log: [], ...over,
  } // prettier-ignore
}

function tell(over: Partial<Command>): void {
  hub().say({ t: 'delta', room: 'device/pi-a', ver: 9, t0_ms: T, commands: [command(over)] })
}

function turnOn(): void {
  live.commands.ask({ device: 'pi-a', entity: 'lamp', channel: 'state', op: 'set', value: true })
}

/** Keeps the hub's side alive for a while without telling anything new. */
function wait(ms: number): void {
  for (let done = 0; done < ms; done += 500) {
    vi.advanceTimersByTime(500)
    hub().say({ t: 'ping', now_ms: Date.now() })
  }
}

test('a room is joined by the first and left after the last watcher and a grace time', () => {
  const a = live.watch('pi-a')
  const b = live.watch('pi-a')
  expect(hub().of('join').map((f) => f.room)).toEqual(['device/pi-a']) // prettier-ignore
  a()
  a()
  wait(6_000)
  expect(hub().of('leave')).toEqual([])
  b()
  wait(4_000)
  const c = live.watch('pi-a')
  wait(6_000)
  expect(hub().of('leave')).toEqual([])
  expect(hub().of('join')).toHaveLength(1)
  c()
  wait(6_000)
  expect(hub().of('leave')).toHaveLength(1)
})

test('a new connection resumes every room where the page was', () => {
  live.watch('pi-a')
  hub().say({ t: 'snapshot', room: 'device/pi-a', epoch: 'd1', ver: 5, t0_ms: T, devices: [device('pi-a')] })
  hub().say({ t: 'delta', room: 'device/pi-a', ver: 8, t0_ms: T })
  hub().end()
  vi.advanceTimersByTime(1_000)
  hub().onopen?.()
  expect(hub().of('hello')[0]?.resume).toEqual([
    { room: 'fleet', epoch: 'f1', ver: 1 },
    { room: 'device/pi-a', epoch: 'd1', ver: 8 },
  ])
})

test('more rooms than fit the first frame are joined after the welcome', () => {
  for (let i = 0; i < 100; i++) live.watch(`pi-${String(i)}`)
  hub().end()
  vi.advanceTimersByTime(1_000)
  hub().greet()
  const resumed = hub().of('hello')[0]?.resume ?? []
  expect(JSON.stringify(hub().of('hello')[0]).length).toBeLessThan(4096)
  const rooms = [...resumed, ...hub().of('join')].map((r) => r.room)
  expect(new Set(rooms).size).toBe(101)
  expect(rooms).toHaveLength(101)
})

test('a room entered while the greeting is under way is joined with the welcome', () => {
  hub().end()
  vi.advanceTimersByTime(1_000)
  hub().onopen?.() // hello is sent
  live.watch('pi-a')
  expect(hub().of('join')).toEqual([])
  hub().welcome()
  expect(hub().of('join')).toEqual([{ t: 'join', room: 'device/pi-a' }])
})

test('a reading is live, then stale, and live again', () => {
  expect(is()).toBe('loading') // nobody has told us yet: that is not "no data"
  hub().say({ t: 'snapshot', room: 'device/pi-a', epoch: 'd1', ver: 1, t0_ms: T, devices: [device('pi-a')] })
  expect(is()).toBe('never')
  read(21.5)
  expect(is()).toBe('live')
  wait(2_500)
  expect(is()).toBe('live')
  wait(1_000)
  expect(is()).toBe('stale')
  read(21.6)
  expect(is()).toBe('live')
})

test('a device whose room was left is neither live nor silent until its room tells again', () => {
  const room = { t: 'snapshot', room: 'device/pi-a', epoch: 'e1', ver: 1 } as const
  const leave = live.watch('pi-a')
  hub().say({ ...room, t0_ms: Date.now(), devices: [], series: [] })
  read(21)
  expect(is()).toBe('live')
  leave()
  wait(20_000)
  expect(is()).toBe('loading')
  expect(air().main?.last?.value).toBe(21)
  live.watch('pi-a')
  expect(is()).toBe('loading')
  hub().say({ ...room, ver: 2, t0_ms: Date.now(), devices: [], series: [] })
  expect(is()).toBe('stale')
  read(22, Date.now(), 3)
  expect(is()).toBe('live')
})

test('a listener hears of staleness within a second although nothing arrives', () => {
  const heard: string[] = []
  air().subscribe(() => heard.push(is()))
  read(21.5)
  wait(1_000)
  expect(heard.at(-1)).toBe('live')
  wait(3_500)
  expect(heard.at(-1)).toBe('stale')
})

test('a fault keeps the last value and says so', () => {
  read(21.5, T)
  read(null, T + 1_000)
  const s = air().status()
  expect(s).toMatchObject({ is: 'stale', why: 'fault', since: T })
  expect(air().main?.last?.value).toBe(21.5)
})

test('an older reading does not replace a newer one', () => {
  read(22, T + 5_000)
  read(10, T)
  expect(air().main?.last?.value).toBe(22)
})

test('a device that goes offline is offline at once, and its readings stay as the last', () => {
  read(21.5)
  hub().say({
    t: 'delta',
    room: 'fleet',
    ver: 2,
    devices: [{ ...device('pi-a', 'offline'), descriptor: undefined as never }],
  })
  expect(is()).toBe('offline')
  expect(air().main?.last?.value).toBe(21.5)
  expect(air('pi-b').status().is).toBe('offline')
})

test('the view is stale three seconds after the link is lost and recovers with it', () => {
  read(21.5)
  expect(live.link.stale).toBe(false)
  hub().end()
  vi.advanceTimersByTime(2_900)
  expect(live.link.stale).toBe(false)
  vi.advanceTimersByTime(200)
  expect(live.link.stale).toBe(true)
  hub().greet()
  expect(live.link.stale).toBe(false)
})

test('a device is not called silent because the page has no link', () => {
  read(21.5)
  hub().end()
  vi.advanceTimersByTime(60_000)
  expect(live.link.stale).toBe(true)
  expect(is()).toBe('live') // as of the moment the link was lost, and the page says so
  hub().greet()
  vi.advanceTimersByTime(1_000)
  expect(is()).toBe('live') // the first readings are on their way
  vi.advanceTimersByTime(1_000)
  expect(is()).toBe('stale')
})

test('another version of the hub asks for a reload', () => {
  hub().end()
  vi.advanceTimersByTime(1_000)
  hub().greet('0.2.0')
  expect(live.link.outdated).toBe(true)
})

test('a command is pending until the device answered, and the control shows what was reported', () => {
  turnOn()
  expect(hub().of('ask')[0]).toMatchObject({ key: 'key-00000001', value: true, op: 'set', ttl_ms: 10_000 })
  expect(lampOf().status().is).toBe('pending')
  expect(lampOf().main?.last).toBeUndefined()
  tell({ state: 'running' })
  expect(lampOf().status().is).toBe('pending')
  wait(2_500)
  expect(lampOf().status().is).toBe('slow')
  tell({ state: 'done', reported: true, proof: 'readback', log: [{ state: 'done', at_ms: Date.now() }] })
  expect(lampOf().status().is).toBe('live')
  expect(lampOf().main?.last?.value).toBe(true)
})

test.each(['failed', 'rejected', 'expired', 'unknown'] as const)(
  'a command that ends as %s stays visible',
  (state) => {
    turnOn()
    tell({ state, message: 'why' })
    const s = lampOf().status()
    expect(s).toMatchObject({ is: 'failed', asked: { state, message: 'why' } })
    wait(120_000)
    expect(lampOf().status().is).toBe('failed')
    tell({ state: 'done' }) // a final state never changes
    expect(lampOf().status().is).toBe('failed')
  },
)

test('a problem with the key of a wish refuses it in words', () => {
  turnOn()
  hub().say({ t: 'problem', code: 'offline', message: 'pi-a is offline', key: 'key-00000001' })
  expect(lampOf().status()).toMatchObject({
    is: 'failed',
    asked: { state: 'rejected', message: 'pi-a is offline' },
  })
})

test('a wish that was replaced by a newer one is no failure', () => {
  turnOn()
  tell({ state: 'canceled' })
  expect(lampOf().status().is).not.toBe('failed')
})

test('a second pulse is refused at once while the first is not over, and asked for after it', () => {
  const press = (): boolean =>
    live.commands.ask({ device: 'pi-a', entity: 'gate', channel: 'press', op: 'pulse', value: null })
  expect(press()).toBe(true)
  expect(press()).toBe(false) // no time has passed, nothing was told to anybody
  const gate = { entity: 'gate', channel: 'press', op: 'pulse', value: null } as const
  tell({ ...gate, state: 'running' })
  expect(press()).toBe(false)
  expect(hub().of('ask')).toHaveLength(1)
  tell({ ...gate, state: 'failed' })
  expect(press()).toBe(true)
  expect(hub().of('ask')).toHaveLength(2)
})

test('a wish is asked again with the same key when the link was lost before an answer', () => {
  turnOn()
  hub().end()
  vi.advanceTimersByTime(1_000)
  hub().greet()
  expect(hub().of('ask').map((f) => f.key)).toEqual(['key-00000001']) // prettier-ignore
})

test('a wish without link is refused at once and nothing is sent later', () => {
  hub().end()
  turnOn()
  expect(lampOf().status()).toMatchObject({ is: 'failed', asked: { state: 'unanswered' } })
  vi.advanceTimersByTime(1_000)
  hub().greet()
  expect(hub().of('ask')).toEqual([])
})

test('a hub that says nothing about a wish is not waited for for ever', () => {
  turnOn()
  wait(16_000)
  expect(lampOf().status()).toMatchObject({ is: 'failed', asked: { state: 'unanswered' } })
})

test('readings are told at most once per slot, a command with the next frame', () => {
  let told = 0
  live.watch('pi-a')
  air().subscribe(() => told++)
  for (let i = 0; i < 50; i++) {
    read(20 + i, Date.now(), i)
    vi.advanceTimersByTime(10)
  }
  expect(told).toBeGreaterThanOrEqual(4)
  expect(told).toBeLessThanOrEqual(6)
  let lamps = 0
  lampOf().subscribe(() => lamps++)
  turnOn()
  vi.advanceTimersByTime(17)
  expect(lamps).toBe(1)
})

test('slow painting lowers the cadence, calm raises it again', () => {
  air().subscribe(() => undefined)
  slowPaint = 60
  for (let i = 0; i < 100; i++) {
    read(20 + i, Date.now(), i)
    vi.advanceTimersByTime(50)
  }
  expect(live.flush.cadence).toBe(500)
  slowPaint = 0
  for (let i = 0; i < 600; i++) {
    read(20 + i, Date.now(), i)
    vi.advanceTimersByTime(50)
  }
  expect(live.flush.cadence).toBe(100)
})

test('a hidden page hears nothing, leaves after half a minute and catches up when it is shown', () => {
  let told = 0
  air().subscribe(() => told++)
  live.setHidden(true)
  expect(hub().of('hidden')).toEqual([{ t: 'hidden', hidden: true }])
  read(25)
  vi.advanceTimersByTime(5_000)
  expect(told).toBe(0)
  vi.advanceTimersByTime(26_000)
  expect(hub().closed).toBe(true)
  live.setHidden(false)
  hub().greet()
  vi.advanceTimersByTime(50)
  expect(told).toBeGreaterThan(0)
  expect(air().main?.last?.value).toBe(25)
})

test('a chart asks for history after it began to keep live readings, and again when the past changed', async () => {
  const pi = live.fleet.devices.get('pi-a')!
  live.watch('pi-a')
  const timeline = new Timeline(live.base, pi)
  timeline.show([air().main!], { live: true, span: 60_000 }, 100)
  read(21, Date.now())
  await vi.advanceTimersByTimeAsync(10)
  expect(asked).toHaveLength(1)
  expect(timeline.columns()[0]?.mean).toEqual([21])
  wait(3_500) // what was committed meanwhile
  await vi.advanceTimersByTimeAsync(0)
  expect(asked).toHaveLength(2)
  hub().say({ t: 'delta', room: 'device/pi-a', ver: 3, filled: [{ from_ms: T, to_ms: T + 1 }] })
  await vi.advanceTimersByTimeAsync(1_300)
  expect(asked.filter((q) => q.points === 100)).toHaveLength(3)
  timeline.close()
  const before = asked.length
  await vi.advanceTimersByTimeAsync(300_000)
  expect(asked).toHaveLength(before)
})

test('a snapshot in the middle of a stay makes sparklines and charts ask again', async () => {
  live.watch('pi-a')
  const say = (epoch: string): void => {
    hub().say({ t: 'snapshot', room: 'device/pi-a', epoch, ver: 5, t0_ms: T, devices: [device('pi-a')] })
  }
  say('d1')
  await vi.advanceTimersByTimeAsync(10)
  const first = asked.length
  expect(first).toBeGreaterThan(0)
  const { past } = live.fleet.devices.get('pi-a')!
  say('d2')
  await vi.advanceTimersByTimeAsync(10)
  expect(asked.length).toBe(2 * first)
  expect(live.fleet.devices.get('pi-a')!.past).toBe(past + 1)
})

test('a device that was forgotten is gone, and one that arrives is there', () => {
  hub().say({
    t: 'delta',
    room: 'fleet',
    ver: 3,
    devices: [{ ...device('pi-a'), removed: true }, device('pi-c')],
  })
  expect([...live.fleet.devices.keys()].sort()).toEqual(['pi-b', 'pi-c'])
})

test('areas: rooms of people come before machines, and in a room what is measured before what is vague', () => {
  const of = (id: string, more: Partial<Entity>): Entity => ({ ...thermometer, id, ...more })
  const traffic = of('net', { device_class: 'data_rate' })
  const vague = of('load', {})
  const clear = of('warmth', { device_class: 'temperature' })
  const rack = [of('cpu', { entity_category: 'diagnostic' }), traffic]
  hub().say({
    t: 'delta', room: 'fleet', ver: 3,
    devices: [
      { ...device('pi-d', 'online', rack), area: 'Attic' },
      { ...device('pi-e', 'online', [traffic, vague, lamp, clear]), area: 'Study' },
    ],
  }) // prettier-ignore
  const areas = live.fleet.areas()
  expect(areas.map((a) => a.name)).toEqual(['Study', 'Attic', ''])
  expect(areas[0]?.entities.map((e) => e.spec.id)).toEqual(['lamp', 'warmth', 'load'])
  expect(areas[0]?.technical.map((e) => e.spec.id)).toEqual(['net'])
  expect(
    areas[1]?.entities.map((e) => e.spec.id),
    'nobody watches anything else there',
  ).toEqual(['net', 'cpu'])
})

test('areas: an entity may stand elsewhere than its device, diagnostics stay on the device page', () => {
  const far: Entity = { ...thermometer, id: 'far', area: 'Garden' }
  const hidden: Entity = { ...thermometer, id: 'cpu', entity_category: 'diagnostic' }
  hub().say({
    t: 'delta',
    room: 'fleet',
    ver: 3,
    devices: [{ ...device('pi-c', 'online', [thermometer, far, hidden]), area: 'Attic' }],
  })
  const areas = live.fleet.areas()
  expect(areas.map((a) => a.name)).toEqual(['Attic', 'Garden', ''])
  expect(areas[0]?.entities.map((e) => e.spec.id)).toEqual(['air'])
  expect(areas[0]?.technical.map((e) => e.spec.id)).toEqual(['cpu'])
})
