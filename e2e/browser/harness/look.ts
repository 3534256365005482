import { expect, type Locator, type Page } from '@playwright/test'

/** The page's own link is live within this time, in ms. */
const LIVE_MS = 15_000

/** One thing's tile. */
export function tile(page: Page, device: string, entity: string): Locator {
  return page.getByTestId(`tile-${device}-${entity}`)
}

/** Opens the overview and waits until it is live. */
export async function openOverview(page: Page): Promise<void> {
  await page.goto('/')
  await expect(page.getByTestId('link')).toHaveAttribute('data-state', 'live', { timeout: LIVE_MS })
}

/** Opens a device's page and waits until it is live. */
export async function openDevice(page: Page, device: string): Promise<void> {
  await page.goto(`/#/device/${device}`)
  await expect(page.getByTestId('link')).toHaveAttribute('data-state', 'live', { timeout: LIVE_MS })
}

/** Brings a tile onto the screen (only what is on it is live) and waits until it is in a state. */
export async function expectTile(page: Page, device: string, entity: string, state: string, withinMs?: number): Promise<Locator> {
  const found = tile(page, device, entity)
  await found.scrollIntoViewIfNeeded()
  await expect(found).toHaveAttribute('data-state', state, withinMs === undefined ? {} : { timeout: withinMs })
  return found
}

/** Waits until at least `least` of the numbers on the screen have changed. */
export async function expectValuesMove(page: Page, withinMs: number, least = 2): Promise<void> {
  const values = (): Promise<string[]> =>
    page.locator('[data-testid^="tile-"][data-state="live"] [data-value]').evaluateAll((all) =>
      all.map((e) => `${e.closest('[data-testid]')?.getAttribute('data-testid') ?? ''} ${e.textContent}`),
    )
  const before = new Set(await values())
  expect(before.size, 'tiles with a live value').toBeGreaterThan(3)
  await expect
    .poll(async () => (await values()).filter((v) => !before.has(v)).length, { message: 'values that have changed', timeout: withinMs, intervals: [100] })
    .toBeGreaterThanOrEqual(least)
}

/** One moment of a tile: its state, and its switch as drawn for everybody. */
export interface Moment {
  readonly at: number
  readonly state: string
  readonly checked: string
  readonly value: string
}

/** Records from now on, in the page, every change of a tile. Nothing that was shown for one frame escapes it. */
export async function record(page: Page, device: string, entity: string): Promise<() => Promise<Moment[]>> {
  const id = `tile-${device}-${entity}`
  await page.evaluate((testid) => {
    const seen: Moment[] = []
    Object.assign(window, { [`seen ${testid}`]: seen })
    const look = (): void => {
      const found = document.querySelector(`[data-testid="${testid}"]`)
      const state = found?.getAttribute('data-state') ?? 'absent'
      const checked = found?.querySelector('[role=switch]')?.getAttribute('aria-checked') ?? ''
      const value = found?.querySelector('[data-value]')?.textContent ?? ''
      const last = seen.at(-1)
      if (last?.state !== state || last.checked !== checked || last.value !== value) seen.push({ at: performance.now(), state, checked, value })
    }
    look()
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true })
  }, id)
  return () => page.evaluate((testid) => Reflect.get(window, `seen ${testid}`) as Moment[], id)
}

/** When this document began: another number means that it was loaded again. */
export function born(page: Page): Promise<number> {
  return page.evaluate(() => performance.timeOrigin)
}

/** Fails when the page is wider than the screen: it could be scrolled sideways, or a phone would shrink it. */
export async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const room = page.viewportSize()?.width ?? 0
  const wider = await page.evaluate((screen) => {
    const guilty = [...document.body.querySelectorAll('*')].filter((e) => {
      const box = e.getBoundingClientRect()
      return box.width > 0 && box.right > screen + 0.5 && !e.closest('.scroll')
    })
    return { by: document.documentElement.scrollWidth - screen, guilty: guilty.slice(0, 5).map((e) => `${e.tagName}.${String(e.getAttribute('class'))}`) }
  }, room)
  expect(wider.by, `px that the page is too wide because of ${wider.guilty.join(', ') || 'nothing visible'}`).toBeLessThanOrEqual(0)
}
