import { expectTile, openDevice } from '../harness/look'
import { expect, test } from '../harness/story'

const kitchen = 'sim-kitchen'

test('a device page says what it does without the hub and how its link stands', async ({ home, page }) => {
  expect(home.process.runs).toBe(true)
  await openDevice(page, kitchen)
  const alone = page.getByRole('region', { name: 'On its own, without the hub' })
  await expect(alone.getByRole('listitem').filter({ hasText: 'Kettle' }).first()).toContainText('Without the hub: off after 30 s.')
  const link = page.getByRole('region', { name: 'Connection' })
  await expect(link).toContainText('Still to deliver')
  await expect(link).toContainText('Clock')
  await expect(page.getByRole('region', { name: 'Missing readings' })).toContainText('Nothing of the last 30 days is known to be missing')
})

test('what a power cut cost is listed with its reason', async ({ hub, home, page }) => {
  await openDevice(page, kitchen)
  await expectTile(page, kitchen, 'air_temperature', 'live')
  await expect.poll(async () => (await hub.history(kitchen, 'air_temperature.state', 60_000)).series[0]?.t_ms.length).toBeGreaterThan(2)
  await home.process.kill()
  await expectTile(page, kitchen, 'air_temperature', 'offline', 60_000)
  await home.start()
  await expectTile(page, kitchen, 'air_temperature', 'live')
  const missing = page.getByRole('region', { name: 'Missing readings' }).getByRole('listitem')
  await expect(missing.first()).toContainText('Everything', { timeout: 30_000 })
  await expect(missing.first()).toContainText('restart')
})
