import { mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, BrowserContextOptions, Page } from '@playwright/test'
import { openDevice, openOverview, tile } from '../harness/look'
import { root } from '../harness/places'
import { expect, test } from '../harness/story'

const room = 'sim-living-room'
const folder = join(root, 'docs/pictures')
/** How long the home runs before its picture is taken, in ms: sparklines and charts need something to show. */
const RUN_MS = Number(process.env['TELLTALE_PICTURES_AFTER_MS'] ?? 120_000)
/** A picture in a repository is small, in bytes. */
const MOST_BYTES = 300_000

test.setTimeout(RUN_MS + 400_000)

test('the pictures of the README', async ({ hub, home, page, browser }) => {
  expect(home.process.runs).toBe(true)
  const began = performance.now()
  mkdirSync(folder, { recursive: true })
  await openOverview(page)
  await tile(page, room, 'lamp').getByRole('switch').click()
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur())
  await setBy(page, 'reading_lamp', 62)
  await expect.poll(async () => (await hub.commands(room)).filter((c) => c.state === 'done').length).toBeGreaterThanOrEqual(2)
  await expect.poll(() => performance.now() - began, { timeout: RUN_MS + 10_000, intervals: [1_000] }).toBeGreaterThan(RUN_MS)

  const wide = { viewport: { width: 1280, height: 900 }, deviceScaleFactor: 1 }
  const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }
  await take(browser, hub.url, 'overview-light', { ...wide, colorScheme: 'light' }, overview)
  await take(browser, hub.url, 'overview-dark', { ...wide, colorScheme: 'dark' }, overview)
  await take(browser, hub.url, 'phone', { ...phone, colorScheme: 'dark' }, overview)
  await take(browser, hub.url, 'device', { ...wide, colorScheme: 'light' }, device)
})

/** Moves the bar of a dimmed lamp. */
async function setBy(page: Page, entity: string, percent: number): Promise<void> {
  const bar = tile(page, room, entity).getByRole('slider')
  await bar.scrollIntoViewIfNeeded()
  await bar.fill(String(percent))
  await bar.blur()
}

async function overview(page: Page): Promise<void> {
  const first = (page.viewportSize()?.width ?? 0) > 640 ? 'Kitchen' : 'Living room'
  await page.getByRole('heading', { name: first, exact: true }).evaluate((h) => {
    const bar = document.querySelector('header')
    scrollTo(0, h.getBoundingClientRect().top + scrollY - (bar?.offsetHeight ?? 0) - 20)
  })
  await expect(tile(page, room, 'lamp').getByRole('switch')).toHaveAttribute('aria-checked', 'true')
  await settled(page)
}

async function device(page: Page): Promise<void> {
  await openDevice(page, room)
  const chart = page.locator('section[aria-label="History"]')
  await chart.getByRole('button', { name: '15 m' }).click()
  await expect(chart.locator('canvas').first()).toBeVisible()
  await page.evaluate(() => {
    scrollTo(0, 0)
  })
  await settled(page)
}

/** Waits until every tile on the screen is live and the lines of those that have one are drawn from the store's history. */
async function settled(page: Page): Promise<void> {
  const unsettled = (): Promise<string[]> =>
    page.locator('[data-testid^="tile-"]').evaluateAll((all) =>
      all
        .filter((e) => {
          const box = e.getBoundingClientRect()
          if (box.bottom <= 0 || box.top >= innerHeight) return false
          const line = e.querySelector('.floor path.line')
          const points = line?.getAttribute('d')?.split('L').length ?? 0
          return e.getAttribute('data-state') !== 'live' || (line !== null && points < 3)
        })
        .map((e) => e.getAttribute('data-testid') ?? ''),
    )
  await expect.poll(unsettled, { timeout: 30_000 }).toEqual([])
}

/** Opens the page until its round trip is one of a machine that has nothing else to do; the number is in the picture. */
async function quick(page: Page): Promise<void> {
  const roundTrip = async (): Promise<number> => {
    await page.goto('about:blank')
    await openOverview(page)
    const chip = page.getByTestId('link')
    await expect(chip).toContainText('ms')
    return Number(/(\d+)\sms/.exec(await chip.innerText())?.[1])
  }
  await expect.poll(roundTrip, { timeout: 90_000, intervals: [500] }).toBeLessThan(60)
}

async function take(browser: Browser, hub: string, name: string, options: BrowserContextOptions, look: (page: Page) => Promise<void>): Promise<void> {
  const context = await browser.newContext({ ...options, baseURL: hub, locale: 'en-GB' })
  const page = await context.newPage()
  // A picture has no scroll bar, so it needs no room for one.
  await page.addInitScript(() => {
    addEventListener('DOMContentLoaded', () => {
      document.documentElement.style.scrollbarGutter = 'auto'
    })
  })
  await quick(page)
  await look(page)
  const path = join(folder, `${name}.png`)
  await page.screenshot({ path })
  await context.close()
  expect(statSync(path).size, `${name}.png in bytes`).toBeLessThan(MOST_BYTES)
}
