import { join } from 'node:path'
import { born } from '../harness/look'
import { Process } from '../harness/process'
import { expect, test } from '../harness/story'

test('an empty hub says how to begin, and the command that it shows brings this machine onto the page', async ({ hub, page, dir }) => {
  expect(await hub.devices()).toEqual([])
  await page.goto('/')
  await expect(page.getByRole('heading', { name: 'No devices yet' })).toBeVisible()
  const document = await born(page)
  await page.getByRole('button', { name: 'Get a code' }).click()
  const code = await page.getByTestId('pairing-code').innerText()
  expect(code).toMatch(/^[A-Z0-9]{4}-[A-Z0-9]{4}$/)
  const line = await page.locator('code', { hasText: code }).innerText()
  const [program, ...args] = line.trim().split(/\s+/)
  expect(program).toBe('device-agent')
  expect(args).toContain(hub.url)

  const agent = new Process('device-agent', join(dir, 'agent.log'))
  try {
    agent.start([...args, '--state', join(dir, 'agent')])
    const cpu = page.locator('[data-testid^="tile-"]', { hasText: /CPU load/ })
    await expect(cpu, agent.tail()).toBeVisible({ timeout: 20_000 })
    await cpu.scrollIntoViewIfNeeded()
    await expect(cpu).toHaveAttribute('data-state', 'live', { timeout: 20_000 })
    await expect(cpu.locator('[data-value]')).toHaveText(/^\d{1,3}\s?%$/)
    expect(await born(page), 'the document was not loaded again').toBe(document)
    await expect(page.getByTestId('link')).toContainText('1 of 1 devices')
    await agent.stop()
    await expect(cpu).toHaveAttribute('data-state', 'offline')
  } finally {
    await agent.kill()
  }
})
