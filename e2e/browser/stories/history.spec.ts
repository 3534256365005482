import { readFile } from 'node:fs/promises'
import type { Locator, Page } from '@playwright/test'
import { openDevice, tile } from '../harness/look'
import { expect, test } from '../harness/story'

const room = 'sim-living-room'
const chart = (page: Page): Locator => page.locator('section[aria-label="History"]')
const frozen = (page: Page): Locator => chart(page).getByTestId('window')

/** Opens the device and waits until its chart has drawn something. */
async function openChart(page: Page): Promise<Locator> {
  await openDevice(page, room)
  const plot = chart(page).getByRole('application').first()
  await expect(plot.locator('canvas')).toBeVisible()
  return plot
}

test('zoomed and shoved by mouse and keys, and back to live', async ({ home, page }) => {
  expect(home.process.runs).toBe(true)
  const plot = await openChart(page)
  await expect(frozen(page)).toBeHidden()
  const over = plot.locator('.u-over')
  await over.scrollIntoViewIfNeeded()
  const box = await over.boundingBox()
  if (!box) throw new Error('the plot has no place on the screen')
  const drag = async (a: number, b: number): Promise<void> => {
    await page.mouse.move(box.x + box.width * a, box.y + 50)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width * b, box.y + 60, { steps: 5 })
    await page.mouse.up()
  }
  await drag(0.5, 0.9)
  await expect(frozen(page)).toBeVisible()
  const zoomed = await frozen(page).innerText()
  await expect(page, 'the address says what is shown').toHaveURL(/\?from=.+&to=.+/)

  await page.keyboard.down('Shift')
  await drag(0.3, 0.8)
  await page.keyboard.up('Shift')
  await expect(frozen(page), 'shoved into the past').not.toHaveText(zoomed)

  const shoved = await frozen(page).innerText()
  await plot.focus()
  await page.keyboard.press('+')
  await expect(frozen(page)).not.toHaveText(shoved)
  await page.keyboard.press('Home')
  await expect(frozen(page)).toBeHidden()
  await chart(page).getByRole('button', { name: 'Zoom in' }).click()
  await expect(frozen(page)).toBeVisible()
  await chart(page).getByRole('button', { name: 'Back to live' }).click()
  await expect(frozen(page)).toBeHidden()
})

test('the address is the view: back, forward, a reload and a link to exactly this', async ({ home, page }) => {
  expect(home.process.runs).toBe(true)
  await openChart(page)
  await chart(page).getByRole('button', { name: '24 h' }).click()
  await expect(page).toHaveURL(/\?last=24h$/)
  await chart(page).getByLabel('Compare with').selectOption('day')
  await expect(page).toHaveURL(/\?last=24h&vs=day$/)
  await page.goBack()
  await expect(page).toHaveURL(/\?last=24h$/)
  await expect(chart(page).getByLabel('Compare with')).toHaveValue('')
  await page.goForward()
  await expect(chart(page).getByLabel('Compare with')).toHaveValue('day')
  await page.reload()
  await expect(chart(page).getByRole('button', { name: '24 h' })).toHaveAttribute('aria-pressed', 'true')

  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await chart(page).getByRole('button', { name: 'Save' }).click()
  await chart(page).getByRole('button', { name: 'Link to exactly this' }).click()
  await expect(chart(page)).toContainText('The link is copied.')
  const link = await page.evaluate(() => navigator.clipboard.readText())
  await page.goto(link)
  await expect(frozen(page)).toBeVisible()
  const words = await frozen(page).innerText()
  await page.reload()
  await expect(frozen(page)).toHaveText(words)
})

test('what is shown can be taken along, and who did what is on the time axis', async ({ hub, home, page }) => {
  expect(home.process.runs).toBe(true)
  await openChart(page)
  await tile(page, room, 'lamp').getByRole('switch').click()
  await expect.poll(async () => (await hub.commands(room))[0]?.state).toBe('done')
  const over = chart(page).locator('.u-over').first()
  await over.scrollIntoViewIfNeeded()
  await chart(page).getByRole('button', { name: 'Zoom in' }).focus()
  const box = await over.boundingBox()
  if (!box) throw new Error('the plot has no place on the screen')
  // The command has just been asked: its mark is at the right edge and moves on with time.
  await expect(async () => {
    await page.mouse.move(box.x + box.width - 20, box.y + 40)
    await page.mouse.move(box.x + box.width - 1, box.y + 40)
    await expect(chart(page).locator('.hint')).toContainText(/Ceiling lamp: On/, { timeout: 500 })
  }).toPass()

  const take = async (what: string): Promise<Buffer> => {
    await chart(page).getByRole('button', { name: 'Save' }).click()
    const [download] = await Promise.all([page.waitForEvent('download'), chart(page).getByRole('button', { name: what }).click()])
    return readFile(await download.path())
  }
  // A home that has just begun has few readings: a head, one of them, and the end of its line.
  await expect(async () => {
    const [head, ...rows] = (await take('Table (CSV)')).toString('utf8').split('\r\n')
    expect(head).toMatch(/^\ufefftime,Air temperature \(°C\)/)
    expect(rows.length).toBeGreaterThanOrEqual(2)
  }).toPass()
  const png = await take('Picture (PNG)')
  expect(png.subarray(1, 4).toString()).toBe('PNG')
  expect(png.byteLength).toBeGreaterThan(10_000)
})

test.describe('on a phone', () => {
  test.use({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true })

  test('two fingers zoom, one shoves', async ({ home, page }) => {
    expect(home.process.runs).toBe(true)
    const plot = await openChart(page)
    await plot.scrollIntoViewIfNeeded()
    const box = await plot.boundingBox()
    if (!box) throw new Error('the plot has no place on the screen')
    const touch = await page.context().newCDPSession(page)
    const y = box.y + 80
    const at = (...parts: number[]): { x: number; y: number }[] => parts.map((p) => ({ x: box.x + box.width * p, y }))
    const send = (type: string, points: { x: number; y: number }[]): Promise<unknown> =>
      touch.send('Input.dispatchTouchEvent', { type: type as 'touchStart', touchPoints: points.map((p, id) => ({ ...p, id })) })
    await send('touchStart', at(0.5, 0.6))
    for (const d of [0.05, 0.1, 0.15, 0.2]) await send('touchMove', at(0.5 - d, 0.6 + d))
    await send('touchEnd', [])
    await expect(frozen(page)).toBeVisible()
    const zoomed = await frozen(page).innerText()
    await send('touchStart', at(0.4))
    for (const d of [0.1, 0.2, 0.3]) await send('touchMove', at(0.4 + d))
    await send('touchEnd', [])
    await expect(frozen(page)).not.toHaveText(zoomed)
  })
})
