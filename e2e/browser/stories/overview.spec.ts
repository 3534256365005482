import { expectTile, openOverview, tile } from '../harness/look'
import { expect, test } from '../harness/story'

test('favourites stand first, once, and are still there tomorrow', async ({ home, page }) => {
  expect(home.process.runs).toBe(true)
  await openOverview(page)
  await page.getByRole('button', { name: 'Favourites' }).click()
  await page.getByTestId('pick-sim-kitchen/kettle').click()
  await page.getByTestId('pick-sim-living-room/air_temperature').click()
  await expect(page.getByTestId('pick-sim-kitchen/kettle')).toHaveAttribute('aria-pressed', 'true')
  await page.getByRole('button', { name: 'Done' }).click()
  const loved = page.getByRole('region', { name: 'Favourites' })
  await expect(loved.locator('[data-testid^="tile-"]')).toHaveCount(2)
  await page.reload()
  await expect(loved.locator('[data-testid^="tile-"]')).toHaveCount(2)
  await expect(tile(page, 'sim-kitchen', 'kettle')).toHaveCount(1)
  const kettle = await expectTile(page, 'sim-kitchen', 'kettle', 'live')
  await kettle.getByRole('switch').click()
  await expect(kettle.getByRole('switch')).toHaveAttribute('aria-checked', 'true')
})

test('only what is out of date, only what is offline, and a calm word when there is none', async ({ home, page }) => {
  await openOverview(page)
  await expectTile(page, 'sim-kitchen', 'air_temperature', 'live')
  const only = page.getByRole('group', { name: 'Show only' })
  await only.getByRole('button', { name: 'Alarms' }).click()
  await expect(page.getByText('Nothing reports harm, and nothing that was asked for failed.')).toBeVisible()
  await only.getByRole('button', { name: 'Out of date' }).click()
  await home.breaks('sensor_dead:sim-kitchen/air')
  await expectTile(page, 'sim-kitchen', 'air_temperature', 'stale')
  await expect(tile(page, 'sim-living-room', 'lamp')).toBeHidden()
  await expect(page).toHaveURL(/\?only=stale$/)

  await home.process.stop()
  await only.getByRole('button', { name: 'Offline' }).click()
  await expectTile(page, 'sim-living-room', 'lamp', 'offline')
  await expect(only.getByRole('button', { name: 'Offline' })).toContainText('4')
  await page.goBack()
  await expect(only.getByRole('button', { name: 'Out of date' })).toHaveAttribute('aria-pressed', 'true')
})

for (const width of [1280, 820, 390]) {
  test(`at ${String(width)} px no row of a room ends early, except where there are too few tiles`, async ({ home, page }) => {
    expect(home.process.runs).toBe(true)
    await page.setViewportSize({ width, height: 900 })
    await openOverview(page)
    await expectTile(page, 'sim-kitchen', 'air_temperature', 'live')
    for (const name of ['Bedroom', 'Garage', 'Kitchen', 'Living room']) {
      const grid = page.getByRole('region', { name, exact: true }).locator('.grid')
      const free = await grid.evaluate((e) => {
        const box = e.getBoundingClientRect()
        const tiles = [...e.children].map((c) => c.getBoundingClientRect())
        const last = Math.max(...tiles.map((t) => t.bottom))
        return box.right - Math.max(...tiles.filter((t) => last - t.bottom < 2).map((t) => t.right))
      })
      expect(Math.round(free), `px free at the end of the last row of ${name}`).toBe(0)
    }
  })
}
