import type { Api } from '../wire/http'
import type { Command } from '../wire/schema.gen'
import type { DeviceModel } from './device'
import { type Flush, Model } from './flush'

/** What a ledger needs of the rest. */
export interface LedgerEnv {
  readonly api: Pick<Api, 'commands'>
  readonly flush: Flush
}

/** Commands per question. */
const PAGE = 100
/** Nobody reads more than this; the API has the rest. */
const MOST = 1_000

/** Ledger is the commands of a device: those the hub has stored, as far back as somebody looks, and what its room tells since. */
export class Ledger extends Model {
  /** Why the last question was not answered; "" = it was. */
  wrong = ''
  private stored = new Map<string, Command>()
  /** Up to here nothing is missing, Unix ms. */
  private reached = Infinity
  private wanted = Infinity
  private asking = false
  private closed = false

  constructor(
    private readonly env: LedgerEnv,
    private readonly device: DeviceModel,
  ) {
    super(env.flush)
    void this.fetch()
  }

  /** Everything that is known, newest first. */
  commands(): Command[] {
    const all = new Map(this.stored)
    for (const e of this.device.entities.values())
      for (const name of e.channels.keys()) for (const c of e.slot(name).recent) all.set(c.id, c)
    return [...all.values()].sort((a, b) => b.asked_ms - a.asked_ms || b.seq - a.seq)
  }

  /** Somebody looks back to `from`, Unix ms: what is not known yet is asked for. */
  reach(from: number): void {
    this.wanted = Math.min(this.wanted, from)
    if (this.reached > this.wanted) void this.fetch()
  }

  /** Ends it: no further question. */
  close(): void {
    this.closed = true
  }

  private async fetch(): Promise<void> {
    if (this.asking || this.closed) return
    this.asking = true
    try {
      do {
        const oldest = [...this.stored.values()].reduce((n, c) => Math.min(n, c.seq), Infinity)
        const before = Number.isFinite(oldest) ? oldest : undefined
        const { commands } = await this.env.api.commands(this.device.id, PAGE, before)
        for (const c of commands) this.stored.set(c.id, c)
        const over = commands.length < PAGE || this.stored.size >= MOST
        this.reached = over ? -Infinity : (commands.at(-1)?.asked_ms ?? -Infinity)
      } while (!this.closed && this.reached > this.wanted)
      this.wrong = ''
    } catch (err) {
      this.wrong = err instanceof Error ? err.message : 'The ledger cannot be read.'
    } finally {
      this.asking = false
    }
    this.changedNow()
  }
}
