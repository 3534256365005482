import { defineConfig } from '@playwright/test'
import stories from './playwright.config'

/** Makes the pictures of the README from a real simulated home: `npm run pictures`. */
export default defineConfig({
  ...stories,
  testDir: 'pictures',
  workers: 1,
})
