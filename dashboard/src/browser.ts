import type { Env } from './live/live'
import { httpApi } from './wire/http'
import { LIVE_PROTOCOL } from './wire/schema.gen'
import type { SocketLike } from './wire/socket'
import { engineTimers } from './wire/timers'

/** What a browser's page gives to live. */
export function browserEnv(): Env {
  return {
    timers: engineTimers,
    frames: {
      frame(run) {
        const id = requestAnimationFrame(run)
        return () => {
          cancelAnimationFrame(id)
        }
      },
      painted(run) {
        const channel = new MessageChannel()
        channel.port1.onmessage = () => {
          channel.port1.close()
          run()
        }
        channel.port2.postMessage(null)
      },
    },
    api: httpApi(window.fetch.bind(window)),
    open: (): SocketLike => {
      const url = new URL('/api/v1/live', location.href)
      url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
      // The same members with wider event types: TypeScript compares them the other way round.
      return new WebSocket(url, LIVE_PROTOCOL) as unknown as SocketLike
    },
    newKey,
    client: 'dashboard 0.1.0',
    report(why) {
      console.warn(`telltale: ${why}`) // eslint-disable-line no-console
    },
  }
}

/** 32 hex digits. crypto.randomUUID would do, but browsers give it only to pages over https. */
function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0')).join('')
}
