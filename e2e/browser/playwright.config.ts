import { join } from 'node:path'
import { defineConfig } from '@playwright/test'
import { chromium, chromiumFlags, results } from './harness/places'

export default defineConfig({
  testDir: 'stories',
  globalSetup: './harness/setup.ts',
  outputDir: join(results, 'failures'),
  reporter: [['list']],
  retries: 0,
  forbidOnly: true,
  workers: 2,
  fullyParallel: true,
  timeout: 90_000,
  expect: { timeout: 10_000 },
  use: {
    browserName: 'chromium',
    viewport: { width: 1280, height: 900 },
    colorScheme: 'light',
    locale: 'en-GB',
    screenshot: 'only-on-failure',
    launchOptions: { executablePath: chromium(), args: chromiumFlags },
  },
})
