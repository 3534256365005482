import { openDevice, openOverview } from '../harness/look'
import { expect, test } from '../harness/story'

const evil = '<img src=x onerror=alert(1)>'

test('a name is text, whatever is in it', async ({ hub, home, page }) => {
  expect(home.process.runs).toBe(true)
  await openOverview(page)
  await hub.patch('sim-garage', { name: evil, area: `"><script>alert(2)</script>` })
  await expect(page.getByRole('heading', { name: '"><script>alert(2)</script>' }), 'the open page learns the new area').toBeVisible()
  await openDevice(page, 'sim-garage')
  await expect(page.getByRole('heading', { level: 1, name: evil })).toBeVisible()
  await page.goto('/#/devices')
  await expect(page.getByTestId('device-sim-garage')).toContainText(evil)
  await page.keyboard.press('/')
  await page.keyboard.type('<img')
  await expect(page.getByRole('option').first()).toContainText(evil)
  await expect(page.locator('img[src="x"], main script, dialog script')).toHaveCount(0)
  // The guard fails the story if a dialog opened, a request went out or the policy was broken.
})
