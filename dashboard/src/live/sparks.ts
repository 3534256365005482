import type { Api } from '../wire/http'
import type { DeviceModel } from './device'
import { SPARK_BUCKETS, sparkSpan } from './spark'

/** Devices asked for at the same time: the hub has better things to do than to draw everybody's last hour first. */
const AT_ONCE = 3
/** Channels per request; the rest follows in another one. */
const CHANNELS = 24

/**
 * Sparks fills the sparklines of devices from history: once when their room is entered and again when their past changed.
 * A device that is asked for while its answer is under way is asked once more afterwards.
 */
export class Sparks {
  private readonly queue = new Set<DeviceModel>()
  private readonly running = new Set<DeviceModel>()

  constructor(
    private readonly api: Pick<Api, 'history'>,
    private readonly now: () => number,
  ) {}

  /** Asks for the last hour of a device's numbers. */
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
    const span = sparkSpan(false)
    const ids = [...device.entities.values()]
      .map((e) => e.main)
      .filter((c) => c?.spark?.spanMs === span)
      .map((c) => c?.id ?? '')
    for (let i = 0; i < ids.length; i += CHANNELS) {
      const to = this.now()
      const from = (Math.floor(to / span) - SPARK_BUCKETS + 1) * span
      const channels = ids.slice(i, i + CHANNELS)
      try {
        const history = await this.api.history({
          device: device.id,
          channels,
          from,
          to,
          points: SPARK_BUCKETS,
        })
        for (const s of history.series) {
          const channel = device.channel(s.ch)
          channel?.spark?.backfill(s.t_ms, s.mean ?? [], s.count ?? [], to)
          channel?.refreshed()
        }
      } catch {
        return // a tile without a past is still true; the next snapshot asks again
      }
    }
  }
}
