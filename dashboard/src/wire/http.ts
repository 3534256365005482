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
  commands(device: string, limit: number): Promise<CommandList>
  patch(device: string, patch: DevicePatch): Promise<Device>
  forget(device: string): Promise<void>
  pairingCode(request: PairingRequest): Promise<PairingCode>
}

/** The API at `base` ("" = where the page came from) through `fetcher`. */
export function httpApi(fetcher: typeof fetch, base = ''): Api {
  const call = async (method: string, path: string, { body, signal }: Body = {}): Promise<unknown> => {
    const limit = AbortSignal.timeout(ANSWER_WITHIN_MS)
    const init: RequestInit = { method, signal: signal ? AbortSignal.any([signal, limit]) : limit }
    if (body !== undefined) {
      init.body = JSON.stringify(body)
      init.headers = { 'Content-Type': 'application/json' }
    }
    let answer: Response
    try {
      answer = await fetcher(`${base}/api/v1${path}`, init)
    } catch (err) {
      if (signal?.aborted) throw err
      throw new ApiError(
        0,
        '',
        limit.aborted ? 'The hub took too long to answer.' : 'The hub cannot be reached.',
      )
    }
    const text = await answer.text()
    if (!answer.ok) throw problem(answer.status, text)
    return text ? JSON.parse(text) : undefined
  }
  const get = async <T>(
    check: (v: unknown) => string,
    method: string,
    path: string,
    more?: Body,
  ): Promise<T> => {
    const answer = await call(method, path, more)
    const wrong = check(answer)
    if (wrong)
      throw new ApiError(
        200,
        '',
        `The hub's answer is not understood: ${method} ${path}${wrong}. Reload this page.`,
      )
    return answer as T
  }
  const id = encodeURIComponent
  return {
    info: () => get<Info>(checkInfo, 'GET', '/info'),
    devices: () => get<DeviceList>(checkDeviceList, 'GET', '/devices'),
    history(q, signal) {
      const query = new URLSearchParams(q.channels.map((c) => ['channel', c]))
      query.set('from', String(Math.round(q.from)))
      query.set('to', String(Math.round(q.to)))
      query.set('points', String(q.points))
      const path = `/devices/${id(q.device)}/history?${query.toString()}`
      return get<History>(checkHistory, 'GET', path, signal ? { signal } : {})
    },
    commands: (device, limit) =>
      get<CommandList>(checkCommandList, 'GET', `/devices/${id(device)}/commands?limit=${String(limit)}`),
    patch: (device, patch) => get<Device>(checkDevice, 'PATCH', `/devices/${id(device)}`, { body: patch }),
    async forget(device) {
      await call('DELETE', `/devices/${id(device)}`, {})
    },
    pairingCode: (request) => get<PairingCode>(checkPairingCode, 'POST', '/pairing-codes', { body: request }),
  }
}

interface Body {
  readonly body?: unknown
  readonly signal?: AbortSignal
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
