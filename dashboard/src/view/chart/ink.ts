import type { Ink } from './plot'

/** How series differ besides colour: canvas dash patterns, px, in the fixed order of the series. */
export const dashes: readonly (readonly number[])[] = [[], [7, 4], [2, 3], [10, 3, 2, 3], [], [4, 4]]

/** Resolves a colour token to what the canvas understands, for the scheme in force at the element. */
export function colour(element: HTMLElement, token: string): string {
  const probe = document.createElement('span')
  probe.style.color = `var(${token})`
  element.append(probe)
  const found = getComputedStyle(probe).color
  probe.remove()
  return found
}

/** All colours of a plot's frame at an element. */
export function inkAt(element: HTMLElement): Ink {
  return {
    ink2: colour(element, '--ink-2'),
    line: colour(element, '--line'),
    sunk: colour(element, '--sunk'),
    bad: colour(element, '--bad'),
    font: getComputedStyle(element).fontFamily,
  }
}
