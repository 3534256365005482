import { getContext, setContext } from 'svelte'
import type { Live } from '../live/live'

const KEY = Symbol('live')

/** Gives live to every component below. */
export function provideLive(live: Live): void {
  setContext(KEY, live)
}

/** The live that the app was given. */
export function useLive(): Live {
  return getContext<Live>(KEY)
}
