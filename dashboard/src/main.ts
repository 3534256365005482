import { mount } from 'svelte'
import './style/tokens.css'
import './style/base.css'
import { Live } from './live/live'
import App from './view/App.svelte'
import { browserEnv } from './browser'

const target = document.getElementById('app')
if (!target) throw new Error('index.html has no #app')

const live = new Live(browserEnv())
mount(App, { target, props: { live } })
live.start()
