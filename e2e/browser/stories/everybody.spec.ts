import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from '@playwright/test'
import { expectNoSidewaysScroll, expectTile, openDevice, openOverview, tile } from '../harness/look'
import { expect, test } from '../harness/story'

const room = 'sim-living-room'

for (const width of [390, 320]) {
  test.describe(`on a phone ${String(width)} px wide`, () => {
    const size = { width, height: 844 }
    test.use({ viewport: size, isMobile: true, hasTouch: true })

    test(`nothing is cut off at ${String(width)} px and the bar is at the bottom`, async ({ home, page }) => {
      expect(home.process.runs).toBe(true)
      await openOverview(page)
      await expectTile(page, room, 'air_temperature', 'live')
      await expectNoSidewaysScroll(page)
      const box = await page.getByRole('navigation', { name: 'Main' }).boundingBox()
      expect(box && Math.round(box.y + box.height), 'the lower edge of the bar').toBe(size.height)
      expect(box?.width).toBe(width)
      const lamp = await expectTile(page, room, 'lamp', 'live')
      await lamp.getByRole('switch').tap()
      await expect(lamp.getByRole('switch')).toHaveAttribute('aria-checked', 'true')
      await openDevice(page, room)
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
      await expectTile(page, room, 'air_temperature', 'live')
      await expectNoSidewaysScroll(page)
      for (const place of ['/#/devices', '/#/storage', '/#/add']) {
        await page.goto(place)
        await expect(page.getByRole('main')).not.toBeEmpty()
        await expectNoSidewaysScroll(page)
      }
    })
  })
}

test('dark and calm when the machine asks for it, and when the person does', async ({ home, page }) => {
  await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' })
  await openOverview(page)
  const lamp = await expectTile(page, room, 'lamp', 'live')
  const ground = (): Promise<number> =>
    page.evaluate(() => {
      const [r = 0, g = 0, b = 0] = getComputedStyle(document.documentElement).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? []
      return (r + g + b) / 3
    })
  expect(await ground(), 'the ground is dark').toBeLessThan(60)
  await home.breaks(`link_delay:${room}=700ms`)
  await lamp.getByRole('switch').click()
  await expect(lamp).toHaveAttribute('data-state', 'pending')
  expect(await lamp.evaluate((e) => getComputedStyle(e, '::before').animationName), 'the rail of a pending tile stands still').toBe('none')

  await page.getByRole('button', { name: /^Colours/ }).click() // system → light
  await expect.poll(ground).toBeGreaterThan(200)
  await page.reload()
  await expect.poll(ground, 'the choice is kept').toBeGreaterThan(200)
})

test('everything works from the keyboard alone', async ({ home, page }) => {
  expect(home.process.runs).toBe(true)
  await openOverview(page)
  await expectTile(page, room, 'lamp', 'live')
  await page.evaluate(() => {
    scrollTo(0, 0)
  })
  await page.keyboard.press('Tab')
  const skip = page.getByRole('button', { name: 'Skip to the content' })
  await expect(skip).toBeFocused()
  await expect(skip).toBeInViewport()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('main')).toBeFocused()

  // Tab goes through the tiles as they stand: a tile, then its control.
  const lamp = tile(page, room, 'lamp')
  const visited: string[] = []
  await expect
    .poll(async () => {
      await page.keyboard.press('Tab')
      const focus = await page.evaluate(() => document.activeElement?.closest('[data-testid]')?.getAttribute('data-testid') ?? '')
      visited.push(focus)
      return focus
    }, { message: 'Tab reaches the lamp', intervals: [0], timeout: 40_000 })
    .toBe(`tile-${room}-lamp`)
  const order = await page.locator('[data-testid^="tile-"]').evaluateAll((all) => all.map((e) => e.getAttribute('data-testid') ?? ''))
  const seen = [...new Set(visited.filter((id) => id.startsWith('tile-')))]
  expect(seen, 'in the order in which they stand').toEqual(order.slice(0, seen.length))

  await page.keyboard.press('Tab')
  await expect(lamp.getByRole('switch')).toBeFocused()
  await page.keyboard.press('Space')
  await expect(lamp.getByRole('switch')).toHaveAttribute('aria-checked', 'true')
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1, name: 'Living room' })).toBeVisible()
  await page.goBack()
  await expect(page.getByRole('heading', { name: 'Kitchen', exact: true })).toBeVisible()

  await page.keyboard.press('/')
  const find = page.getByRole('combobox', { name: 'Device, sensor or room' })
  await expect(find).toBeFocused()
  await page.keyboard.type('garage door b')
  await expect(page.getByRole('option').first()).toContainText('Garage door button')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1, name: 'Garage' })).toBeVisible()
  await page.keyboard.press('Control+k')
  await expect(find).toBeFocused()
  await page.keyboard.press('Escape')
  await expect(find).toBeHidden()
})

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

for (const scheme of ['light', 'dark'] as const) {
  test(`no accessibility violation, ${scheme}`, async ({ home, page }) => {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' })
    await openOverview(page)
    await expectTile(page, room, 'air_temperature', 'live')
    await expectAccessible(page, 'overview')
    await home.breaks(`lying_relay:${room}/lamp`)
    await home.breaks('sensor_dead:sim-kitchen/air')
    const lamp = await expectTile(page, room, 'lamp', 'live')
    await lamp.getByRole('switch').click()
    await expectTile(page, room, 'lamp', 'failed')
    await expectTile(page, 'sim-kitchen', 'air_temperature', 'stale')
    await expectAccessible(page, 'overview with a failed and a stale tile')
    await openDevice(page, room)
    await expect(page.locator('section[aria-label="History"] canvas').first()).toBeVisible()
    await expectAccessible(page, 'device')
    if (scheme === 'dark') return // what follows differs in nothing but what was looked at by now
    await page.getByRole('button', { name: 'Table' }).click()
    await expect(page.getByRole('region', { name: 'Readings as a table' })).toBeVisible()
    await expectAccessible(page, 'device with its table')
    await page.getByRole('button', { name: 'Edit' }).click()
    await expect(page.getByRole('dialog')).toBeVisible()
    await expectAccessible(page, 'edit a device')
    await page.goto('/#/devices')
    await expect(page.getByRole('heading', { level: 1, name: 'Devices' })).toBeVisible()
    await expectAccessible(page, 'devices')
    await page.goto('/#/storage')
    await expect(page.getByRole('heading', { name: 'Backups' })).toBeVisible()
    await expectAccessible(page, 'storage')
    await page.goto('/#/add')
    await expect(page.getByRole('button', { name: 'Get a code' })).toBeVisible()
    await expectAccessible(page, 'add a device')
  })
}

interface Violation {
  id: string
  help: string
  nodes: { html: string; failureSummary?: string }[]
}

/** Runs axe-core with all of its rules. It comes through the debugger, so the page's own policy stays in force. */
async function expectAccessible(page: Page, where: string): Promise<void> {
  await page.evaluate(`window.axe || (() => { ${axe} })()`)
  const violations = await page.evaluate(async () => {
    const { axe: tool } = window as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }
    return (await tool.run()).violations
  })
  const told = violations.map((v) => `${v.id}: ${v.help}\n${v.nodes.slice(0, 4).map((n) => `    ${n.html.slice(0, 200)}\n      ${n.failureSummary ?? ''}`).join('\n')}`)
  expect.soft(told.join('\n'), where).toBe('')
}
