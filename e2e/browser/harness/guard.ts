import type { BrowserContext, Page } from '@playwright/test'

/**
 * Guard notes everything that must not happen on any page of a story: errors on the console, broken content security policy, requests to
 * anybody but the hub, dialogs of the browser.
 */
export class Guard {
  readonly problems: string[] = []
  private readonly expected: RegExp[] = []

  /** own: the hub's address. */
  constructor(private readonly own: string) {}

  /** A problem that belongs to the story: a killed hub refuses connections. */
  expect(problem: RegExp): void {
    this.expected.push(problem)
  }

  /** Watches all pages of a context. */
  async watch(context: BrowserContext): Promise<void> {
    await context.addInitScript(() => {
      addEventListener('securitypolicyviolation', (e) => {
        console.error(`CSP ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${String(e.lineNumber)}`)
      })
    })
    context.on('request', (r) => {
      const url = r.url()
      if (!url.startsWith(`${this.own}/`) && !/^(data|blob):/.test(url)) this.note(`third party: ${url}`)
    })
    context.on('page', (page) => {
      this.watchPage(page)
    })
    context.pages().forEach((page) => {
      this.watchPage(page)
    })
  }

  private watchPage(page: Page): void {
    page.on('console', (m) => {
      if (m.type() === 'error' || m.type() === 'warning') this.note(`console ${m.type()}: ${m.text()} (${m.location().url})`)
    })
    page.on('pageerror', (err) => {
      this.note(`exception: ${err.stack ?? err.message}`)
    })
    page.on('websocket', (ws) => {
      if (!ws.url().startsWith(this.own.replace(/^http/, 'ws') + '/')) this.note(`third party: ${ws.url()}`)
    })
    page.on('dialog', (d) => {
      this.note(`dialog: ${d.message()}`)
      void d.dismiss()
    })
  }

  private note(problem: string): void {
    if (!this.expected.some((e) => e.test(problem))) this.problems.push(problem)
  }
}
