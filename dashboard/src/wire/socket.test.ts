import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { backoff, MAX_WAIT_MS } from './backoff'
import type { LiveDown } from './frames'
import { Link, type LinkState } from './socket'
import { FakeSocket, seeded, testTimers } from './testing'

let sockets: FakeSocket[]
let states: LinkState['is'][]
let frames: LiveDown['t'][]
let refused: string[]
let rtts: number[]

const newest = (): FakeSocket => sockets.at(-1)!

function link(random = () => 0.5): Link {
  return new Link(testTimers(random), {
    open() {
      const socket = new FakeSocket()
      sockets.push(socket)
      return socket
    },
    hello: () => ({ client: 'test', resume: [{ room: 'fleet', epoch: 'e', ver: 3 }] }),
    frame: (f) => frames.push(f.t),
    state: (s) => states.push(s.is),
    clock: (rtt) => rtts.push(rtt),
    refused: (why) => refused.push(why),
  })
}

beforeEach(() => {
  vi.useFakeTimers()
  sockets = []
  states = []
  frames = []
  refused = []
  rtts = []
})

afterEach(() => {
  vi.useRealTimers()
})

test('the first frame resumes rooms, and the link is open only after the welcome', () => {
  const l = link()
  l.start()
  newest().onopen?.()
  expect(newest().sent).toEqual([
    { t: 'hello', client: 'test', resume: [{ room: 'fleet', epoch: 'e', ver: 3 }] },
  ])
  expect(l.state.is).toBe('connecting')
  newest().greet()
  expect(l.state.is).toBe('open')
})

test('a lost connection is tried again with growing, jittered waits', () => {
  const l = link(() => 0.999)
  l.start()
  const waits: number[] = []
  for (let i = 0; i < 9; i++) {
    newest().end()
    const s = l.state
    const wait = s.is === 'waiting' ? s.until - performance.now() : NaN
    waits.push(wait)
    vi.advanceTimersByTime(Math.ceil(wait))
  }
  expect(waits[0]).toBeLessThan(500)
  expect(waits[3]).toBeGreaterThan(3_000)
  expect(waits.at(-1)).toBeGreaterThan(19_000)
  expect(Math.max(...waits)).toBeLessThanOrEqual(MAX_WAIT_MS)
  expect(sockets).toHaveLength(10)
})

test('backoff uses the whole window and never leaves it', () => {
  const random = seeded(7)
  for (let n = 1; n < 20; n++) {
    const waits = Array.from({ length: 200 }, () => backoff(n, random))
    const window = Math.min(MAX_WAIT_MS, 500 * 2 ** (n - 1))
    expect(Math.max(...waits)).toBeLessThan(window)
    expect(Math.min(...waits)).toBeLessThan(window * 0.1)
    expect(Math.max(...waits)).toBeGreaterThan(window * 0.9)
  }
})

test('a hub that is silent although probed is given up after three seconds', () => {
  const l = link()
  l.start()
  newest().greet()
  vi.advanceTimersByTime(2_400)
  expect(newest().of('ping').length).toBeGreaterThan(1)
  expect(l.state.is).toBe('open')
  vi.advanceTimersByTime(700)
  expect(l.state.is).toBe('waiting')
  expect(newest().closed).toBe(true)
})

test('any frame counts as a sign of life', () => {
  const l = link()
  l.start()
  newest().greet()
  for (let i = 0; i < 20; i++) {
    vi.advanceTimersByTime(900)
    newest().say({ t: 'delta', room: 'fleet', ver: i })
  }
  expect(l.state.is).toBe('open')
})

test('after a sleep the link is probed before it is judged', () => {
  const l = link()
  l.start()
  newest().greet()
  const asleep = performance.now() + 3_600_000
  vi.spyOn(performance, 'now').mockImplementation(() => asleep)
  vi.advanceTimersByTime(600)
  expect(l.state.is).toBe('open')
  expect(newest().of('ping').length).toBeGreaterThan(0)
})

test('a pong measures the round trip', () => {
  link().start()
  newest().greet()
  const ping = newest().of('ping')[0]!
  vi.advanceTimersByTime(42)
  newest().say({ t: 'pong', now_ms: ping.now_ms, at_ms: Date.now() })
  expect(rtts.at(-1)).toBe(42)
})

test('close codes of 4500 and up stop, in the words of the problem; waking starts again', () => {
  const l = link()
  l.start()
  newest().greet()
  newest().say({ t: 'problem', code: 'version', message: 'this hub is newer than this page' })
  newest().end(4505)
  expect(l.state).toEqual({ is: 'stopped', reason: 'this hub is newer than this page' })
  vi.advanceTimersByTime(60_000)
  expect(sockets).toHaveLength(1)
  l.wake()
  expect(sockets).toHaveLength(2)
})

test('a draining hub is left and found again within its spread', () => {
  const l = link(() => 0.5)
  l.start()
  newest().greet()
  newest().say({ t: 'bye', in_ms: 1_000, spread_ms: 4_000 })
  newest().end(1001)
  const s = l.state
  expect(s.is === 'waiting' && Math.round(s.until - performance.now())).toBe(3_000)
})

test('credit is given for handled messages, counted per connection', () => {
  const l = link()
  l.start()
  newest().greet()
  vi.advanceTimersByTime(400)
  newest().say({ t: 'delta', room: 'fleet', ver: 1 })
  newest().say({ t: 'delta', room: 'fleet', ver: 2 })
  expect(newest().of('seen').map((f) => f.n)).toEqual([1]) // prettier-ignore
  vi.advanceTimersByTime(400)
  expect(newest().of('seen').map((f) => f.n)).toEqual([1, 3]) // prettier-ignore
  for (let ver = 3; ver < 11; ver++) newest().say({ t: 'delta', room: 'fleet', ver })
  expect(newest().of('seen').map((f) => f.n)).toEqual([1, 3, 11]) // prettier-ignore
  newest().end()
  vi.advanceTimersByTime(1_000)
  newest().greet()
  vi.advanceTimersByTime(400)
  expect(newest().of('seen').map((f) => f.n)).toEqual([1]) // prettier-ignore
})

test('a bad frame is refused and loses no other', () => {
  link().start()
  newest().greet()
  newest().onmessage?.({
    data: '[{"t":"delta","room":7,"ver":1},{"t":"delta","room":"fleet","ver":2},{"t":"later"}]',
  })
  newest().onmessage?.({ data: '{not json' })
  newest().onmessage?.({ data: new ArrayBuffer(4) })
  newest().onmessage?.({ data: '{"t":"must!"}' })
  expect(frames).toEqual(['welcome', 'delta'])
  expect(refused).toHaveLength(4)
})

test('a replaced socket is not heard any more', () => {
  const l = link()
  l.start()
  const old = newest()
  old.greet()
  old.end()
  vi.advanceTimersByTime(1_000)
  old.say({ t: 'delta', room: 'fleet', ver: 9 })
  old.end(4505)
  expect(frames).toEqual(['welcome'])
  expect(l.state.is).toBe('connecting')
})

test('a connection without welcome is given up', () => {
  const l = link()
  l.start()
  newest().onopen?.()
  vi.advanceTimersByTime(8_000)
  expect(l.state.is).toBe('waiting')
})
