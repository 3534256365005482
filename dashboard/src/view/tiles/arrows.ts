const directions: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
}

/** Sideways distance counts this much more than distance ahead: a key should go straight. */
const SIDEWAYS = 3

/** Svelte action: arrow keys move the focus between the tiles inside the element, to the nearest one that lies in that direction. */
export function arrows(element: HTMLElement): { destroy(): void } {
  const key = (e: KeyboardEvent): void => {
    const way = directions[e.key]
    const from = e.target
    if (
      !way ||
      e.ctrlKey ||
      e.altKey ||
      e.metaKey ||
      !(from instanceof HTMLAnchorElement) ||
      !from.closest('.tile')
    )
      return
    const next = nearest(from, [...element.querySelectorAll<HTMLAnchorElement>('.tile > a')], way)
    if (!next) return
    e.preventDefault()
    next.focus()
    next.scrollIntoView({ block: 'nearest' })
  }
  element.addEventListener('keydown', key)
  return {
    destroy() {
      element.removeEventListener('keydown', key)
    },
  }
}

function nearest(
  from: HTMLElement,
  all: readonly HTMLAnchorElement[],
  [dx, dy]: readonly [number, number],
): HTMLAnchorElement | undefined {
  const a = from.getBoundingClientRect()
  let best: HTMLAnchorElement | undefined
  let least = Infinity
  for (const other of all) {
    const b = other.getBoundingClientRect()
    const x = b.left + b.width / 2 - a.left - a.width / 2
    const y = b.top + b.height / 2 - a.top - a.height / 2
    const ahead = x * dx + y * dy
    if (other === from || ahead < 8) continue
    const far = ahead + SIDEWAYS * Math.abs(x * dy + y * dx)
    if (far < least) {
      least = far
      best = other
    }
  }
  return best
}
