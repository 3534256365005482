import type { GapRecord, GapReason } from '../../wire/schema.gen'
import { clock, duration } from '../format'

const reasons: Record<GapReason, string> = {
  quota: 'its store was full and the oldest was dropped',
  damaged: 'its store was damaged',
  restart: 'lost in a restart',
  offline: 'the device was off',
  refused: 'the hub refused it',
  sensor: 'the sensor did not answer',
}

/** Why readings are missing, in words. */
export function reasonWords(reason: GapReason): string {
  return reasons[reason] ?? reason
}

/** A gap in a sentence: "21:14 to 21:20 (6 min): the device was off". */
export function gapWords(gap: GapRecord, now: number): string {
  return `${clock(gap.from_ms, now)} to ${clock(gap.to_ms, now)} (${duration(gap.to_ms - gap.from_ms)}): ${reasonWords(gap.reason)}`
}
