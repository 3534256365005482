import { describe, expect, it } from 'vitest'
import protocol from '../../../schema/telltale.schema.json'
import { COMMAND_NEXT, decodeAgentDown, decodeAgentUp, decodeLiveDown, decodeLiveUp } from './schema.gen'

// The frames that the Go side encodes and decodes in its own test: both sides read the same files.
interface Golden {
  stream: string
  message: Record<string, unknown>
}
const files = import.meta.glob<Golden>('../../../schema/testdata/v1/*.json', {
  eager: true,
  import: 'default',
})
const golden = Object.entries(files).map(([path, file]) => ({ name: path.replace(/.*\//, ''), ...file }))

const decode = (stream: string, message: unknown): { frames: unknown[]; problems: string[] } => {
  const text = JSON.stringify(message)
  switch (stream) {
    case 'agent up':
      return decodeAgentUp(text)
    case 'agent down':
      return decodeAgentDown(text)
    case 'live up':
      return decodeLiveUp(text)
    default:
      return decodeLiveDown(text)
  }
}

/** Required fields of a frame, from the JSON Schema that the same generator writes. */
function required(stream: string, kind: unknown): string[] {
  const defs = protocol.$defs as unknown as Record<string, Def>
  const frames = defs[stream.replace(' ', '_')]?.anyOf?.[0]?.oneOf ?? []
  const frame = frames.find((f) => f.properties.t.const === kind)
  return defs[frame?.$ref.replace('#/$defs/', '') ?? '']?.required ?? []
}
interface Def {
  required?: string[]
  anyOf?: { oneOf?: { properties: { t: { const: string } }; $ref: string }[] }[]
}

describe('golden frames', () => {
  it('are there', () => {
    expect(golden.length).toBeGreaterThan(30)
  })

  for (const { name, stream, message } of golden) {
    it(`${name} is read unchanged`, () => {
      expect(decode(stream, message)).toEqual({ frames: [message], problems: [] })
    })

    it(`${name} is read with a field of a later version`, () => {
      const later = { ...message, not_known_yet: { deep: [1] } }
      expect(decode(stream, later)).toEqual({ frames: [later], problems: [] })
    })

    it(`${name} is refused in words when a field is wrong`, () => {
      for (const key of Object.keys(message)) {
        const { frames, problems } = decode(stream, { ...message, [key]: { a: [] } })
        expect(frames, key).toEqual([])
        expect(problems.join(), key).toContain(key === 't' ? '"t"' : `.${key}`)
      }
    })

    it(`${name} is refused when a required field is missing`, () => {
      for (const key of required(stream, message.t)) {
        const rest = Object.fromEntries(Object.entries(message).filter(([k]) => k !== key))
        expect(decode(stream, rest).frames, key).toEqual([])
      }
    })
  }
})

describe('messages', () => {
  const pong = { t: 'pong', now_ms: 1, at_ms: 2 }

  it('keep good frames beside bad ones', () => {
    const { frames, problems } = decode('live down', [pong, { t: 'ping', now_ms: 'soon' }, pong])
    expect(frames).toEqual([pong, pong])
    expect(problems).toEqual(['ping.now_ms is not a whole number'])
  })

  it('skip unknown kinds unless they must be understood', () => {
    expect(decode('live down', { t: 'dance' })).toEqual({ frames: [], problems: [] })
    expect(decode('live down', { t: 'dance!' }).problems).toHaveLength(1)
    expect(decode('live down', { t: 'constructor' })).toEqual({ frames: [], problems: [] })
    expect(decode('live down', { ...pong, t: 'pong!' }).frames).toEqual([pong])
  })

  it('that are no messages are refused in words', () => {
    for (const text of [
      '',
      'hello',
      '5',
      'null',
      '[null]',
      '{}',
      '[[]]',
      '{"t":7}',
      JSON.stringify(Array(65).fill(pong)),
    ]) {
      const { frames, problems } = decodeLiveDown(text)
      expect(frames, text).toEqual([])
      expect(problems.join(), text).toMatch(/message|frame/)
    }
  })

  it('refuse series whose columns differ and numbers that are not finite', () => {
    const delta = (series: string) =>
      decodeLiveDown(`{"t":"delta","room":"fleet","ver":1,"series":[${series}]}`).problems.join()
    expect(delta('{"ch":"a.state","dt_ms":[0,1],"v":[1,2]}')).toBe('')
    expect(delta('{"ch":"a.state","step_us":8000,"v":[1,2,3]}')).toBe('')
    expect(delta('{"ch":"a.state","dt_ms":[0],"v":[1,2]}')).toBe(
      'delta.series[0].dt_ms has 1 times for 2 values',
    )
    expect(delta('{"ch":"a.state","v":[1e999]}')).toBe('delta.series[0].v[0] is not a finite number')
    expect(delta('{"ch":"a.state","dt_ms":[0.5],"v":[1]}')).toBe(
      'delta.series[0].dt_ms[0] is not a whole number',
    )
  })

  it("read Go's nil slice as an empty list", () => {
    const { frames } = decodeLiveDown(
      '{"t":"snapshot","room":"fleet","epoch":"e","ver":1,"t0_ms":0,"devices":null}',
    )
    expect(frames).toMatchObject([{ devices: [] }])
  })
})

it('commands end: every state leads to a final one and final states lead nowhere', () => {
  expect(COMMAND_NEXT.done).toEqual([])
  for (const next of Object.values(COMMAND_NEXT)) for (const s of next) expect(COMMAND_NEXT).toHaveProperty(s)
})
