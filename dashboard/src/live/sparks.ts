import type { Api } from '../wire/http'
import type { HistorySeries } from '../wire/schema.gen'
import type { ChannelModel } from './channel'
import type { DeviceModel } from './device'
import { type Spark, SPARK_BUCKETS, type Trail } from './spark'

/** Devices asked for at the same time: the hub has better things to do than to draw everybody's last hour first. */
const AT_ONCE = 3
/** Channels per request; the rest follows in another one. */
const CHANNELS = 24

/**
 * Sparks fills the short memory of devices from history: once when their room is entered and again when their past changed.
 * A device that is asked for while its answer is under way is asked once more afterwards.
 */
export class Sparks {
  private readonly queue = new Set<DeviceModel>()
  private readonly running = new Set<DeviceModel>()

  constructor(
    private readonly api: Pick<Api, 'history'>,
    private readonly now: () => number,
  ) {}

  /** Asks for the last hour of a device. */
  fill(device: DeviceModel): void {
    this.queue.add(device)
    this.next()
  }

  private next(): void {
    for (const device of this.queue) {
      if (this.running.size >= AT_ONCE) return
      if (this.running.has(device)) continue
      this.queue.delete(device)
      this.running.add(device)
      void this.ask(device).finally(() => {
        this.running.delete(device)
        this.next()
      })
    }
  }

  private async ask(device: DeviceModel): Promise<void> {
    const mains = [...device.entities.values()].map((e) => e.main).filter((c) => c !== undefined)
    try {
      await this.askFor(device, mains.filter(remembers), (trail) => trail.hour)
      // A device that is new here has nothing to show of an hour: look closer.
      await this.askFor(device, mains.filter((c) => c.trail?.young), (trail) => trail.minutes) // prettier-ignore
    } catch {
      return // a tile without a past is still true; the next snapshot asks again
    }
  }

  private async askFor(
    device: DeviceModel,
    channels: readonly ChannelModel[],
    pick: (t: Trail) => Spark,
  ): Promise<void> {
    for (let i = 0; i < channels.length; i += CHANNELS) {
      const some = channels.slice(i, i + CHANNELS)
      const spanMs = some.map((c) => c.trail && pick(c.trail).spanMs).find(Boolean) ?? 60_000
      const now = this.now()
      // To the end of the span that is not over: then the hub's buckets are our spans.
      const from = (Math.floor(now / spanMs) - SPARK_BUCKETS + 1) * spanMs
      const to = from + SPARK_BUCKETS * spanMs - 1
      const ids = some.map((c) => c.id)
      const history = await this.api.history({
        device: device.id,
        channels: ids,
        from,
        to,
        points: SPARK_BUCKETS,
      })
      for (const s of history.series) {
        const channel = device.channel(s.ch)
        if (!channel) continue
        if (channel.trail) pick(channel.trail).backfill(s.t_ms, s.mean ?? [], s.count ?? [], now)
        else channel.since ??= lastChange(s, from)
        channel.refreshed()
      }
    }
  }
}

/** Whether a channel has a short memory: waveforms and pulses have none. */
function remembers(c: ChannelModel): boolean {
  return (c.spec.step_us ?? 0) === 0 && !c.spec.pulse
}

/** When a state came to be, Unix ms; undefined when it is older than what was asked for. */
function lastChange(s: HistorySeries, from: number): number | undefined {
  const v = s.v ?? []
  for (let i = v.length - 1; i > 0; i--) if (v[i] !== v[i - 1]) return s.t_ms[i]
  const first = s.t_ms[0]
  return first !== undefined && first > from ? first : undefined
}
