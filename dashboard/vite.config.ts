import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

// The hub that `npm run dev` talks to. TELLTALE_HUB overrides it.
const hub = process.env.TELLTALE_HUB ?? 'http://localhost:8080'

export default defineConfig({
  plugins: [svelte()],
  server: {
    // changeOrigin and a rewritten Origin: the hub lets only its own origin open the live socket.
    proxy: { '/api': { target: hub, changeOrigin: true, ws: true, headers: { origin: hub } } },
  },
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false }, // the polyfill would be an inline script; our CSP has none
    assetsInlineLimit: 0, // data: URLs are not 'self'
    cssCodeSplit: true,
    reportCompressedSize: false, // scripts/size.mjs measures and can fail
  },
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node', // wire and live know no DOM; a test that needs one does not belong here
  },
})
