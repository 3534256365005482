import { backoff, STABLE_MS } from './backoff'
import { encode, type LiveDown, type LiveUp, readMessage } from './frames'
import type { LiveHello, LiveWelcome, Pong, Problem } from './schema.gen'
import type { Timers } from './timers'

/** The part of a browser's WebSocket that the link uses; tests put their own in its place. */
export interface SocketLike {
  onopen: (() => void) | null
  onmessage: ((e: { data: unknown }) => void) | null
  onclose: ((e: { code: number; reason: string }) => void) | null
  send(text: string): void
  close(code?: number, reason?: string): void
}

/** Where the link stands. Times are monotonic ms. */
export type LinkState =
  | { readonly is: 'connecting'; readonly failures: number }
  | { readonly is: 'open'; readonly since: number }
  | { readonly is: 'waiting'; readonly until: number; readonly failures: number; readonly reason: string }
  | { readonly is: 'stopped'; readonly reason: string }

/** What the link asks of its owner. */
export interface LinkOwner {
  /** Opens a socket to the hub. Called once per try. */
  open(): SocketLike
  /** The first frame of a connection, with the rooms to resume. */
  hello(): LiveHello
  /** Every frame but ping, pong and bye, in order. `welcome` comes first. */
  frame(frame: LiveDown): void
  /** The state changed. */
  state(state: LinkState): void
  /** A round trip was measured: its ms, and how far the hub's clock is ahead of ours, in ms. */
  clock(rttMs: number, offsetMs: number): void
  /** The hub sent something we refuse; the frame is dropped, the connection goes on. */
  refused(why: string): void
}

/** A connection that has no welcome after this time, in ms, is given up. */
const WELCOME_WITHIN_MS = 8_000
/** A link that was silent for this long, in ms, although it was probed, is replaced. */
const SILENT_MS = 3_000
/** A shown page probes a link that has been silent for this long, in ms. */
const QUIET_MS = 1_000
/** A shown page measures the round trip at least this often, in ms. */
const MEASURE_MS = 5_000
/** How often the link is looked at, in ms: shown, hidden. */
const WATCH_MS = 500
const WATCH_HIDDEN_MS = 25_000
/** Credit is returned after this many messages, a quarter of what the hub gives; see `seen` in the protocol. */
const SEEN_EVERY = 8
/** Or after this time, in ms: on a busy page a `seen` per message costs the hub as much as what it answers. */
const SEEN_WITHIN_MS = 400

/**
 * Link keeps one live connection to the hub, for ever.
 *
 * It retries with full jitter, resumes rooms through `hello`, and replaces a socket that looks open but is silent: browsers
 * cannot see WebSocket pings, so it sends its own and counts any frame as an answer. Close codes 4500–4999 stop it; `wake`
 * starts it again. It holds no queue: `send` on a link that is not open returns false and the caller decides.
 */
export class Link {
  private socket: SocketLike | undefined
  private now: LinkState = { is: 'stopped', reason: 'not started' }
  private failures = 0
  private handled = 0
  private owed = 0
  private hidden = false
  private farewell: { inMs: number; spreadMs: number } | undefined
  private problem: Problem | undefined
  private stopTimers: (() => void)[] = []
  private cancelWatch: (() => void) | undefined
  private cancelSeen: (() => void) | undefined
  private heard = 0
  private pinged: { wall: number; mono: number } | undefined

  constructor(
    private readonly timers: Timers,
    private readonly owner: LinkOwner,
  ) {}

  /** Where the link stands now. */
  get state(): LinkState {
    return this.now
  }

  /** Connects at once, whatever the link was doing. */
  start(): void {
    this.failures = 0
    this.connect()
  }

  /** Closes for good. */
  stop(): void {
    this.drop()
    this.become({ is: 'stopped', reason: 'closed by the page' })
  }

  /** Sends frames in one message. False when the link is not open: nothing was sent and nothing is kept. */
  send(...frames: LiveUp[]): boolean {
    if (this.now.is !== 'open' || !this.socket) return false
    this.socket.send(encode(frames))
    return true
  }

  /** The page was shown, came back online or a person wants it: prove the link now, or connect now. */
  wake(): void {
    if (this.now.is === 'open') this.probe()
    else if (this.now.is === 'waiting' || this.now.is === 'stopped') this.start()
  }

  /** Tells the hub whether anybody can see the page. */
  setHidden(hidden: boolean): void {
    if (hidden === this.hidden) return
    this.hidden = hidden
    this.send({ t: 'hidden', hidden })
    if (!hidden) this.wake()
  }

  /** Asks the hub for a sign of life; the socket is replaced when none comes within 3 s. */
  probe(): void {
    const mono = this.timers.mono()
    this.heard = mono
    this.ping()
    this.watch()
  }

  private ping(): void {
    this.pinged = { wall: Math.round(this.timers.wall()), mono: this.timers.mono() }
    this.send({ t: 'ping', now_ms: this.pinged.wall })
  }

