import { decodeLiveDown, type LiveDownFrame, type LiveUpFrame } from './schema.gen'

/** Frames from the hub. */
export type LiveDown = LiveDownFrame
/** Frames to the hub. */
export type LiveUp = LiveUpFrame

/** What one message held: good frames in order, and why others were refused. */
export interface Message {
  readonly frames: readonly LiveDown[]
  readonly refused: readonly string[]
}

/** Encodes one message. */
export function encode(frames: readonly LiveUp[]): string {
  return JSON.stringify(frames.length === 1 ? frames[0] : frames)
}

/** Reads one message. Unknown kinds are skipped, except those that end in "!"; a bad frame loses no other in the message. */
export function readMessage(data: unknown): Message {
  if (typeof data !== 'string') return { frames: [], refused: ['a message is not text'] }
  const { frames, problems } = decodeLiveDown(data)
  return { frames, refused: problems }
}
