import type { ChannelModel } from '../../live/channel'
import type { DeviceModel, EntityModel } from '../../live/device'
import { type Column, silence } from '../../live/merge'
import type { Command, GapRecord } from '../../wire/schema.gen'
import { channelName, clockSeconds, decimals, showText } from '../format'
import { reasonWords } from './reasons'
import type { Mark, Shade } from './plot'

/** Something of a device that can be drawn. */
export interface Choice {
  readonly id: string
  readonly name: string
  readonly entity: EntityModel
  readonly channel: ChannelModel
}

/** One line of a panel. */
export interface PanelLine extends Choice {
  /** Place in the order of series, from 0. */
  readonly index: number
  readonly column: Column
  /** The same some time before; undefined = nothing is compared. */
  readonly ghost: Column | undefined
  readonly stepped: boolean
}

/** Lines that share a scale share a picture. */
export interface PanelSpec {
  readonly unit: string
  readonly lines: readonly PanelLine[]
  readonly places: number
  readonly shades: readonly Shade[]
}

/** What of a device can be drawn: numbers, diagnostics last. */
export function choices(device: DeviceModel): Choice[] {
  const out: Choice[] = []
  for (const entity of device.entities.values()) {
    for (const channel of entity.channels.values()) {
      if (channel.spec.type !== 'number' || channel.spec.pulse) continue
      out.push({ id: channel.id, name: channelName(entity.spec, channel.spec.name), entity, channel })
    }
  }
  return out.sort((a, b) => Number(!!a.entity.spec.entity_category) - Number(!!b.entity.spec.entity_category))
}

/** What is drawn when nobody has chosen: the first channel of the first two units. */
export function firstChoices(all: readonly Choice[]): Choice[] {
  const units = [...new Set(all.map((c) => c.channel.spec.unit ?? ''))].slice(0, 2)
  return units.flatMap((unit) => all.find((c) => (c.channel.spec.unit ?? '') === unit) ?? [])
}

/** What of the past and present is drawn. Columns are in the order of the choices. Times in Unix ms. */
export interface Data {
  readonly columns: readonly Column[]
  readonly ghosts: readonly Column[]
  readonly gaps: readonly GapRecord[]
  readonly from: number
  readonly to: number
}

/** Divides what is drawn into panels, one per unit. */
export function panelsOf(picked: readonly Choice[], data: Data): PanelSpec[] {
  const units = [...new Set(picked.map((c) => c.channel.spec.unit ?? ''))]
  return units.map((unit) => {
    const lines = picked.flatMap((c, index) => {
      const column = data.columns[index]
      if ((c.channel.spec.unit ?? '') !== unit || !column) return []
      return [{ ...c, index, column, ghost: data.ghosts[index], stepped: c.channel.intervalMs === 0 }]
    })
    const places = Math.max(0, ...lines.map((l) => decimals(l.channel.spec)))
    const known = data.gaps.map((g) => ({ from: g.from_ms, to: g.to_ms, words: reasonWords(g.reason) }))
    const silent = silence(
      lines.map((l) => l.column),
      data.from,
      data.to,
    ).map((h) => ({ ...h, words: 'no data' }))
    const unexplained = silent.filter((h) => !known.some((k) => k.from < h.to && k.to > h.from))
    return { unit, lines, places, shades: [...known, ...unexplained] }
  })
}

/** A command on the time axis, with what it was in words. */
export interface Deed extends Mark {
  readonly words: string
}

/** Commands as marks: "14:02:11 Reading lamp: 62 %, by ana". */
export function deeds(device: DeviceModel, commands: readonly Command[], from: number, to: number): Deed[] {
  return commands
    .filter((c) => c.asked_ms >= from && c.asked_ms <= to)
    .map((c) => {
      const entity = device.entities.get(c.entity)
      const channel = entity?.channels.get(c.channel)?.spec
      const name = entity ? channelName(entity.spec, c.channel) : `${c.entity} ${c.channel}`
      const value = entity && channel ? showText(entity.spec, channel, c.value) : String(c.value)
      const what = c.op === 'pulse' ? `${entity?.spec.name ?? c.entity}: press` : `${name}: ${value}`
      const bad = ['failed', 'rejected', 'expired', 'unknown'].includes(c.state)
      const who = c.actor === 'local' ? '' : `, by ${c.actor}`
      return {
        t: c.asked_ms,
        bad,
        words: `${clockSeconds(c.asked_ms)} ${what}${who}${bad ? ` (${c.state})` : ''}`,
      }
    })
}

/** Marks this near to the cursor, as a part of the window, are meant by it. */
const NEAR = 0.008

/** The command that the cursor is at. */
export function deedAt(
  all: readonly Deed[],
  t: number | undefined,
  from: number,
  to: number,
): Deed | undefined {
  if (t === undefined) return undefined
  const far = (d: Deed): number => Math.abs(d.t - t)
  return all.reduce<Deed | undefined>(
    (best, d) => (far(d) < (to - from) * NEAR && (!best || far(d) < far(best)) ? d : best),
    undefined,
  )
}
