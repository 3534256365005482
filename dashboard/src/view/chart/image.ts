/** Room around a picture, px. */
const MARGIN = 16

/**
 * Draws what an element shows into a PNG: its canvases, and of its other parts the texts (`data-ink="text"`), lines of the key (`svg`) and
 * coloured boxes (`data-ink="box"`), where they stand. The title goes on top.
 */
export async function pngOf(element: HTMLElement, title: string): Promise<Blob> {
  const scale = Math.max(2, devicePixelRatio)
  const frame = element.getBoundingClientRect()
  const head = 40
  const canvas = document.createElement('canvas')
  canvas.width = Math.round((frame.width + 2 * MARGIN) * scale)
  canvas.height = Math.round((frame.height + 2 * MARGIN + head) * scale)
  const ctx = canvas.getContext('2d')
  if (!ctx) throw new Error('This browser cannot draw pictures.')
  ctx.scale(scale, scale)
  const style = getComputedStyle(element)
  ctx.fillStyle = backgroundOf(element)
  ctx.fillRect(0, 0, canvas.width, canvas.height)
  ctx.fillStyle = style.color
  ctx.font = `600 15px ${style.fontFamily}`
  ctx.textBaseline = 'middle'
  ctx.fillText(title, MARGIN, MARGIN + head / 3)
  ctx.translate(MARGIN - frame.left, MARGIN + head - frame.top)
  for (const part of element.querySelectorAll<HTMLElement | SVGSVGElement>('canvas, svg, [data-ink]'))
    draw(ctx, part)
  return new Promise((give, refuse) => {
    canvas.toBlob((blob) => {
      if (blob) give(blob)
      else refuse(new Error('This browser could not make the picture.'))
    })
  })
}

function draw(ctx: CanvasRenderingContext2D, part: HTMLElement | SVGSVGElement): void {
  const box = part.getBoundingClientRect()
  if (box.width === 0 || box.height === 0) return
  const style = getComputedStyle(part)
  if (part instanceof HTMLCanvasElement) {
    ctx.drawImage(part, box.left, box.top, box.width, box.height)
    return
  }
  const middle = box.top + box.height / 2
  if (part instanceof SVGSVGElement) {
    ctx.strokeStyle = style.stroke
    ctx.lineWidth = Number.parseFloat(style.strokeWidth)
    ctx.setLineDash(style.strokeDasharray.match(/[\d.]+/g)?.map(Number) ?? [])
    ctx.beginPath()
    ctx.moveTo(box.left, middle)
    ctx.lineTo(box.right, middle)
    ctx.stroke()
    ctx.setLineDash([])
    return
  }
  if (part.dataset.ink === 'box') {
    ctx.fillStyle = style.backgroundColor
    ctx.fillRect(box.left, box.top, box.width, box.height)
  }
  const words = part.innerText.replaceAll('\n', ' ')
  if (!words) return
  const inset = Number.parseFloat(style.paddingLeft)
  ctx.save()
  ctx.beginPath()
  ctx.rect(box.left, box.top, box.width, box.height)
  ctx.clip()
  ctx.fillStyle = style.color
  ctx.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`
  ctx.fillText(words, box.left + inset, middle)
  ctx.restore()
}

function backgroundOf(element: HTMLElement): string {
  for (let e: HTMLElement | null = element; e; e = e.parentElement) {
    const colour = getComputedStyle(e).backgroundColor
    if (colour !== 'rgba(0, 0, 0, 0)' && colour !== 'transparent') return colour
  }
  return 'white'
}

/** Gives a file to the person. */
export function save(blob: Blob, name: string): void {
  const a = document.createElement('a')
  a.href = URL.createObjectURL(blob)
  a.download = name
  a.click()
  // Not at once: the browser reads it after the click.
  setTimeout(() => {
    URL.revokeObjectURL(a.href)
  }, 10_000)
}
