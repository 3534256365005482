import { expectTile, expectValuesMove, openOverview } from '../harness/look'
import { expect, test } from '../harness/story'

const room = 'sim-living-room'

test('a silent simulator turns tiles stale, a killed one offline, and a new one brings them back', async ({ home, page }) => {
  await openOverview(page)
  const air = await expectTile(page, room, 'air_temperature', 'live')
  const lamp = await expectTile(page, room, 'lamp', 'live')
  const before = await air.locator('[data-value]').innerText()

  home.process.signal('SIGSTOP')
  await expectTile(page, room, 'air_temperature', 'stale', 8_000)
  await expect(air).toContainText(/no reading for \d+\ss/)
  await expect(air.locator('[data-value]'), 'the last value stays, and is not called live').toHaveText(/\d/)
  await expect(page.getByTestId('link'), 'the page itself is connected').toHaveAttribute('data-state', 'live')

  await home.process.kill()
  await expectTile(page, room, 'air_temperature', 'offline', 5_000)
  await expect(air).toContainText(/offline since \d\d:\d\d/)
  await expect(air.locator('[data-value]')).toHaveText(/^last\s\d/)
  await expect(lamp).toHaveAttribute('data-state', 'offline')
  await expect(page.getByTestId('link')).toContainText('0 of 4 devices')
  const control = lamp.getByRole('switch')
  await expect(control).toHaveAttribute('aria-disabled', 'true')
  await expect(control).toHaveAttribute('title', 'The device is offline')
  await control.click({ force: true })
  await expect(lamp, 'a control that is off asks for nothing').toHaveAttribute('data-state', 'offline')
  expect(before).toMatch(/°C/)

  await home.start()
  await expectTile(page, room, 'air_temperature', 'live', 15_000)
  await expectTile(page, room, 'lamp', 'live')
  await expect(control).toHaveAttribute('aria-disabled', 'false')
  await expectValuesMove(page, 15_000)
})

test('a cut cable is noticed: stale within seconds, offline when the hub gives the link up', async ({ home, page }) => {
  await openOverview(page)
  await expectTile(page, 'sim-kitchen', 'air_temperature', 'live')
  await expectTile(page, room, 'air_temperature', 'live')
  await home.breaks(`link_half_open:${room}`)
  const air = await expectTile(page, room, 'air_temperature', 'stale', 8_000)
  await expectTile(page, room, 'air_temperature', 'offline', 40_000)
  await expect(air).toContainText('offline since')
  await expectTile(page, 'sim-kitchen', 'air_temperature', 'live') // nobody else is disturbed
  await home.mends()
  await expectTile(page, room, 'air_temperature', 'live', 40_000)
})
