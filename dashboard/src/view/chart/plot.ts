import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Column } from '../../live/merge'
import { fixed } from '../format'

/** One line of a plot. */
export interface Line {
  readonly name: string
  readonly column: Column
  /** The same some time before, laid under it. */
  readonly ghost: Column | undefined
  /** CSS colour, resolved. */
  readonly colour: string
  /** Canvas dash pattern, px. */
  readonly dash: readonly number[]
  /** A value that holds until the next is drawn as a step. */
  readonly stepped: boolean
}

/** A stretch without data, with its reason. */
export interface Shade {
  readonly from: number
  readonly to: number
  readonly words: string
}

/** Something that happened: a tick on the time axis. */
export interface Mark {
  readonly t: number
  readonly bad: boolean
}

/** Everything a plot draws. Times in Unix ms. */
export interface Picture {
  readonly lines: readonly Line[]
  readonly shades: readonly Shade[]
  readonly marks: readonly Mark[]
  readonly from: number
  readonly to: number
  readonly decimals: number
}

/** Colours of the frame around the lines, resolved. */
export interface Ink {
  readonly ink2: string
  readonly line: string
  readonly sunk: string
  readonly bad: string
  readonly font: string
}

/** What a plot tells. Times in Unix ms. */
export interface PlotOwner {
  /** A person chose another stretch of time. */
  window(from: number, to: number): void
  /** A person shoves the picture by a part of its width; more than 0 = towards the present. */
  pan(part: number): void
  /** The pointer or the cursor keys are at a time; undefined = nowhere. */
  cursor(t: number | undefined): void
}

/** The least stretch of time that can be looked at, in ms. */
const MIN_SPAN_MS = 2_000
/** Share of the band's colour. */
const BAND = 0.18
/** Between the lines across: steps that can be written with one digit. */
const STEPS = Array.from({ length: 24 }, (_, i) => i - 8).flatMap((e) => [1, 2, 5].map((n) => n * 10 ** e))
/** Share of a ghost's colour. */
const GHOST = 0.5

/** Plot draws a Picture into an element with uPlot. It keeps nothing of its own but the size of the element. */
export class Plot {
  private readonly u: uPlot
  private picture: Picture
  private held = false
  private yRange: [number, number] = [0, 1]

  constructor(
    private readonly element: HTMLElement,
    picture: Picture,
    private readonly ink: Ink,
    private readonly owner: PlotOwner,
    /** Plots of the same group have one cursor. */
    private readonly group: string,
  ) {
    this.picture = picture
    this.u = new uPlot(this.options(), this.data(), element)
    this.u.over.addEventListener('pointerdown', () => (this.held = true))
    addEventListener('pointerup', this.release)
  }

  /** Draws another picture with the same number of lines. */
  update(picture: Picture): void {
    this.picture = picture
    this.u.batch(() => {
      this.u.setData(this.data(), false)
      this.u.setScale('x', { min: picture.from / 1000, max: picture.to / 1000 })
    })
  }

  /** Fits the element's size. */
  resize(): void {
    this.u.setSize({ width: this.element.clientWidth, height: this.element.clientHeight })
  }

  /** Moves the cursor by some px, for keys. */
  step(px: number): void {
    const at = this.u.cursor.left ?? -1
    const width = this.u.over.clientWidth
    const left = Math.max(0, Math.min(width, (at < 0 ? width : at) + px))
    this.u.setCursor({ left, top: this.u.over.clientHeight / 2 })
  }

  /** Time at a distance in px from the left edge of the element, Unix ms. */
  timeAt(clientX: number): number {
    return this.u.posToVal(clientX - this.u.over.getBoundingClientRect().left, 'x') * 1000
  }

  /** Ends it. */
  destroy(): void {
    removeEventListener('pointerup', this.release)
    this.u.destroy()
  }

  private readonly release = (): void => {
    this.held = false
  }

