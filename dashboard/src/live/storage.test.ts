import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ApiError } from '../wire/http'
import type { Backup, RetentionPreview, RetentionRules, Storage } from '../wire/schema.gen'
import type { StorageApi } from '../wire/storage'
import { testTimers } from '../wire/testing'
import { Flush } from './flush'
import { inOrder, RetentionDraft, sameRules } from './retention'
import { StorageModel } from './storage'
import { cardWear, diskParts, outlook } from './storagePace'

const T = Date.UTC(2026, 10, 1)
const GB = 1e9

function storage(more: Partial<Storage> = {}): Storage {
  return {
    state: 'ok',
    file_bytes: GB,
    free_bytes: 21 * GB,
    disk_bytes: 32 * GB,
    readings: 1e9,
    reading_bytes: 9e8,
    oldest_ms: T - 86_400_000 * 100,
    growth_per_day: 1e7,
    wear: {
      written_bytes: 1e8,
      since_ms: T - 86_400_000,
      per_day_bytes: 4e7,
      endurance_bytes: 32e12,
      lasts_days: 800_000,
      bytes_per_reading: 1.2,
    },
    retention: [],
    ...more,
  }
}

const running: Backup = { name: 'a', state: 'running', progress: 0.1, started_ms: T }
let asked: string[]
let answer: () => Promise<Storage>
let backups: Backup[]
let flush: Flush
let model: StorageModel
const timers = testTimers()

beforeEach(() => {
  vi.useFakeTimers({ now: T })
  asked = []
  backups = []
  answer = () => Promise.resolve(storage())
  flush = new Flush(timers, {
    frame(run) {
      const id = setTimeout(run, 16)
      return () => {
        clearTimeout(id)
      }
    },
    painted: () => undefined,
  })
  const api: Partial<StorageApi> = {
    state() {
      asked.push('state')
      return answer()
    },
    backups() {
      asked.push('backups')
      return Promise.resolve({ backups })
    },
    backUp() {
      backups = [running]
      return Promise.resolve(running)
    },
  }
  model = new StorageModel({ api: { storage: () => Promise.resolve(api as StorageApi) }, timers, flush })
})

afterEach(() => {
  vi.useRealTimers()
})

test('nobody listens, nothing is asked; a listener is worth one question a minute', async () => {
  await vi.advanceTimersByTimeAsync(600_000)
  expect(asked).toEqual([])
  const end = model.subscribe(() => undefined)
  await vi.advanceTimersByTimeAsync(300_000)
  expect(asked.filter((a) => a === 'state').length).toBe(6) // at once and every minute
  expect(asked).not.toContain('backups')
  end()
  asked = []
  await vi.advanceTimersByTimeAsync(600_000)
  expect(asked).toEqual([])
})

test('a hidden page asks nothing and asks at once when it is shown', async () => {
  model.subscribe(() => undefined)
  await vi.advanceTimersByTimeAsync(100)
  flush.setHidden(true)
  asked = []
  await vi.advanceTimersByTimeAsync(3_600_000)
  expect(asked).toEqual([])
  flush.setHidden(false)
  model.soon()
  await vi.advanceTimersByTimeAsync(100)
  expect(asked).toEqual(['state'])
})

test('a backup that runs is followed every second and no longer when it is done', async () => {
  model.subscribe(() => undefined)
  const end = model.look()
  await vi.advanceTimersByTimeAsync(100)
  expect(model.running).toBeUndefined()
  await model.backUp()
  expect(model.running?.progress).toBe(0.1)
  asked = []
  await vi.advanceTimersByTimeAsync(10_000)
  expect(asked.filter((a) => a === 'backups').length).toBeGreaterThanOrEqual(9)
  backups = [{ ...running, state: 'done', progress: 1 }]
  await vi.advanceTimersByTimeAsync(1_500)
  expect(model.running).toBeUndefined()
  asked = []
  await vi.advanceTimersByTimeAsync(9_000)
  expect(asked.filter((a) => a === 'backups').length).toBeLessThanOrEqual(1)
  end()
})

test('whoever comes to look while the banner is asking gets the backups at once', async () => {
  let late: (s: Storage) => void = () => undefined
  answer = () => new Promise((r) => (late = r))
  model.subscribe(() => undefined)
  await vi.advanceTimersByTimeAsync(10)
  model.look()
  await vi.advanceTimersByTimeAsync(10)
  answer = () => Promise.resolve(storage())
  late(storage())
  await vi.advanceTimersByTimeAsync(100)
  expect(model.backups).toEqual([])
})

test('an answer that was under way when the page did something is not believed', async () => {
  model.subscribe(() => undefined)
  model.look()
  await vi.advanceTimersByTimeAsync(100)
  let late: (s: Storage) => void = () => undefined
  answer = () => new Promise((r) => (late = r))
  model.soon()
  await vi.advanceTimersByTimeAsync(10)
  await model.backUp()
  late(storage({ readings: 7 }))
  answer = () => Promise.resolve(storage({ readings: 8 }))
  await vi.advanceTimersByTimeAsync(0)
  expect(model.state?.readings).not.toBe(7)
  await vi.advanceTimersByTimeAsync(100)
  expect(model.state?.readings).toBe(8)
})

test('failures are told, keep what is known and are asked again ever more seldom', async () => {
  model.subscribe(() => undefined)
  model.look()
  await vi.advanceTimersByTimeAsync(100)
  answer = () => Promise.reject(new ApiError(0, '', 'The hub cannot be reached.'))
  asked = []
  await vi.advanceTimersByTimeAsync(3_600_000)
  expect(model.wrong).toBe('The hub cannot be reached.')
  expect(model.state?.readings).toBe(1e9)
  expect(asked.filter((a) => a === 'state').length).toBeLessThan(36)
  answer = () => Promise.resolve(storage())
  await vi.advanceTimersByTimeAsync(120_000)
  expect(model.wrong).toBe('')
})

