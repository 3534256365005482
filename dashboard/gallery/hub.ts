import type { LiveDown, LiveUp } from '../src/wire/frames'
import type { Api, HistoryQuery } from '../src/wire/http'
import type { Ask, Command, CommandState, History, LiveSeries } from '../src/wire/schema.gen'
import type { SocketLike } from '../src/wire/socket'
import type { Home, Thing } from './home'
import { galleryStorage, type Look } from './storage'

/** A curve that looks like a day: slow, with a little noise, the same for the past and the present. */
export function curve(base: number, t: number): number {
  const scale = Math.max(0.3, Math.abs(base) * 0.02)
  const noise = Math.sin(t / 7_000) * 0.12 + Math.sin(t / 1_900) * 0.05
  return base + scale * (Math.sin(t / 900_000) + 0.4 * Math.sin(t / 240_000 + 1) + noise)
}

/**
 * A socket with a scripted hub behind it, for the gallery only: it shows every state on purpose, which no real home does.
 */
export class GallerySocket implements SocketLike {
  onopen: (() => void) | null = null
  onmessage: ((e: { data: unknown }) => void) | null = null
  onclose: ((e: { code: number; reason: string }) => void) | null = null
  private ver = 1
  private seq = 0
  private readonly rooms = new Set<string>()
  private readonly timer: ReturnType<typeof setInterval>

  constructor(private readonly homes: readonly Home[]) {
    setTimeout(() => this.onopen?.(), 5)
    this.timer = setInterval(() => {
      for (const room of this.rooms) this.beat(room)
    }, 1000)
  }

  send(text: string): void {
    const parsed = JSON.parse(text) as LiveUp | LiveUp[]
    for (const frame of Array.isArray(parsed) ? parsed : [parsed]) this.take(frame)
  }

  close(): void {
    clearInterval(this.timer)
  }

  private take(f: LiveUp): void {
    const now = Date.now()
    if (f.t === 'hello') {
      this.say({
        t: 'welcome',
        hub_id: 'gallery',
        version: '0.1.0',
        now_ms: now,
        started_ms: now,
        ping_ms: 25_000,
        credit: 32,
      })
      for (const p of f.resume ?? []) this.join(p.room)
    } else if (f.t === 'join') this.join(f.room)
    else if (f.t === 'leave') this.rooms.delete(f.room)
    else if (f.t === 'ping')
      setTimeout(() => {
        this.say({ t: 'pong', now_ms: f.now_ms, at_ms: Date.now() })
      }, 3)
    else if (f.t === 'ask') this.command(f)
  }

  private join(room: string): void {
    this.rooms.add(room)
    const head = { t: 'snapshot' as const, room, epoch: 'e1', ver: this.ver, t0_ms: Date.now() }
    if (room === 'fleet') {
      this.say({ ...head, devices: this.homes.map((h) => h.device) })
      return
    }
    const home = this.home(room)
    if (home) this.say({ ...head, devices: [home.device], series: home.things.flatMap((t) => first(t)) })
  }

  private beat(room: string): void {
    const home = this.home(room)
    if (home?.device.presence.state !== 'online') return
    const now = Date.now()
    const series: LiveSeries[] = []
    for (const { entity, values, age, fault } of home.things) {
      if (age || fault) continue
      for (const c of entity.channels) {
        const v = values?.[c.name]
        if (typeof v !== 'number' || c.settable) continue
        const ch = `${entity.id}.${c.name}`
        if (c.step_us) series.push({ ch, step_us: c.step_us, dt_ms: [-1000], v: wave(now, c.step_us) })
        else series.push({ ch, v: [curve(v, now)] })
      }
    }
    this.say({ t: 'delta', room, ver: ++this.ver, t0_ms: now, series })
  }

  private command(ask: Ask): void {
    const home = this.homes.find((h) => h.device.id === ask.device)
    const thing = home?.things.find((t) => t.entity.id === ask.entity)
    if (!home || !thing) return
    const now = Date.now()
    const command: Command = {
      id: crypto.randomUUID().replaceAll('-', ''),
      key: ask.key,
      seq: ++this.seq,
      device: ask.device,
      entity: ask.entity,
      channel: ask.channel ?? 'state',
      op: ask.op,
      value: ask.value,
      actor: 'local',
      asked_ms: now,
      deadline_ms: now + 10_000,
      state: 'queued',
      reported: null,
      log: [],
    }
    const step = (after: number, state: CommandState, message = ''): void => {
      setTimeout(() => {
        command.state = state
        command.message = message
        command.log.push({ state, at_ms: Date.now() })
        if (state === 'done') {
          command.reported = ask.value
          command.proof = 'readback'
        }
        this.say({
          t: 'delta',
          room: `device/${ask.device}`,
          ver: ++this.ver,
          commands: [structuredClone(command)],
        })
      }, after)
    }
    step(5, 'sent')
    if (thing.answer === 'done') step(400, 'done')
    if (thing.answer === 'failed')
      step(700, 'failed', 'The pump was switched on, but its feedback contact reads off.')
    if (thing.answer === 'never')
      step(10_000, 'expired', 'The device did not answer in time. It was never tried.')
  }