  /** One x column, and per line min, max, mean and, where there is one, its ghost. */
  private data(): uPlot.AlignedData {
    const seconds = (c: Column): number[] => c.t.map((t) => t / 1000)
    const tables = this.picture.lines.flatMap(({ column: c, ghost }): uPlot.AlignedData[] => [
      [seconds(c), c.min, c.max, c.mean],
      ...(ghost ? [[seconds(ghost), ghost.mean] as uPlot.AlignedData] : []),
    ])
    const first = tables[0]
    if (!first) return [[]]
    return tables.length === 1 ? first : uPlot.join(tables)
  }

  private options(): uPlot.Options {
    return {
      width: this.element.clientWidth,
      height: this.element.clientHeight,
      legend: { show: false },
      padding: [8, 26, 0, 0],
      scales: {
        x: { time: true, auto: false, range: () => [this.picture.from / 1000, this.picture.to / 1000] },
        y: { range: (_u, lo, hi) => this.range(lo, hi) },
      },
      axes: this.axes(),
      series: [{}, ...this.picture.lines.flatMap((line) => series(line))],
      bands: this.bands(),
      cursor: {
        y: false,
        points: { size: 7 },
        drag: { x: true, y: false, setScale: false },
        focus: { prox: -1 },
        sync: { key: this.group, filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave' } },
        bind: { mousedown: (_u, _target, select) => this.pressed(select) },
      },
      hooks: {
        drawClear: [
          (u) => {
            this.drawShades(u)
          },
        ],
        draw: [
          (u) => {
            this.drawMarks(u)
          },
        ],
        setSelect: [
          (u) => {
            this.selected(u)
          },
        ],
        setCursor: [
          (u) => {
            this.pointed(u)
          },
        ],
      },
    }
  }

  private axes(): uPlot.Axis[] {
    const { ink } = this
    const axis = {
      stroke: ink.ink2,
      font: `13px ${ink.font}`,
      grid: { stroke: ink.line, width: 1 },
      ticks: { show: false },
    }
    return [
      { ...axis, size: 28, space: 84, values: timeLabels },
      {
        ...axis,
        size: 54,
        space: 36,
        incrs: STEPS,
        values: (_u, ticks) => tickLabels(ticks, this.picture.decimals),
      },
    ]
  }

  private bands(): uPlot.Band[] {
    let first = 1
    return this.picture.lines.map((line) => {
      const band: uPlot.Band = { series: [first + 1, first], fill: alpha(line.colour, BAND) }
      first += line.ghost ? 4 : 3
      return band
    })
  }

  /** Dragging chooses a stretch; with Shift it shoves the picture. */
  private pressed(select: (e: MouseEvent) => unknown): (e: MouseEvent) => null {
    return (e) => {
      if (!e.shiftKey) {
        select(e)
        return null
      }
      let at = e.clientX
      const move = (m: MouseEvent): void => {
        this.owner.pan((at - m.clientX) / this.u.over.clientWidth)
        at = m.clientX
      }
      const end = (): void => {
        removeEventListener('mousemove', move)
        removeEventListener('mouseup', end)
      }
      addEventListener('mousemove', move)
      addEventListener('mouseup', end)
      return null
    }
  }

  /** Room above and below; the axis stands still while somebody drags. */
  private range(lo: number | null, hi: number | null): [number, number] {
    if (this.held) return this.yRange
    if (lo === null || hi === null || !Number.isFinite(lo) || !Number.isFinite(hi)) return [0, 1]
    const least = 6 * 10 ** -this.picture.decimals
    const room = Math.max((hi - lo) * 0.12, (least - (hi - lo)) / 2, least / 20)
    // What cannot be negative does not get a negative axis.
    this.yRange = [lo >= 0 && lo - room < 0 ? 0 : lo - room, hi + room]
    return this.yRange
  }

  private selected(u: uPlot): void {
    const { left, width } = u.select
    if (width < 6) return
    const from = u.posToVal(left, 'x') * 1000
    const to = u.posToVal(left + width, 'x') * 1000
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
    if (to - from >= MIN_SPAN_MS) this.owner.window(from, to)
  }

  private pointed(u: uPlot): void {
    const left = u.cursor.left ?? -1
    this.owner.cursor(left < 0 ? undefined : u.posToVal(left, 'x') * 1000)
  }

  private drawShades(u: uPlot): void {
    const { ctx, bbox } = u
    const px = devicePixelRatio
    ctx.save()
    ctx.beginPath()
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height)
    ctx.clip()
    ctx.font = `${String(12 * px)}px ${this.ink.font}`
    ctx.textAlign = 'center'
    for (const s of this.picture.shades) {
      const a = u.valToPos(s.from / 1000, 'x', true)
      const b = u.valToPos(s.to / 1000, 'x', true)
      ctx.fillStyle = this.ink.sunk
      ctx.fillRect(a, bbox.top, Math.max(px, b - a), bbox.height)
      const words = [s.words, 'no data'].find((w) => ctx.measureText(w).width + 12 * px < b - a)
      if (!words) continue
      ctx.fillStyle = this.ink.ink2
      ctx.fillText(
        words,
        (Math.max(a, bbox.left) + Math.min(b, bbox.left + bbox.width)) / 2,
        bbox.top + 16 * px,
      )
    }
    ctx.restore()
  }