  private connect(): void {
    this.drop()
    this.become({ is: 'connecting', failures: this.failures })
    let socket: SocketLike
    try {
      socket = this.owner.open()
    } catch (err) {
      this.retry(err instanceof Error ? err.message : 'the browser refused the connection')
      return
    }
    this.socket = socket
    const giveUp = this.timers.after(WELCOME_WITHIN_MS, () => {
      this.lost('the hub did not answer')
    })
    this.stopTimers.push(giveUp)
    socket.onopen = () => {
      socket.send(encode([{ t: 'hello', ...this.owner.hello() }]))
    }
    socket.onmessage = (e) => {
      if (socket !== this.socket) return
      this.receive(e.data, giveUp)
    }
    socket.onclose = (e) => {
      if (socket !== this.socket) return
      this.closed(e.code, e.reason)
    }
  }

  private receive(data: unknown, welcomed: () => void): void {
    this.heard = this.timers.mono()
    const message = readMessage(data)
    for (const why of message.refused) this.owner.refused(why)
    for (const frame of message.frames) this.handle(frame, welcomed)
    this.handled++
    this.owed++
    if (this.owed >= SEEN_EVERY) this.giveCredit()
    else {
      this.cancelSeen ??= this.timers.after(SEEN_WITHIN_MS, () => {
        this.giveCredit()
      })
    }
  }

  private handle(frame: LiveDown, welcomed: () => void): void {
    switch (frame.t) {
      case 'welcome':
        welcomed()
        this.open(frame)
        break
      case 'ping':
        this.send({ t: 'pong', now_ms: frame.now_ms, at_ms: Math.round(this.timers.wall()) })
        return
      case 'pong':
        this.pong(frame)
        return
      case 'bye':
        this.farewell = { inMs: frame.in_ms, spreadMs: frame.spread_ms }
        return
      case 'problem':
        this.problem = frame
        break
    }
    this.owner.frame(frame)
  }

  private open(welcome: LiveWelcome): void {
    this.become({ is: 'open', since: this.timers.mono() })
    this.owner.clock(NaN, welcome.now_ms - this.timers.wall())
    this.stopTimers.push(
      this.timers.after(STABLE_MS, () => {
        this.failures = 0
      }),
    )
    if (this.hidden) this.send({ t: 'hidden', hidden: true })
    this.probe()
  }

  private pong(frame: Pong): void {
    if (!this.pinged || this.pinged.wall !== frame.now_ms) return
    const rtt = this.timers.mono() - this.pinged.mono
    this.owner.clock(rtt, frame.at_ms + rtt / 2 - this.timers.wall())
  }

  /** Looks at the link now and then. A look that comes late (the machine slept, the script hung) proves nothing: probe first. */
  private watch(): void {
    this.cancelWatch?.()
    const every = this.hidden ? WATCH_HIDDEN_MS : WATCH_MS
    const due = this.timers.mono() + every
    this.cancelWatch = this.timers.after(every, () => {
      const now = this.timers.mono()
      const silent = now - this.heard
      if (now - due > QUIET_MS) {
        this.probe()
        return
      }
      if (silent >= SILENT_MS && !this.hidden) {
        this.lost('the hub does not answer')
        return
      }
      const asked = now - (this.pinged?.mono ?? -Infinity)
      if (this.hidden || (silent >= QUIET_MS && asked >= QUIET_MS) || asked >= MEASURE_MS) this.ping()
      this.watch()
    })
  }

  /** Tells the hub how many messages were handled. A page whose script hangs gives no credit. */
  private giveCredit(): void {
    this.cancelSeen?.()
    this.cancelSeen = undefined
    if (this.owed === 0) return
    this.owed = 0
    this.send({ t: 'seen', n: this.handled })
  }

  private closed(code: number, reason: string): void {
    const why = this.problem?.message ?? (reason || 'the connection was closed')
    if (code >= 4500 && code <= 4999) {
      this.drop()
      this.become({ is: 'stopped', reason: why })
      return
    }
    this.lost(why)
  }

  private lost(reason: string): void {
    this.drop()
    this.retry(reason)
  }

  private retry(reason: string): void {
    this.failures++
    const bye = this.farewell
    this.farewell = undefined
    const wait = bye
      ? bye.inMs + this.timers.random() * bye.spreadMs
      : backoff(this.failures, () => this.timers.random())
    this.become({ is: 'waiting', until: this.timers.mono() + wait, failures: this.failures, reason })
    this.stopTimers.push(
      this.timers.after(wait, () => {
        this.connect()
      }),
    )
  }

  /** Ends the present socket and every timer that belongs to it. */
  private drop(): void {
    for (const cancel of this.stopTimers) cancel()
    this.stopTimers = []
    this.cancelWatch?.()
    this.cancelSeen?.()
    this.cancelSeen = undefined
    this.pinged = undefined
    this.handled = 0
    this.owed = 0
    this.problem = undefined
    const socket = this.socket
    this.socket = undefined
    socket?.close(1000)
  }

  private become(state: LinkState): void {
    this.now = state
    this.owner.state(state)
  }
}
