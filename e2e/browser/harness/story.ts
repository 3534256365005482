import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test as base, type BrowserContext } from '@playwright/test'
import { Guard } from './guard'
import { Home } from './home'
import { Hub } from './hub'

export { expect } from '@playwright/test'

interface Parts {
  /** Flags for the simulator, set with test.use. */
  homeFlags: string[]
  /** A folder for everything of this story. */
  dir: string
  /** A running hub. */
  hub: Hub
  /** A running simulated home on it. */
  home: Home
  guard: Guard
  /** Opens another browser, as another person would. */
  another: () => Promise<BrowserContext>
}

/** A test with a hub of its own, a home of its own when it asks for one, and a page on which nothing may go wrong unnoticed. */
export const test = base.extend<Parts>({
  homeFlags: [[], { option: true }],

  // eslint-disable-next-line no-empty-pattern
  dir: async ({}, use) => {
    const dir = await mkdtemp(join(tmpdir(), 'telltale-'))
    await use(dir)
    await rm(dir, { recursive: true, force: true, maxRetries: 3 })
  },

  hub: async ({ dir }, use, info) => {
    const hub = await Hub.at(dir)
    try {
      await hub.start()
      await use(hub)
      await hub.process.stop()
    } finally {
      await hub.process.kill()
      if (info.status !== info.expectedStatus) console.log(`--- the hub's last lines\n${hub.process.tail()}`)
    }
  },

  home: async ({ hub, dir, homeFlags }, use, info) => {
    const home = new Home(hub, dir, homeFlags)
    try {
      await home.start()
      await use(home)
      await home.process.stop()
    } finally {
      await home.process.kill()
      if (info.status !== info.expectedStatus) console.log(`--- the simulator's last lines\n${home.process.tail(15)}`)
    }
  },

  guard: async ({ hub }, use) => {
    const guard = new Guard(hub.url)
    await use(guard)
    base.expect(guard.problems, 'nothing went wrong on any page').toEqual([])
  },

  baseURL: async ({ hub }, use) => {
    await use(hub.url)
  },

  context: async ({ context, guard }, use) => {
    await guard.watch(context)
    await use(context)
  },

  another: async ({ browser, guard, hub }, use) => {
    const opened: BrowserContext[] = []
    await use(async () => {
      const context = await browser.newContext({ baseURL: hub.url })
      opened.push(context)
      await guard.watch(context)
      return context
    })
    for (const context of opened) await context.close()
  },
})
