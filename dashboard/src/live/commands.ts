import type { Ask, Command, CommandState, Problem, Value } from '../wire/schema.gen'
import type { Timers } from '../wire/timers'
import { type Flush, Model } from './flush'

/** A wish is slow when the device has not answered after this time, in ms. */
export const SLOW_MS = 2_000
/** How long a wish is good, in ms: the hub expires it then. */
export const TTL_MS = 10_000
/** When the hub itself has said nothing for this long, in ms, the page stops waiting and says so. */
const SILENCE_MS = 15_000
/** Commands kept per channel. */
const RECENT = 20
/** How long the last word about a command stays beside its control, in ms. */
const WORDS_MS = 60_000

/** Where a wish stands, as the page shows it. Exactly what the hub said, and two states of our own before that. */
export type AskState = 'asking' | 'unanswered' | CommandState

/** What to do: `set` a value or `pulse`. */
export interface Wish {
  readonly device: string
  readonly entity: string
  readonly channel: string
  readonly op: Ask['op']
  readonly value: Value
}

/** A wish of this page and what became of it. */
export interface Asked extends Wish {
  readonly key: string
  /** Monotonic ms. */
  readonly askedAt: number
  readonly state: AskState
  /** Why it did not work, in words of the hub or the device. */
  readonly message: string
  /** Monotonic ms at which this state was learned. */
  readonly since: number
}

const ended: ReadonlySet<AskState> = new Set<AskState>([
  'done',
  'failed',
  'rejected',
  'expired',
  'canceled',
  'unknown',
  'unanswered',
])

/** Whether a command in this state is over. */
export function isOver(state: AskState): boolean {
  return ended.has(state)
}

/** Whether it is over and did not do what was asked, so that a person has to know. A replaced one is not a failure. */
export function isFailure(state: AskState): boolean {
  return isOver(state) && state !== 'done' && state !== 'canceled'
}

/** Slot is everything known about commands to one channel. */
export class Slot extends Model {
  /** This page's newest wish, until it is over and read. */
  mine: Asked | undefined
  /** The newest command of anybody. */
  latest: Command | undefined
  /** The newest commands of anybody, oldest first, as far as the page has heard of them; bounded. */
  recent: readonly Command[] = []

  /** Puts a wish or its next state in place. */
  set(mine: Asked | undefined): void {
    this.mine = mine
    this.changedNow()
  }

  /** Puts the newest command in place. */
  learn(command: Command): void {
    this.recent = [...this.recent.filter((c) => c.id !== command.id), command].slice(-RECENT)
    if (!this.latest || command.seq >= this.latest.seq) this.latest = command
    this.changedNow()
  }

  /** Tells the listeners that time has passed: a wish became slow. */
  aged(): void {
    this.changedNow()
  }
}

/** What commands need of the rest. */
export interface CommandsEnv {
  readonly timers: Timers
  readonly flush: Flush
  /** Sends a wish; false when there is no link. */
  send(ask: Ask): boolean
  /** A new random key. */
  newKey(): string
  /** A value was read back for a command. t: Unix ms. */
  confirmed(device: string, channel: string, value: Value, t: number): void
  /** A wish of this page ended: say it to screen readers. */
  ended(asked: Asked): void
}

/**
 * Commands asks for things and says what became of them.
 *
 * A wish has a key made here, so asking again after a lost link is the same command and never a second one. The state shown
 * is the one the hub reported; nothing is assumed to have happened.
 */
export class Commands {
  private readonly slots = new Map<string, Slot>()
  private readonly open = new Map<string, { slot: Slot; ask: Ask }>()

  constructor(private readonly env: CommandsEnv) {}

  /** The slot of a channel. The same object for ever. */
  slot(device: string, entity: string, channel: string): Slot {
    const id = `${device}/${entity}.${channel}`
    let slot = this.slots.get(id)
    if (!slot) {
      slot = new Slot(this.env.flush)
      this.slots.set(id, slot)
    }
    return slot
  }

  /**
   * Asks for something. The slot of its channel tells the rest. False when nothing was asked: a second pulse while the first is not
   * over would be a second press, however early the second click came.
   */
  ask(wish: Wish): boolean {
    const slot = this.slot(wish.device, wish.entity, wish.channel)
    if (wish.op === 'pulse' && slot.mine?.op === 'pulse' && !isOver(slot.mine.state)) return false
    const key = this.env.newKey()
    const now = this.env.timers.mono()
    const ask: Ask = { key, ...wish, ttl_ms: TTL_MS }
    if (slot.mine) this.open.delete(slot.mine.key)
    const sent = this.env.send(ask)
    slot.set({
      ...wish,
      key,
      askedAt: now,
      since: now,
      state: sent ? 'asking' : 'unanswered',
      message: sent ? '' : 'There is no connection to the hub. Nothing was sent.',
    })
    if (!sent) return true
    this.open.set(key, { slot, ask })
    this.env.timers.after(SLOW_MS, () => {
      if (slot.mine?.key === key && !isOver(slot.mine.state)) slot.aged()
    })
    this.env.timers.after(SILENCE_MS, () => {
      this.giveUp(key)
    })
    return true
  }

  /** Takes a command as the hub tells it, with its history. */
  learn(command: Command): void {
    const slot = this.slot(command.device, command.entity, command.channel)
    slot.learn(command)
    if (command.state === 'done') {
      const at = command.log.at(-1)?.at_ms ?? command.asked_ms
      this.env.confirmed(command.device, `${command.entity}.${command.channel}`, command.reported, at)
    }
    if (slot.mine?.key === command.key) this.become(slot, command.state, command.message ?? '')
  }

  /** Takes a problem that names a wish of this page. */
  refused(problem: Problem): void {
    const open = this.open.get(problem.key ?? '')
    if (open) this.become(open.slot, 'rejected', problem.message)
  }

  /** The link is back: asks again for everything without an answer. The key makes that the same command. */
  resend(): void {
    for (const { slot, ask } of this.open.values()) {
      const left = TTL_MS - (this.env.timers.mono() - (slot.mine?.askedAt ?? 0))
      if (slot.mine?.state === 'asking' && left > 0) this.env.send(ask)
    }
  }

  /** A person has read the last word about a wish. */
  dismiss(slot: Slot): void {
    if (slot.mine && isOver(slot.mine.state)) slot.set(undefined)
  }

  private giveUp(key: string): void {
    const open = this.open.get(key)
    if (open)
      this.become(open.slot, 'unanswered', 'The hub did not say what became of it. It may still happen.')
  }

  private become(slot: Slot, state: AskState, message: string): void {
    const mine = slot.mine
    if (!mine || mine.state === state || (isOver(mine.state) && mine.state !== 'unanswered')) return
    const next = { ...mine, state, message, since: this.env.timers.mono() }
    slot.set(next)
    if (!isOver(state)) return
    this.open.delete(mine.key)
    this.env.ended(next)
    if (isFailure(state)) return // stays until read or replaced
    this.env.timers.after(WORDS_MS, () => {
      if (slot.mine?.key === mine.key) slot.set(undefined)
    })
  }
}
