import type { GapReason } from '../../wire/schema.gen'

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
