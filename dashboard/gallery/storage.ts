import type { Backup, RetentionRules, Storage } from '../src/wire/schema.gen'
import { storageApi, type StorageApi } from '../src/wire/storage'
import type { Home } from './home'

const DAY_MS = 86_400_000
const GB = 1e9

/** How the gallery's store stands: /gallery/?storage=tight#/storage. */
export type Look = 'ok' | 'budget' | 'tight' | 'full' | 'empty' | 'failed' | 'loading'

function state(look: Look, now: number): Storage {
  const ok: Storage = {
    state: 'ok',
    file_bytes: 412e6,
    free_bytes: 20.6 * GB,
    disk_bytes: 31.9 * GB,
    readings: 371_480_112,
    reading_bytes: 398e6,
    oldest_ms: now - 412 * DAY_MS,
    growth_per_day: 4.02e6,
    wear: {
      written_bytes: 310e6,
      since_ms: now - 8 * DAY_MS,
      per_day_bytes: 38.6e6,
      endurance_bytes: 31.9e12,
      lasts_days: 826_000,
      bytes_per_reading: 11.4,
    },
    retention: [{ days: 0 }, { device: 'pi-green', ch: 'pulse.state', days: 30 }],
  }
  switch (look) {
    case 'budget':
      return { ...ok, budget_bytes: 2 * GB }
    case 'tight':
      return { ...ok, state: look, free_bytes: 0.31 * GB, wear: { ...ok.wear, per_day_bytes: 19 * GB, lasts_days: 1_650 } } // prettier-ignore
    case 'full':
      return { ...ok, state: look, free_bytes: 9e6, message: 'Nothing new is kept until 64 MB are free. Devices hold their readings back meanwhile.' } // prettier-ignore
    case 'empty':
      return {
        ...ok,
        file_bytes: 1.1e6,
        readings: 0,
        reading_bytes: 0,
        oldest_ms: 0,
        growth_per_day: 0,
        retention: [],
        wear: {
          ...ok.wear,
          since_ms: now - 20_000,
          written_bytes: 80_000,
          per_day_bytes: 0,
          lasts_days: 0,
          bytes_per_reading: 0,
        },
      }
    default:
      return ok
  }
}

function made(name: string, age: number, now: number, more: Partial<Backup> = {}): Backup {
  const started = now - age
  return { name, state: 'done', progress: 1, started_ms: started, ended_ms: started + 14_000, bytes: 413e6, readings: 371_000_000, ...more } // prettier-ignore
}

/** A store that is made up: backups take ten seconds, rules delete what a rule of thumb says. */
export function galleryStorage(homes: readonly Home[], look: Look): StorageApi {
  const began = Date.now()
  const real = storageApi(() => Promise.reject(new Error('The gallery has no hub.')), '/api/v1')
  const now = state(look, began)
  let backups: Backup[] =
    look === 'empty'
      ? []
      : [
          made('telltale-2026-11-24.db', DAY_MS, began),
          made('telltale-2026-11-17.db', 8 * DAY_MS, began, { bytes: 396e6, readings: 357_000_000 }),
          made('telltale-2026-11-10.db', 15 * DAY_MS, began, { state: 'failed', bytes: 0, readings: 0, message: 'The disk had no room for it: 413 MB are needed, 88 MB are free.' }), // prettier-ignore
        ]
  const answer = <T>(value: T): Promise<T> => {
    if (look === 'loading') return new Promise(() => undefined)
    if (look === 'failed') return Promise.reject(new Error('The hub cannot be reached.'))
    return new Promise((r) => setTimeout(r, 60, structuredClone(value)))
  }
  const loss = ({ rules }: RetentionRules): { readings: number; bytes: number; series: never[] } | object => {
    const series = homes.flatMap((h) =>
      h.things.flatMap((t) =>
        t.entity.channels.flatMap((c) => {
          const ch = `${t.entity.id}.${c.name}`
          const rule =
            rules.find((r) => r.device === h.device.id && r.ch === ch) ??
            rules.find((r) => r.device === h.device.id && !r.ch) ??
            rules.find((r) => !r.device)
          const days = rule?.days ?? 0
          if (days === 0 || days >= 412) return []
          const readings = (412 - days) * 12_000
          return [
            { device: h.device.id, ch, readings, bytes: readings * 1.1, before_ms: began - days * DAY_MS },
          ]
        }),
      ),
    )
    const sum = (of: (s: (typeof series)[number]) => number): number => series.reduce((n, s) => n + of(s), 0)
    return { readings: sum((s) => s.readings), bytes: sum((s) => s.bytes), series }
  }
  return {
    ...real,
    state: () => answer(now),
    keep: (rules) => {
      now.retention = rules.rules
      return answer(now)
    },
    preview: (rules) => answer(loss(rules)) as ReturnType<StorageApi['preview']>,
    backups: () => answer({ backups: backups.map((b) => progress(b)) }),
    backUp: () => {
      backups = [made('telltale-now.db', 0, Date.now(), { state: 'running' }), ...backups]
      return answer(progress(backups[0] as Backup))
    },
    deleteBackup: (name) => {
      backups = backups.filter((b) => b.name !== name)
      return answer(undefined)
    },
  }
}

function progress(b: Backup): Backup {
  if (b.state !== 'running') return b
  const part = (Date.now() - b.started_ms) / 10_000
  if (part >= 1) return { ...b, state: 'done' }
  return part < 0.7
    ? { ...b, progress: part / 0.7 }
    : { ...b, state: 'verifying', progress: (part - 0.7) / 0.3 }
}
