import { expectTile, expectValuesMove, openOverview } from '../harness/look'
import { expect, test } from '../harness/story'

test('at first look the home is there by area, its values move and the page says that it is live', async ({ home, page }) => {
  expect(home.process.runs).toBe(true)
  await openOverview(page)
  for (const area of ['Living room', 'Kitchen', 'Bedroom', 'Garage', 'Garden']) {
    await expect(page.getByRole('heading', { name: area, exact: true })).toBeVisible()
  }
  await expect(page.getByTestId('link')).toContainText('Live')
  await expect(page.getByTestId('link')).toContainText('4 of 4 devices')
  const air = await expectTile(page, 'sim-living-room', 'air_temperature', 'live')
  await expect(air.locator('[data-value]')).toHaveText(/^\d{1,2}\.\d\s?°C$/)
  await expectTile(page, 'sim-living-room', 'lamp', 'live')
  await expectTile(page, 'sim-living-room', 'thermostat', 'live')
  await expectValuesMove(page, 15_000) // a calm home changes a tenth of a degree in some seconds
  // Nothing on the page looks broken, to eyes or to a screen reader.
  await expect(page.locator('[data-testid^="tile-"][data-state="failed"]')).toHaveCount(0)
  await expect(page.getByRole('link', { name: /^Air temperature, \d.* degrees Celsius.*live$/ }).first()).toBeVisible()
})
