import { ApiError, type Api } from '../wire/http'
import type { Backup, RetentionRule, Storage } from '../wire/schema.gen'
import type { StorageApi } from '../wire/storage'
import type { Timers } from '../wire/timers'
import { type Flush, Model } from './flush'

/** What the store's model needs of the rest. */
export interface StorageEnv {
  readonly api: Pick<Api, 'storage'>
  readonly timers: Timers
  readonly flush: Flush
}

/** How often the hub is asked, in ms: for a warning on any page, on the store's own page, while a backup is made. */
const EVERY_MS = { glance: 60_000, look: 10_000, wait: 1_000 } as const
/** No pause after failures is longer than this, in ms. */
const MOST_PAUSE_MS = 120_000

/**
 * StorageModel is what the page knows of the hub's store. It asks while somebody listens and the page can be seen: seldom for the
 * warning that every page shows, more often between `look` and the end of that, and not at all when the hub has no such page.
 */
export class StorageModel extends Model {
  state: Storage | undefined
  /** Every backup, newest first; undefined = not asked yet. */
  backups: readonly Backup[] | undefined
  /** Why the last question was not answered; "" = it was. */
  wrong = ''
  /** The hub is older than this page and does not tell. */
  absent = false
  private api: StorageApi | undefined
  private looks = 0
  private failures = 0
  private asking = false
  /** Somebody wants to know more than what is being asked. */
  private again = false
  /** Counts what this page did itself: an answer from before is not the newest any more. */
  private deeds = 0
  private cancel: (() => void) | undefined

  constructor(private readonly env: StorageEnv) {
    super(env.flush)
  }

  override subscribe(listener: () => void): () => void {
    const first = !this.watched
    const end = super.subscribe(listener)
    if (first) this.soon()
    return () => {
      end()
      if (!this.watched) this.cancel?.()
    }
  }

  /** Somebody looks at the store itself; the returned function ends that. */
  look(): () => void {
    this.looks++
    this.soon()
    return () => {
      this.looks--
    }
  }

  /** The page can be seen again, or a person asked for the newest. */
  soon(): void {
    this.askIn(0)
  }

  /** The backup that is being made or checked. */
  get running(): Backup | undefined {
    const all = [...(this.backups ?? []), ...(this.state?.backup ? [this.state.backup] : [])]
    return all.find((b) => b.state === 'running' || b.state === 'verifying')
  }

  /** Starts a backup. Throws in the hub's words. */
  async backUp(): Promise<void> {
    const made = await (await this.reach()).backUp()
    this.backups = [made, ...(this.backups ?? []).filter((b) => b.name !== made.name)]
    this.did()
  }

  /** Deletes a backup for good. Throws in the hub's words. */
  async deleteBackup(name: string): Promise<void> {
    await (await this.reach()).deleteBackup(name)
    this.backups = this.backups?.filter((b) => b.name !== name)
    this.did()
  }

  /** Puts rules in place of those before; what they do not keep is deleted. Throws in the hub's words. */
  async keep(rules: readonly RetentionRule[]): Promise<void> {
    this.state = await (await this.reach()).keep({ rules: [...rules] })
    this.did()
  }

  /** The store's part of the API. Throws when it cannot be loaded. */
  async reach(): Promise<StorageApi> {
    this.api ??= await this.env.api.storage()
    return this.api
  }

  private did(): void {
    this.deeds++
    this.changedNow()
    this.soon()
  }

  private askIn(ms: number): void {
    this.cancel?.()
    if (!this.watched || this.absent) return
    this.cancel = this.env.timers.after(ms, () => {
      // Nobody sees a hidden page: it looks at the clock and asks nothing.
      if (this.env.flush.isHidden) this.askIn(this.pause())
      else void this.ask()
    })
  }

  private async ask(): Promise<void> {
    if (this.asking) {
      this.again = true
      return
    }
    this.asking = true
    this.again = false
    const { deeds } = this
    try {
      const api = await this.reach()
      const state = await api.state()
      if (deeds === this.deeds) this.state = state
      const list = this.looks > 0 ? await api.backups() : undefined
      if (list && deeds === this.deeds) this.backups = list.backups
      this.wrong = ''
      this.failures = 0
    } catch (err) {
      this.failures++
      this.absent = this.state === undefined && err instanceof ApiError && err.status === 404
      this.wrong = err instanceof Error ? err.message : 'The hub does not tell about its store.'
    } finally {
      this.asking = false
    }
    this.changedNow()
    this.askIn(this.again || deeds !== this.deeds ? 0 : this.pause())
  }

  private pause(): number {
    const look = this.running ? EVERY_MS.wait : EVERY_MS.look
    const calm = this.looks > 0 ? look : EVERY_MS.glance
    return this.failures === 0 ? calm : Math.min(MOST_PAUSE_MS, EVERY_MS.look * 2 ** (this.failures - 1))
  }
}
