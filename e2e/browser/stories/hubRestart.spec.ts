import type { Page } from '@playwright/test'
import { born, expectTile, expectValuesMove, openDevice, openOverview } from '../harness/look'
import { expect, test } from '../harness/story'

const room = 'sim-living-room'
const channel = 'air_temperature.state'
/** At least this long the hub stays away, in ms. */
const AWAY_MS = 8_000

/** What a killed hub must leave on the console: the browser itself reports connections that are refused. */
const refused = /ERR_CONNECTION_(REFUSED|RESET)|WebSocket connection .* failed/

test('a restarted hub is live again without a reload, and meanwhile nobody could think it was', async ({ hub, home, page, guard }) => {
  await openOverview(page)
  await expectTile(page, room, 'air_temperature', 'live')
  const lamp = await expectTile(page, room, 'lamp', 'live')
  const document = await born(page)
  guard.expect(refused)
  const stale = page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        const watch = new MutationObserver(() => {
          if (window.document.querySelector('[data-view="stale"]')) resolve(Date.now())
        })
        watch.observe(window.document.body, { subtree: true, attributes: true, attributeFilter: ['data-view'] })
      }),
  )

  const killed = Date.now()
  await hub.process.kill()
  const after = (await stale) - killed
  expect(after, 'ms until the page says that it is old').toBeGreaterThan(2_500)
  expect(after, 'ms until the page says that it is old').toBeLessThan(4_500)
  const chip = page.getByTestId('link')
  await expect(chip).toHaveAttribute('data-state', 'stale')
  await expect(chip).toContainText(/As of \d\d:\d\d:\d\d/)
  await expect(chip).toContainText('reconnecting')
  await expect(page).toHaveTitle(/Not live/)
  await expect(lamp.getByRole('switch')).toHaveAttribute('aria-disabled', 'true')
  await expect(lamp.getByRole('switch')).toHaveAttribute('title', 'Not connected to the hub')

  await hub.start()
  expect(home.process.runs).toBe(true)
  await expect(chip).toHaveAttribute('data-state', 'live', { timeout: 25_000 })
  await expect(page.getByTestId('shell')).toHaveAttribute('data-view', 'live')
  await expectTile(page, room, 'air_temperature', 'live', 20_000)
  await expectValuesMove(page, 15_000)
  await expect(lamp.getByRole('switch')).toHaveAttribute('aria-disabled', 'false')
  expect(await born(page), 'the document was not loaded again').toBe(document)
})

test('after a restart the chart has no hole: what was measured meanwhile is filled in', async ({ hub, page, guard, home }) => {
  await openDevice(page, room)
  expect(home.process.runs).toBe(true)
  await page.getByRole('button', { name: '15 m' }).click()
  await chooseOnly(page, 'Air temperature')
  await page.getByRole('button', { name: 'Table' }).click()
  await expect.poll(async () => (await readings(page)).length, { timeout: 20_000 }).toBeGreaterThan(5)

  guard.expect(refused)
  const killed = Date.now()
  await hub.process.kill()
  await expect.poll(() => Date.now() - killed, { timeout: 2 * AWAY_MS }).toBeGreaterThan(AWAY_MS)
  const back = Date.now()
  await hub.start()
  await expect(page.getByTestId('link')).toHaveAttribute('data-state', 'live', { timeout: 25_000 })
  await expectTile(page, room, 'air_temperature', 'live', 20_000)

  // The outage is full of readings: one a second, in the store and on the page that was open all the time.
  const least = Math.floor((back - killed) / 1000) - 1
  const inside = (t: number): boolean => t >= killed && t <= back
  await expect
    .poll(async () => (await readings(page)).filter(({ t }) => inside(t + 500)).length, { message: 'readings of the outage in the table', timeout: 20_000 })
    .toBeGreaterThanOrEqual(least)
  const times = (await readings(page)).map(({ t }) => t)
  expect(longest(times), 'the longest silence in the table, ms').toBeLessThanOrEqual(3_000)

  // The page sees readings on receipt, the store has them with its next commit.
  const history = async (): Promise<number[]> => (await hub.history(room, channel, 300_000)).series[0]?.t_ms ?? []
  await expect
    .poll(async () => (await history()).filter(inside).length, { message: 'readings of the outage in the store', timeout: 5_000 })
    .toBeGreaterThanOrEqual(least)
  const stored = await history()
  expect(longest(stored), 'the longest silence in the store, ms').toBeLessThanOrEqual(3_000)
  expect(new Set(stored).size, 'no reading is there twice').toBe(stored.length)
  expect((await hub.history(room, channel, 300_000)).gaps).toEqual([])
})

/** Draws one channel and no other. */
async function chooseOnly(page: Page, name: string): Promise<void> {
  const chips = page.getByRole('group', { name: 'What to draw' })
  await expect(chips.getByRole('button').first()).toBeVisible()
  const wanted = chips.getByRole('button', { name, exact: true })
  if ((await wanted.getAttribute('aria-pressed')) !== 'true') await wanted.click()
  const others = chips.getByRole('button', { pressed: true }).filter({ hasNotText: new RegExp(`^\\s*${name}\\s*$`) })
  while ((await others.count()) > 0) await others.first().click()
  await expect(chips.getByRole('button', { pressed: true })).toHaveCount(1)
}

/** The readings in the chart's table, oldest first. t: Unix ms, whole seconds. */
async function readings(page: Page): Promise<{ t: number; v: number }[]> {
  const rows = await page
    .getByRole('region', { name: 'Readings as a table' })
    .locator('tbody tr')
    .evaluateAll((all) => all.map((tr) => [tr.querySelector('th')?.textContent ?? '', tr.querySelector('td')?.textContent ?? '']))
  const midnight = new Date()
  midnight.setHours(0, 0, 0, 0)
  return rows
    .map(([time = '', value = '']) => {
      const [h = 0, m = 0, s = 0] = time.split(':').map(Number)
      const t = midnight.getTime() + ((h * 60 + m) * 60 + s) * 1000
      return { t: t > Date.now() + 60_000 ? t - 86_400_000 : t, v: Number(value) }
    })
    .reverse()
}

function longest(times: readonly number[]): number {
  return Math.max(0, ...times.slice(1).map((t, i) => t - (times[i] ?? t)))
}
