import { expectTile, openDevice, openOverview, record, tile } from '../harness/look'
import { expect, test } from '../harness/story'

const room = 'sim-living-room'

test('a lamp switches: asked, pending, confirmed, and everybody sees it', async ({ hub, home, page, another }) => {
  await openOverview(page)
  const other = await (await another()).newPage()
  await openOverview(other)
  const lamp = await expectTile(page, room, 'lamp', 'live')
  await expectTile(other, room, 'lamp', 'live')
  const theirs = tile(other, room, 'lamp')
  await expect(lamp.getByRole('switch')).toHaveAttribute('aria-checked', 'false')
  await home.breaks(`link_delay:${room}=600ms`) // time enough to see what is shown meanwhile
  const moments = await record(page, room, 'lamp')

  await lamp.getByRole('switch').click()
  await expect(lamp).toHaveAttribute('data-state', 'pending')
  await expect(lamp.getByRole('switch')).toHaveAttribute('aria-checked', 'false')
  await expect(lamp).toContainText('Turning on…')
  await expect(lamp.locator('[data-value]')).toHaveText('Off')
  await expect(lamp).toHaveAttribute('data-state', 'live')
  await expect(lamp.getByRole('switch')).toHaveAttribute('aria-checked', 'true')
  await expect(lamp.locator('[data-value]')).toHaveText('On')

  const shown = (await moments()).map((m) => `${m.state} ${m.checked}`)
  expect(shown[0]).toBe('live false')
  expect(shown[1], 'asked, and still what was reported').toMatch(/^pending false$/)
  expect(shown.filter((s, i) => s.endsWith('true') && shown[i - 1]?.endsWith('false')), 'it turned on once').toHaveLength(1)
  expect(shown.filter((s, i) => s.endsWith('false') && shown[i - 1]?.endsWith('true')), 'and never back').toHaveLength(0)

  await expect(theirs.getByRole('switch')).toHaveAttribute('aria-checked', 'true')
  await expect(theirs, 'the other page says when it was moved').toContainText(/just now|\d+\sm?s ago/)
  expect((await hub.commands(room))[0]).toMatchObject({ state: 'done', value: true, reported: true, proof: 'readback' })
})

test('the ledger on the device page tells a command from asked to done, with its proof', async ({ hub, home, page }) => {
  await openDevice(page, room)
  expect(home.process.runs).toBe(true)
  const lamp = await expectTile(page, room, 'lamp', 'live')
  await lamp.getByRole('switch').click()
  await expect(lamp.getByRole('switch')).toHaveAttribute('aria-checked', 'true')

  const commands = page.locator('section', { has: page.getByRole('heading', { name: 'Commands' }) })
  const row = commands.getByRole('listitem').first()
  await expect(row).toHaveAttribute('data-state', 'done')
  await expect(row).toContainText('Ceiling lamp: On')
  await expect(row).toContainText(/Done in .*, read back/)
  await row.locator('summary').press('Enter')
  await expect(row.locator('li').last(), 'the proof is told in words').toContainText(/Done On, read back/)
  const steps = (await row.locator('li b').allTextContents()).map((step) => step.toLowerCase())
  expect(steps.shift()).toBe('asked')
  expect(steps).toEqual((await hub.commands(room))[0]?.log.map((step) => step.state))
  expect(steps[0]).toBe('queued')
  expect(steps).toContain('sent')
  expect(steps).toContain('received')
  expect(steps.at(-1)).toBe('done')
})

test('a lying relay shows failed, keeps the confirmed state and offers to try again', async ({ hub, home, page }) => {
  await openOverview(page)
  const lamp = await expectTile(page, room, 'lamp', 'live')
  await home.breaks(`lying_relay:${room}/lamp`)
  const moments = await record(page, room, 'lamp')

  await lamp.getByRole('switch').click()
  await expect(lamp).toHaveAttribute('data-state', 'failed')
  await expect(lamp).toContainText('Did not work')
  await expect(lamp.getByRole('switch')).toHaveAttribute('aria-checked', 'false')
  await expect(lamp.locator('[data-value]')).toHaveText('Off')
  expect((await moments()).filter((m) => m.checked === 'true'), 'it never looked switched on').toEqual([])
  expect((await hub.commands(room))[0]).toMatchObject({ state: 'failed', value: true })
  await expect(page.getByRole('status')).toContainText('Ceiling lamp')

  await home.mends()
  await lamp.getByRole('button', { name: 'Retry' }).click()
  await expect(lamp).toHaveAttribute('data-state', 'live')
  await expect(lamp.getByRole('switch')).toHaveAttribute('aria-checked', 'true')
})
