import type { LiveUp } from '../wire/frames'
import type { RoomPosition } from '../wire/schema.gen'
import type { Timers } from '../wire/timers'

/** A room is left this long after the last tile that needed it is gone, in ms: scrolling back and forth joins nothing anew. */
const GRACE_MS = 5_000
/** Rooms resumed in the first frame, which is bounded to 4 KiB; the others are joined right after. */
const RESUME_AT_ONCE = 32

interface Room {
  wanted: number
  position: RoomPosition
  cancel: (() => void) | undefined
}

/**
 * Rooms keeps the list of rooms the page is in, with who needs them, and where it is in each.
 *
 * Joins are counted: the first one joins, the last one to leave leaves after a grace time. A position survives a lost link,
 * so that the hub can go on where the page stopped.
 */
export class Rooms {
  private readonly rooms = new Map<string, Room>()
  /** Rooms that this connection was told of. */
  private told = new Set<string>()

  constructor(
    private readonly timers: Timers,
    private readonly send: (...frames: LiveUp[]) => boolean,
    /** A room was left: nothing more is heard of it. */
    private readonly left: (name: string) => void,
  ) {}

  /** Enters a room; the returned function leaves it. Calling that twice is the same as once. */
  join(name: string): () => void {
    let room = this.rooms.get(name)
    if (room) {
      room.cancel?.()
      room.cancel = undefined
    } else {
      room = { wanted: 0, position: { room: name }, cancel: undefined }
      this.rooms.set(name, room)
      if (this.send({ t: 'join', room: name })) this.told.add(name)
    }
    room.wanted++
    const joined = room
    let left = false
    return () => {
      if (left) return
      left = true
      joined.wanted--
      if (joined.wanted > 0) return
      joined.cancel = this.timers.after(GRACE_MS, () => {
        this.rooms.delete(name)
        this.told.delete(name)
        this.send({ t: 'leave', room: name })
        this.left(name)
      })
    }
  }

  /** Whether the page is in a room. */
  has(name: string): boolean {
    return this.rooms.has(name)
  }

  /** Remembers where the page is in a room. An absent epoch leaves the known one. */
  at(name: string, ver: number, epoch?: string): void {
    const room = this.rooms.get(name)
    if (!room) return
    const known = epoch ?? room.position.epoch
    room.position = known === undefined ? { room: name } : { room: name, epoch: known, ver }
  }

  /** The version known of a room; undefined when none is. */
  version(name: string): number | undefined {
    return this.rooms.get(name)?.position.ver
  }

  /** What the first frame of a connection resumes. */
  resume(): RoomPosition[] {
    const first = this.positions().slice(0, RESUME_AT_ONCE)
    this.told = new Set(first.map((p) => p.room))
    return first
  }

  /** Joins what the first frame did not have: too many rooms, or entered since it was sent. Call after the welcome. */
  joinRest(): void {
    const rest = this.positions().filter((p) => !this.told.has(p.room))
    for (let i = 0; i < rest.length; i += RESUME_AT_ONCE) {
      const some = rest.slice(i, i + RESUME_AT_ONCE)
      for (const p of some) this.told.add(p.room)
      this.send(...some.map((p) => ({ t: 'join' as const, ...p })))
    }
  }

  private positions(): RoomPosition[] {
    return [...this.rooms.values()].map((r) => r.position)
  }
}