  private home(room: string): Home | undefined {
    return this.homes.find((h) => room === `device/${h.device.id}`)
  }

  private say(frame: LiveDown): void {
    setTimeout(() => this.onmessage?.({ data: JSON.stringify(frame) }), 0)
  }
}

function first({ entity, values, age, fault }: Thing): LiveSeries[] {
  return Object.entries(values ?? {}).flatMap(([name, v]): LiveSeries[] => {
    const ch = `${entity.id}.${name}`
    const good: LiveSeries = { ch, dt_ms: [-(age ?? 0)], v: [v] }
    if (fault) return [{ ch, dt_ms: [-130_000, -500], v: [v, null], q: ['ok', 'fault'] }]
    return [good]
  })
}

function wave(now: number, stepUs: number): number[] {
  const n = Math.round(1_000_000 / stepUs)
  return Array.from({ length: n }, (_, i) => {
    const t = now - 1000 + (i * stepUs) / 1000
    const phase = (t % 850) / 850
    return (
      0.4 +
      1.6 * Math.exp(-(((phase - 0.3) / 0.04) ** 2)) -
      0.4 * Math.exp(-(((phase - 0.36) / 0.03) ** 2)) +
      0.2 * Math.exp(-(((phase - 0.6) / 0.09) ** 2))
    )
  })
}

/** The HTTP side: a past made of the same curves, with a hole in it. */
export function galleryApi(homes: readonly Home[], look: Look): Api {
  const refuse = (): Promise<never> => Promise.reject(new Error('The gallery has no hub.'))
  return {
    info: refuse,
    devices: () => Promise.resolve({ now_ms: Date.now(), devices: homes.map((h) => h.device) }),
    history: (q) => Promise.resolve(past(homes, q)),
    commands: () => Promise.resolve({ commands: [] }),
    patch: refuse,
    forget: refuse,
    pairingCode: () => Promise.resolve({ code: 'TR4M-9KQX', expires_ms: Date.now() + 600_000, uses: 1 }),
    storage: () => Promise.resolve(galleryStorage(homes, look)),
  }
}

function past(homes: readonly Home[], q: HistoryQuery): History {
  const bucket = Math.max(1000, Math.ceil((q.to - q.from) / q.points / 1000) * 1000)
  const span = q.to - q.from
  const hole = { from: q.to - span * 0.62, to: q.to - span * 0.55 }
  const things = homes.find((h) => h.device.id === q.device)?.things ?? []
  const series = q.channels.map((ch) => {
    const [id, name = ''] = ch.split('.')
    const base = things.find((t) => t.entity.id === id)?.values?.[name]
    const out = {
      ch,
      t_ms: [] as number[],
      mean: [] as number[],
      min: [] as number[],
      max: [] as number[],
      count: [] as number[],
    }
    if (typeof base === 'boolean') {
      const changes = [0, 0.2, 0.45, 0.5, 0.8].map((p) => q.from + p * span)
      return { ch, t_ms: changes.map(Math.round), v: changes.map((_, i) => i % 2 === 0) }
    }
    if (typeof base !== 'number') return { ch, t_ms: [q.from], v: [base ?? null] }
    for (let t = Math.ceil(q.from / bucket) * bucket; t < q.to; t += bucket) {
      if (span > 3_700_000 && t > hole.from && t < hole.to) continue
      const v = curve(base, t)
      const wide = Math.max(0.1, Math.abs(base) * 0.01) * Math.min(1, bucket / 60_000)
      out.t_ms.push(t)
      out.mean.push(v)
      out.min.push(v - wide)
      out.max.push(v + wide)
      out.count.push(Math.round(bucket / 1000))
    }
    return out
  })
  const gaps =
    span > 3_700_000
      ? [{ from_ms: Math.round(hole.from), to_ms: Math.round(hole.to), reason: 'offline' as const }]
      : []
  return { from_ms: Math.round(q.from), to_ms: Math.round(q.to), bucket_ms: bucket, series, gaps }
}
