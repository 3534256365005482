import { expect, test } from 'vitest'
import type { Command } from '../wire/schema.gen'
import type { DeviceModel } from './device'
import type { Flush } from './flush'
import { Ledger } from './ledger'

const command = (seq: number): Command => ({
  id: String(seq), key: '', seq, device: 'pi', entity: 'lamp', channel: 'state', op: 'set', value: true, actor: 'ana',
  asked_ms: seq * 1_000, deadline_ms: 0, state: 'done', reported: true, log: [],
}) // prettier-ignore

function ledger(stored: number): { it: Ledger; asked: (number | undefined)[]; settled: () => Promise<void> } {
  const asked: (number | undefined)[] = []
  const api = {
    commands(_: string, limit: number, before = Infinity) {
      asked.push(before === Infinity ? undefined : before)
      const all = Array.from({ length: stored }, (_, i) => command(stored - i))
      return Promise.resolve({ commands: all.filter((c) => c.seq < before).slice(0, limit) })
    },
  }
  const slot = { recent: [{ ...command(stored), state: 'failed' }, command(stored + 1)] }
  const entity = { channels: new Map([['state', {}]]), slot: () => slot }
  const device = { id: 'pi', entities: new Map([['lamp', entity]]) } as unknown as DeviceModel
  const it = new Ledger({ api, flush: {} as Flush }, device)
  return { it, asked, settled: () => new Promise((r) => setTimeout(r, 0)) }
}

test('what the room told is newer than what was stored, and nothing is there twice', async () => {
  const { it, settled } = ledger(3)
  await settled()
  expect(it.commands().map((c) => `${String(c.seq)} ${c.state}`)).toEqual([
    '4 done',
    '3 failed',
    '2 done',
    '1 done',
  ])
})

test('it asks as far back as somebody looks, page by page, and no page twice', async () => {
  const { it, asked, settled } = ledger(450)
  await settled()
  expect(asked).toEqual([undefined])
  it.reach(200_000)
  await settled()
  expect(asked).toEqual([undefined, 351, 251])
  expect(it.commands().at(-1)?.seq).toBe(151)
  it.reach(240_000)
  await settled()
  expect(asked).toHaveLength(3)
  it.reach(0)
  await settled()
  expect(it.commands()).toHaveLength(451)
})

test('a very long ledger is not read to its end, and a closed one asks nothing more', async () => {
  const { it, asked, settled } = ledger(5_000)
  it.reach(0)
  await settled()
  expect(asked).toHaveLength(10)
  const other = ledger(5_000)
  other.it.close()
  other.it.reach(0)
  await other.settled()
  expect(other.asked).toHaveLength(1)
})
