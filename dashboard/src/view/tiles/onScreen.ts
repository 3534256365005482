/** Tiles this far outside the window, in px, already count as seen, so that scrolling finds them filled. */
const MARGIN = 100

const listeners = new WeakMap<Element, (seen: boolean) => void>()
let observer: IntersectionObserver | undefined

/** Svelte action: calls `seen` whenever the element comes on or leaves the screen. One observer for all. */
export function onScreen(element: HTMLElement, seen: (visible: boolean) => void): { destroy(): void } {
  observer ??= new IntersectionObserver(
    (entries) => {
      for (const e of entries) listeners.get(e.target)?.(e.isIntersecting)
    },
    { rootMargin: `${String(MARGIN)}px` },
  )
  listeners.set(element, seen)
  observer.observe(element)
  return {
    destroy() {
      observer?.unobserve(element)
      listeners.delete(element)
    },
  }
}