test('a hub that does not know the page is asked once', async () => {
  answer = () => Promise.reject(new ApiError(404, 'not_found', 'There is no such page.'))
  model.subscribe(() => undefined)
  await vi.advanceTimersByTimeAsync(3_600_000)
  expect(model.absent).toBe(true)
  expect(asked).toEqual(['state'])
})

test('what ends first: the disk or the budget', () => {
  expect(outlook(storage())).toEqual({ days: 2100, limit: 'disk' })
  expect(outlook(storage({ budget_bytes: 2 * GB }))).toEqual({ days: 100, limit: 'budget' })
  expect(outlook(storage({ growth_per_day: 0 })).days).toBeUndefined()
  expect(outlook(storage({ budget_bytes: GB / 2 })).days).toBe(0)
})

test('the parts of a disk add up, whatever the hub says', () => {
  for (const s of [storage(), storage({ free_bytes: 40 * GB }), storage({ disk_bytes: 0 })]) {
    const p = diskParts(s)
    expect(p.store + p.other + p.free).toBeCloseTo(1)
    expect(Math.min(p.store, p.other, p.free)).toBeGreaterThanOrEqual(0)
  }
  expect(diskParts(storage({ budget_bytes: 8 * GB })).budget).toBe(0.25)
  expect(diskParts(storage({ budget_bytes: 80 * GB })).budget).toBeUndefined()
})

test('the wear of a card is what is written a day of what it bears for ten years', () => {
  const w = cardWear(storage(), T)
  expect(w.part).toBeCloseTo(4e7 / (32e12 / 3652))
  expect(Math.round(w.cycles)).toBe(1000)
  expect(w.early).toBe(false)
  const unknown = storage({ wear: { ...storage().wear, endurance_bytes: 0, lasts_days: 0, since_ms: T } })
  expect(cardWear(unknown, T)).toMatchObject({ part: 0, years: undefined, early: true })
})

interface Waiting {
  rules: RetentionRules
  give(p: RetentionPreview): void
}

function draft(held: Storage['retention']): { it: RetentionDraft; waiting: Waiting[] } {
  const waiting: Waiting[] = []
  const preview = (rules: RetentionRules, signal: AbortSignal): Promise<RetentionPreview> =>
    new Promise((give, refuse) => {
      waiting.push({ rules, give })
      signal.addEventListener('abort', () => {
        refuse(new Error('aborted'))
      })
    })
  const it = new RetentionDraft({ timers, flush, api: () => Promise.resolve({ preview }) }, held)
  return { it, waiting }
}

const loss = (n: number): RetentionPreview => ({ readings: n, bytes: n, series: [] })

test('a draft asks once for a burst of changes, and only the last answer counts', async () => {
  const { it, waiting } = draft([])
  expect(it.differs).toBe(false)
  it.put({ days: 365 })
  it.put({ days: 90 })
  expect(it.preview.is).toBe('asking')
  await vi.advanceTimersByTimeAsync(400)
  expect(waiting.map((w) => w.rules.rules)).toEqual([[{ days: 90 }]])
  it.put({ days: 30 })
  await vi.advanceTimersByTimeAsync(400)
  waiting[0]!.give(loss(1))
  await vi.advanceTimersByTimeAsync(0)
  expect(it.preview.is).toBe('asking')
  waiting[1]!.give(loss(2))
  await vi.advanceTimersByTimeAsync(0)
  expect(it.preview).toEqual({ is: 'known', loss: loss(2) })
  it.reset()
  expect(it.preview.is).toBe('none')
  expect(it.rules).toEqual([{ days: 0 }])
})

test('an untouched draft follows the rules that hold, a changed one stays and asks anew', async () => {
  const { it, waiting } = draft([])
  it.hold([{ days: 30 }])
  expect(it.rules).toEqual([{ days: 30 }])
  it.put({ device: 'pi', days: 7 })
  await vi.advanceTimersByTimeAsync(400)
  it.hold([{ days: 30 }])
  await vi.advanceTimersByTimeAsync(400)
  expect(waiting.length).toBe(1)
  it.hold([{ days: 60 }])
  await vi.advanceTimersByTimeAsync(400)
  expect(waiting.length).toBe(2)
  expect(it.rules).toEqual([{ days: 30 }, { device: 'pi', days: 7 }])
  it.drop({ device: 'pi', days: 7 })
  it.drop({ days: 30 })
  expect(it.rules, 'everything always has a rule').toEqual([{ days: 0 }])
})

test('rules are the same whatever their order, and none is the same as for ever', () => {
  expect(sameRules([], [{ days: 0 }])).toBe(true)
  expect(sameRules([{ days: 1 }, { device: 'b', days: 0 }], [{ device: 'b', days: 0 }, { days: 1 }])).toBe(
    true,
  )
  expect(sameRules([{ days: 1 }], [{ days: 1 }, { device: 'b', days: 0 }])).toBe(false)
  const mixed = [{ device: 'b', days: 1 }, { device: 'a', ch: 'x.state', days: 1 }, { days: 1 }, { device: 'a', days: 1 }] // prettier-ignore
  expect(inOrder(mixed).map((r) => `${r.device ?? '*'}/${r.ch ?? '*'}`)).toEqual([
    '*/*',
    'a/*',
    'a/x.state',
    'b/*',
  ])
})
