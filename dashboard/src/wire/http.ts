import {
  checkCommandList,
  checkDevice,
  checkDeviceList,
  checkHistory,
  checkInfo,
  checkPairingCode,
  checkProblem,
  type CommandList,
  type Device,
  type DeviceList,
  type DevicePatch,
  type History,
  type Info,
  type PairingCode,
  type PairingRequest,
  type Problem,
} from './schema.gen'
import type { StorageApi } from './storage'

/** An answer of the hub that is not what was asked for, in words for people. */
export class ApiError extends Error {
  constructor(
    /** HTTP status; 0 = no answer at all. */
    readonly status: number,
    /** The hub's code, "" when it gave none. */
    readonly code: string,
    message: string,
  ) {
    super(message)
    this.name = 'ApiError'
  }
}

/** How long an answer may take, in ms. */
const ANSWER_WITHIN_MS = 15_000

/** Which part of a device's history is wanted. Times are Unix ms. */
export interface HistoryQuery {
  device: string
  channels: readonly string[]
  from: number
  to: number
  /** At most this many buckets per channel. */
  points: number
}

/** The hub's HTTP API. Every method throws [ApiError], or the signal's reason when it was aborted. */
export interface Api {
  info(): Promise<Info>
  devices(): Promise<DeviceList>
  history(query: HistoryQuery, signal?: AbortSignal): Promise<History>
  /** The newest commands of a device; `before` a command's seq, the ones before it. */
  commands(device: string, limit: number, before?: number): Promise<CommandList>
  patch(device: string, patch: DevicePatch): Promise<Device>
  forget(device: string): Promise<void>
  pairingCode(request: PairingRequest): Promise<PairingCode>
  /** What is asked of the store itself. Its code comes when it is needed. */
  storage(): Promise<StorageApi>
}

/** One question to the hub. `check` says what is wrong with an answer, "" = nothing; without it the answer has no body. */
export type Asking = <T>(method: string, path: string, more?: Question) => Promise<T>

/** What a question carries besides its path. */
export interface Question {
  readonly body?: unknown
  readonly check?: (answer: unknown) => string
  readonly signal?: AbortSignal | undefined
}

/** The API at `base` ("" = where the page came from) through `fetcher`. */
export function httpApi(fetcher: typeof fetch, base = ''): Api {
  const ask = asking(fetcher, `${base}/api/v1`)
  const id = encodeURIComponent
  return {
    info: () => ask<Info>('GET', '/info', { check: checkInfo }),
    devices: () => ask<DeviceList>('GET', '/devices', { check: checkDeviceList }),
    history(q, signal) {
      const query = new URLSearchParams(q.channels.map((c) => ['channel', c]))
      query.set('from', String(Math.round(q.from)))
      query.set('to', String(Math.round(q.to)))
      query.set('points', String(q.points))
      const path = `/devices/${id(q.device)}/history?${query.toString()}`
      return ask<History>('GET', path, { check: checkHistory, signal })
    },
    commands(device, limit, before) {
      const query = `limit=${String(limit)}${before === undefined ? '' : `&before=${String(before)}`}`
      return ask<CommandList>('GET', `/devices/${id(device)}/commands?${query}`, { check: checkCommandList })
    },
    patch: (device, patch) =>
      ask<Device>('PATCH', `/devices/${id(device)}`, { body: patch, check: checkDevice }),
    async forget(device) {
      await ask('DELETE', `/devices/${id(device)}`)
    },
    pairingCode: (request) =>
      ask<PairingCode>('POST', '/pairing-codes', { body: request, check: checkPairingCode }),
    storage: async () => (await import('./storage')).storageApi(ask, `${base}/api/v1`),
  }
}

function asking(fetcher: typeof fetch, base: string): Asking {
  return async <T>(method: string, path: string, { body, check, signal }: Question = {}): Promise<T> => {
    const limit = AbortSignal.timeout(ANSWER_WITHIN_MS)
    const init: RequestInit = { method, signal: signal ? AbortSignal.any([signal, limit]) : limit }
    if (body !== undefined) {
      init.body = JSON.stringify(body)
      init.headers = { 'Content-Type': 'application/json' }
    }
    let answer: Response
    let text: string
    try {
      answer = await fetcher(base + path, init)
      text = await answer.text()
    } catch (err) {
      if (signal?.aborted) throw err
      const late = 'The hub took too long to answer.'
      throw new ApiError(0, '', limit.aborted ? late : 'The hub cannot be reached.')
    }
    if (!answer.ok) throw problem(answer.status, text)
    const value: unknown = text ? JSON.parse(text) : undefined
    const wrong = check?.(value) ?? ''
    if (wrong === '') return value as T
    const words = `The hub's answer is not understood: ${method} ${path}${wrong}. Reload this page.`
    throw new ApiError(200, '', words)
  }
}

function problem(status: number, text: string): ApiError {
  try {
    const p = JSON.parse(text) as Problem
    if (checkProblem(p) === '') return new ApiError(status, p.code, p.message)
  } catch {
    // not a Problem: fall through to the plain words
  }
  return new ApiError(status, '', `The hub answered with an error (${String(status)}).`)
}
