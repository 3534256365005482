import type { Storage } from '../wire/schema.gen'

/** Ms of a day. */
const DAY_MS = 86_400_000
/** A card is judged by whether it lasts this long, in days: ten years. */
export const CARD_DAYS = 3_652
/** The pace of less than this, in ms, says little about a day. */
const PACE_MS = 600_000

/** What will end first when the store grows as it does now. */
export interface Outlook {
  /** Days until then; undefined = it does not grow, so nothing ends. */
  readonly days: number | undefined
  /** Whether the disk or the budget that was set ends it. */
  readonly limit: 'disk' | 'budget'
}

/** How long the room lasts at the present pace. */
export function outlook(s: Storage): Outlook {
  const budget = s.budget_bytes ? Math.max(0, s.budget_bytes - s.file_bytes) : Infinity
  const limit = budget < s.free_bytes ? 'budget' : 'disk'
  const room = Math.min(budget, s.free_bytes)
  return { days: s.growth_per_day > 0 ? room / s.growth_per_day : undefined, limit }
}

/** The disk in three parts that add up to 1. */
export interface DiskParts {
  readonly store: number
  readonly other: number
  readonly free: number
  /** Where on the whole the budget ends; undefined = there is none, or it is larger than the disk. */
  readonly budget: number | undefined
}

/** Divides the disk. What is neither the store's nor free belongs to others. */
export function diskParts(s: Storage): DiskParts {
  const disk = Math.max(1, s.disk_bytes)
  const store = Math.min(1, s.file_bytes / disk)
  const free = Math.min(1 - store, s.free_bytes / disk)
  const budget = s.budget_bytes ? s.budget_bytes / disk : undefined
  return {
    store,
    free,
    other: Math.max(0, 1 - store - free),
    budget: budget && budget < 1 ? budget : undefined,
  }
}

/** What a card bears and what is asked of it. */
export interface CardWear {
  /** Bytes a day that the card bears for [CARD_DAYS]; 0 = not known. */
  readonly bearsPerDay: number
  /** What is written as a part of that, at most 1; 0 = not known. */
  readonly part: number
  /** What it is good for as a multiple of its size; 0 = not known. */
  readonly cycles: number
  /** Years it lasts at this pace; undefined = not known yet. */
  readonly years: number | undefined
  /** True while the hub has run too short a time to know its pace. */
  readonly early: boolean
}

/** Judges what is written to the card by what it bears. */
export function cardWear({ wear, disk_bytes }: Storage, now: number): CardWear {
  const bearsPerDay = wear.endurance_bytes / CARD_DAYS
  return {
    bearsPerDay,
    part: bearsPerDay > 0 ? Math.min(1, wear.per_day_bytes / bearsPerDay) : 0,
    cycles: disk_bytes > 0 ? wear.endurance_bytes / disk_bytes : 0,
    years: wear.lasts_days > 0 ? wear.lasts_days / 365.25 : undefined,
    early: now - wear.since_ms < PACE_MS,
  }
}

/** Bytes per reading, packed; undefined = none has been packed yet. */
export function bytesPerReading(s: Storage): number | undefined {
  return s.readings > 0 && s.reading_bytes > 0 ? s.reading_bytes / s.readings : undefined
}

/** How many days readings have been kept; 0 = there are none. */
export function keptDays(s: Storage, now: number): number {
  return s.oldest_ms ? Math.max(0, (now - s.oldest_ms) / DAY_MS) : 0
}
