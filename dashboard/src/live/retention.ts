import type { RetentionPreview, RetentionRule } from '../wire/schema.gen'
import type { StorageApi } from '../wire/storage'
import type { Timers } from '../wire/timers'
import { type Flush, Model } from './flush'

/** Where the question what rules would delete stands. */
export type Preview =
  | { readonly is: 'none' }
  | { readonly is: 'asking' }
  | { readonly is: 'known'; readonly loss: RetentionPreview }
  | { readonly is: 'failed'; readonly why: string }

/** What a draft needs of the rest. */
export interface DraftEnv {
  readonly timers: Timers
  readonly flush: Flush
  api(): Promise<Pick<StorageApi, 'preview'>>
}

/** Somebody who changes a rule changes another soon; one question per this many ms. */
const PREVIEW_AFTER_MS = 300

/** What a rule is for, as a key: no two rules are for the same. */
export function scopeOf(rule: RetentionRule): string {
  return `${rule.device ?? ''} ${rule.ch ?? ''}`
}

/** Rules in the order in which people read them: everything, then each device and its channels. */
export function inOrder(rules: readonly RetentionRule[]): RetentionRule[] {
  return [...rules].sort(
    (a, b) => (a.device ?? '').localeCompare(b.device ?? '') || (a.ch ?? '').localeCompare(b.ch ?? ''),
  )
}

/** Whether two sets of rules say the same. A missing rule for everything keeps it for ever. */
export function sameRules(a: readonly RetentionRule[], b: readonly RetentionRule[]): boolean {
  const key = (rules: readonly RetentionRule[]): string =>
    rules
      .filter((r) => r.device || r.ch || r.days > 0)
      .map((r) => `${scopeOf(r)} ${String(r.days)}`)
      .sort()
      .join('\n')
  return key(a) === key(b)
}

/**
 * RetentionDraft is a set of rules that somebody is changing, beside the rules that hold. Nothing is deleted by it: it asks the hub
 * what the rules would delete, and is ready to be kept only when that is known.
 */
export class RetentionDraft extends Model {
  rules: readonly RetentionRule[]
  preview: Preview = { is: 'none' }
  private asking: AbortController | undefined
  private cancel: (() => void) | undefined

  constructor(
    private readonly env: DraftEnv,
    private held: readonly RetentionRule[],
  ) {
    super(env.flush)
    this.rules = whole(held)
  }

  /** Whether it differs from the rules that hold. */
  get differs(): boolean {
    return !sameRules(this.rules, this.held)
  }

  /** Takes the rules that hold now. A draft that nobody has changed follows them. */
  hold(held: readonly RetentionRule[]): void {
    if (sameRules(held, this.held)) return
    const untouched = !this.differs
    this.held = held
    if (untouched) this.rules = whole(held)
    else this.look()
    this.changedNow()
  }

  /** Puts a rule in place of the one for the same, or adds it. */
  put(rule: RetentionRule): void {
    const scope = scopeOf(rule)
    const known = this.rules.some((r) => scopeOf(r) === scope)
    this.become(known ? this.rules.map((r) => (scopeOf(r) === scope ? rule : r)) : [...this.rules, rule])
  }

  /** Takes a rule out; what it was for falls under the next wider one. The rule for everything stays. */
  drop(rule: RetentionRule): void {
    this.become(this.rules.filter((r) => scopeOf(r) !== scopeOf(rule)))
  }

  /** Back to the rules that hold. */
  reset(): void {
    this.become(this.held)
  }

  /** Asks again what the rules would delete. */
  look(): void {
    this.cancel?.()
    this.asking?.abort()
    if (!this.differs) {
      this.preview = { is: 'none' }
      return
    }
    this.preview = { is: 'asking' }
    this.cancel = this.env.timers.after(PREVIEW_AFTER_MS, () => void this.ask())
  }

  /** Ends questions and timers. */
  close(): void {
    this.cancel?.()
    this.asking?.abort()
  }

  private become(rules: readonly RetentionRule[]): void {
    this.rules = whole(rules)
    this.look()
    this.changedNow()
  }

  private async ask(): Promise<void> {
    const asking = new AbortController()
    this.asking = asking
    try {
      const api = await this.env.api()
      const loss = await api.preview({ rules: [...this.rules] }, asking.signal)
      if (asking.signal.aborted) return
      this.preview = { is: 'known', loss }
    } catch (err) {
      if (asking.signal.aborted) return
      this.preview = { is: 'failed', why: err instanceof Error ? err.message : 'The hub gave no answer.' }
    }
    this.changedNow()
  }
}

/** Rules in order, with one for everything in front. */
function whole(rules: readonly RetentionRule[]): RetentionRule[] {
  const all = rules.some((r) => !r.device && !r.ch) ? rules : [{ days: 0 }, ...rules]
  return inOrder(all)
}
