import { mount } from 'svelte'
import '../src/style/tokens.css'
import '../src/style/base.css'
import { Live } from '../src/live/live'
import App from '../src/view/App.svelte'
import { browserEnv } from '../src/browser'
import { galleryApi, GallerySocket } from './hub'
import { homes } from './home'
import type { Look } from './storage'

// Every component in every state, without a hub: `npm run dev`, then /gallery/. Not part of the production build.
const target = document.getElementById('app')
if (!target) throw new Error('gallery/index.html has no #app')
const query = new URLSearchParams(location.search)
const all = query.has('empty') ? [] : homes(Date.now())
const live = new Live({
  ...browserEnv(),
  api: galleryApi(all, (query.get('storage') ?? 'ok') as Look),
  open: () => {
    if (query.has('down')) throw new Error('the gallery was told to have no hub')
    return new GallerySocket(all)
  },
})
mount(App, { target, props: { live } })
live.start()
if (query.has('cut'))
  setTimeout(() => {
    live.stop()
  }, 4000)