  private drawMarks(u: uPlot): void {
    const { ctx, bbox } = u
    const px = devicePixelRatio
    for (const m of this.picture.marks) {
      const x = u.valToPos(m.t / 1000, 'x', true)
      if (x < bbox.left || x > bbox.left + bbox.width) continue
      ctx.fillStyle = m.bad ? this.ink.bad : this.ink.ink2
      ctx.fillRect(x - px, bbox.top + bbox.height - 10 * px, 2 * px, 10 * px)
    }
  }
}

/** The uPlot series of a line: the edges of the band without a stroke, the mean, and its ghost. */
function series(line: Line): uPlot.Series[] {
  const paths = line.stepped ? uPlot.paths.stepped?.({ align: 1 }) : undefined
  const edge: uPlot.Series = {
    stroke: 'transparent',
    width: 0,
    points: { show: false },
    ...(paths && { paths }),
  }
  const mean: uPlot.Series = {
    label: line.name,
    stroke: line.colour,
    width: 2,
    dash: [...line.dash],
    // A reading between two holes is a point: a line has nothing to go to.
    points: { show: (u, i, a, b) => b - a < 2 || lonely(u, i, a, b), size: 5, fill: line.colour },
    ...(paths && { paths }),
  }
  if (!line.ghost) return [edge, edge, mean]
  return [
    edge,
    edge,
    mean,
    { ...mean, stroke: alpha(line.colour, GHOST), width: 1.25, points: { show: false } },
  ]
}

function lonely(u: uPlot, series: number, a: number, b: number): boolean {
  const ys = u.data[series]
  let n = 0
  for (let i = a; ys && i <= b; i++) if (ys[i] !== null && ys[i] !== undefined) n++
  return n < 2
}

const hour = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const second = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const day = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric' })

/** 24 h clock; the day where it begins. */
function timeLabels(_u: uPlot, ticks: number[]): string[] {
  const step = (ticks[1] ?? 0) - (ticks[0] ?? 0)
  return ticks.map((t) => {
    const ms = t * 1000
    if (step < 60) return second.format(ms)
    const time = hour.format(ms)
    return step >= 86_400 || time === '00:00' ? day.format(ms) : time
  })
}

/** As many decimals as the ticks need, never more than the value has and two. */
function tickLabels(ticks: number[], decimals: number): string[] {
  const step = Math.abs((ticks[1] ?? 1) - (ticks[0] ?? 0)) || 1
  const needed = Math.max(0, Math.min(decimals + 1, Math.ceil(-Math.log10(step) - 1e-9)))
  return ticks.map((t) => fixed(t, needed))
}

function alpha(colour: string, a: number): string {
  return `color-mix(in srgb, ${colour} ${String(a * 100)}%, transparent)`
}
