import { expectTile, openOverview } from '../harness/look'
import { expect, test } from '../harness/story'

const room = 'sim-living-room'

test.describe('in a world that runs a minute a second', () => {
  test.use({ homeFlags: ['--speed', '60'] })

  test('a thermostat is set by keyboard, heats, and the room becomes warm', async ({ hub, home, page }) => {
    expect(home.process.runs).toBe(true)
    await openOverview(page)
    const thermostat = await expectTile(page, room, 'thermostat', 'live')
    const dial = thermostat.getByRole('slider')
    await dial.focus()
    await dial.press('Home')
    await expect(thermostat.locator('[data-value]')).toHaveText('5.0°')
    await expect(thermostat, 'a room warmer than its target needs no heat').toContainText('Holding')

    await expect.poll(() => now(thermostat.innerText())).toBeGreaterThan(0)
    const before = await now(thermostat.innerText())
    await dial.press('End')
    await dial.press('PageDown')
    await dial.press('ArrowDown')
    await expect(thermostat.locator('[data-value]')).toHaveText('26.5°')
    await expect(thermostat).toContainText('Heating to', { timeout: 20_000 })
    await expect(dial).toHaveAttribute('aria-valuenow', '26.5')
    await expect.poll(() => now(thermostat.innerText()), { message: 'the room became warmer', timeout: 30_000 }).toBeGreaterThan(before + 0.5)
    expect((await hub.commands(room))[0]).toMatchObject({ entity: 'thermostat', channel: 'target_temperature', value: 26.5, state: 'done' })
  })
})

/** The temperature in "now 20.8 °C". */
async function now(text: Promise<string>): Promise<number> {
  const found = /now (-?[\d.]+)/.exec((await text).replace('\u2212', '-'))
  return Number(found?.[1])
}

test('a dimmer is moved by keyboard, and the light sensor sees it', async ({ hub, home, page }) => {
  expect(home.process.runs).toBe(true)
  await openOverview(page)
  const lamp = await expectTile(page, room, 'reading_lamp', 'live')
  const lux = await expectTile(page, room, 'light_illuminance', 'live')
  const light = async (): Promise<number> => parseFloat(await lux.locator('[data-value]').innerText())
  const before = await light()
  const bar = lamp.getByRole('slider')
  await bar.focus()
  await bar.press('End')
  await expect.poll(async () => (await hub.commands(room))[0]).toMatchObject({ entity: 'reading_lamp', channel: 'brightness', value: 100, state: 'done' })
  await expect(lamp.getByRole('switch')).toHaveAttribute('aria-checked', 'true')
  await expect(lamp).toContainText(/100\s%/)
  await expect.poll(light, { message: 'lux after the lamp was turned up' }).toBeGreaterThan(before + 40)
  for (let i = 0; i < 5; i++) await bar.press('ArrowLeft')
  await expect(lamp).toContainText(/95\s%/)
  await expect.poll(async () => (await hub.commands(room))[0]).toMatchObject({ value: 95, state: 'done' })
})

test('a button is one pulse: the garage door opens once', async ({ hub, home, page }) => {
  expect(home.process.runs).toBe(true)
  await openOverview(page)
  const gate = await expectTile(page, 'sim-garage', 'gate', 'live')
  await expect(gate.locator('[data-value]')).toHaveText('Closed')
  const button = await expectTile(page, 'sim-garage', 'gate_button', 'live')
  await button.getByRole('button').dblclick() // an impatient person
  await expect(button).toContainText('pressed just now')
  await expect(gate.locator('[data-value]')).toHaveText('Open', { timeout: 25_000 })
  const presses = (await hub.commands('sim-garage')).filter((c) => c.op === 'pulse')
  expect(presses.map((c) => c.state)).toEqual(['done'])
})
